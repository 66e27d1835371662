"""Disks that a domain may read and not write."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from lxml import etree

from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.lenses import find
from vms.libvirtxml.sources import source

# On the others libvirt refuses it.
BUSES: Final = ("virtio", "scsi", "usb")


def is_at(disk: etree._Element, places: Collection[tuple[str, str]]) -> bool:
    """Whether the disk's own source is one of these (how, where)."""
    return disk.get("device", "disk") == "disk" and tuple(source(disk, "")[:2]) in places


def set_read_only(document: DomainXML, places: Collection[tuple[str, str]], *, wanted: bool) -> None:
    """Let the disks that are at these places be read only, as far as their bus can, or let them be written again."""
    for disk in document.devices.findall("disk"):
        if not is_at(disk, places):
            continue
        for told in disk.findall("readonly"):
            disk.remove(told)
        if wanted and find(disk, "target/@bus") in BUSES:
            etree.SubElement(disk, "readonly")


def writable(document: DomainXML, places: Collection[tuple[str, str]]) -> list[str]:
    """The targets of the disks there that are not read only."""
    return [
        find(disk, "target/@dev") or ""
        for disk in document.devices.findall("disk")
        if is_at(disk, places) and disk.find("readonly") is None
    ]
