"""What others pack VMs into, read where it lies: never unpacked, by no program but ours, bounded in every number
(docs/decisions/0079). Pure: no Django, no libvirt; read(offset, length) is whatever gives bytes of the file."""

from vms.archives.reading import Read
from vms.archives.tar import Member, list_members
from vms.archives.vmdk import read_vmdk

__all__ = ["Member", "Read", "list_members", "read_vmdk"]
