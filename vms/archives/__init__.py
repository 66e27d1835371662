"""What others pack VMs into, read where it lies: never unpacked, by no program but ours, bounded in every number
(docs/decisions/0086). Pure: no Django, no libvirt; read(offset, length) is whatever gives bytes of the file."""

from vms.archives.layers import Layer, read_layers
from vms.archives.ova import Ova, Source, read_ova
from vms.archives.parts import read_parts
from vms.archives.qcow2 import write_qcow2
from vms.archives.reading import Read
from vms.archives.tar import Member, list_members
from vms.archives.vmdk import read_vmdk

__all__ = [
    "Layer", "Member", "Ova", "Read", "Source", "list_members", "read_layers", "read_ova", "read_parts", "read_vmdk",
    "write_qcow2",
]  # fmt: skip
