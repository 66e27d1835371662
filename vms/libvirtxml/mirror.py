"""A disk that goes to another place: the copy that its QEMU writes meanwhile, and the definition afterwards."""

from __future__ import annotations

from lxml.builder import E

from vms.libvirtxml.backup import Target
from vms.libvirtxml.document import serialize
from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.lenses import find
from vms.libvirtxml.shaping.tree import make, remove


def mirror_document(to: Target) -> str:
    """What a run's disk is copied to, as libvirt's blockCopy takes it."""
    source = E.source(**{"dev" if to.block else "file": to.path})
    return serialize(E.disk(E.driver(type=to.format), source, type="block" if to.block else "file"))


def mirror_of(live: DomainXML, target: str) -> tuple[str, bool]:
    """(the path that the disk of that name is copied to, whether the copy is whole); ("", False) for none."""
    for disk in live.element.iterfind("devices/disk"):
        mirror = disk.find("mirror")
        if mirror is not None and find(disk, "target/@dev") == target:
            path = find(mirror, "source/@file") or find(mirror, "source/@dev") or ""
            return path, mirror.get("ready") == "yes"
    return "", False


def move_disk(document: DomainXML, target: str, pool: str, volume: str) -> None:
    """Let the disk of that name be on the volume, and look for nothing below it that was below the old one."""
    for disk in document.element.iterfind("devices/disk"):
        if find(disk, "target/@dev") != target:
            continue
        for name in ("source", "backingStore"):
            for element in disk.findall(name):
                remove(element)
        disk.set("type", "volume")
        source = make(disk, "source")
        source.set("pool", pool)
        source.set("volume", volume)
