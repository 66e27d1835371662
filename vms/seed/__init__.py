"""What a cloud image reads at its first boot: people's answers as the files and the disc of cloud-init's NoCloud source
(https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html). Pure: no Django, no libvirt."""

from vms.seed.answers import Address, Answers
from vms.seed.check import check_network, check_user_data
from vms.seed.disc import make_disc
from vms.seed.documents import documents
from vms.seed.passwords import hashed

__all__ = ["Address", "Answers", "check_network", "check_user_data", "documents", "hashed", "make_disc"]
