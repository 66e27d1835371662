"""The only room that parses or builds libvirt's documents: lenses, masks, and the few documents of our own."""

from vms.libvirtxml.defaults import network_document, pool_document
from vms.libvirtxml.document import BadXML, parse, serialize
from vms.libvirtxml.domain import Disk, DomainXML, Graphics, Interface
from vms.libvirtxml.glance import glance
from vms.libvirtxml.mask import SECRET, mask, masked
from vms.libvirtxml.screen import add_vnc_screen
from vms.libvirtxml.validate import faults

__all__ = [
    "SECRET",
    "BadXML",
    "Disk",
    "DomainXML",
    "Graphics",
    "Interface",
    "add_vnc_screen",
    "faults",
    "glance",
    "mask",
    "masked",
    "network_document",
    "parse",
    "pool_document",
    "serialize",
]
