"""Virtual networks: one description, the document that is made of it or changed by it, and what a document says."""

from vms.libvirtxml.network.change import change_network, described, made_network
from vms.libvirtxml.network.document import CLEAN_TRAFFIC, FixedLease, NetworkXML, Subnet, free_subnet, overlapping
from vms.libvirtxml.network.leases import fix_lease, free_lease, read_lease
from vms.libvirtxml.network.running import Update, alike, updates
from vms.libvirtxml.network.spec import CHANGED, FIELDS, MODES, OWN, BadNetwork, NetworkSpec, read_network

__all__ = [
    "CHANGED",
    "CLEAN_TRAFFIC",
    "FIELDS",
    "MODES",
    "OWN",
    "BadNetwork",
    "FixedLease",
    "NetworkSpec",
    "NetworkXML",
    "Subnet",
    "Update",
    "alike",
    "change_network",
    "described",
    "fix_lease",
    "free_lease",
    "free_subnet",
    "made_network",
    "overlapping",
    "read_lease",
    "read_network",
    "updates",
]
