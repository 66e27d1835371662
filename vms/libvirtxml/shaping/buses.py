"""The bus of a disk, which its name goes with."""

from __future__ import annotations

from typing import Final

from lxml import etree

from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.drives import free_target
from vms.libvirtxml.lenses import find
from vms.libvirtxml.shaping.lens import Value
from vms.libvirtxml.shaping.tree import put, remove

PREFIXES: Final = {"virtio": "vd", "sata": "sd", "scsi": "sd", "usb": "sd", "ide": "hd"}


def owner(element: etree._Element) -> DomainXML:
    """The document that the device stands in."""
    return DomainXML(next(element.iterancestors("domain"), element))


def write_bus(disk: etree._Element, value: Value) -> None:
    """It is another device to the guest, with a place and a name of its own."""
    document = owner(disk)
    address = disk.find("address")
    if address is not None:
        remove(address)
    prefix = PREFIXES[str(value)]
    if not (find(disk, "target/@dev") or "").startswith(prefix):
        put(disk, "target/@dev", free_target(document, prefix))
    put(disk, "target/@bus", str(value))
