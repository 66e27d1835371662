"""cloud-init's disc, put into a definition that is there."""

from __future__ import annotations

from itertools import count
from string import ascii_lowercase

from vms.libvirtxml.compose.disks import PREFIXES, element, scsi_controller
from vms.libvirtxml.compose.wanted import Drive
from vms.libvirtxml.domain import DomainXML


def add_seed(document: DomainXML, pool: str, volume: str) -> None:
    """One more CD drive with that volume of the pool in it, behind the disks that are there: on virtio's SCSI where one
    of them is on virtio, as in a definition that is composed."""
    models = [each.get("model") for each in document.devices.findall("controller[@type='scsi']")]
    virtio = any(disk.bus == "virtio" for disk in document.disks)
    bus = "scsi" if virtio and set(models) <= {"virtio-scsi"} else slow_bus(document)
    drive = element(Drive(pool, volume, "raw", cd=True), free_target(document, PREFIXES[bus]), bus)
    disks = document.devices.findall("disk")
    if disks:
        disks[-1].addnext(drive)
    else:
        document.devices.append(drive)
    if bus == "scsi" and not models:
        drive.addnext(scsi_controller())


def slow_bus(document: DomainXML) -> str:
    """Where firmware and systems of all ages find a CD."""
    if document.arch not in ("x86_64", "i686"):
        return "scsi"
    return "sata" if "q35" in (document.machine or "") else "ide"


def free_target(document: DomainXML, prefix: str) -> str:
    """ "sdb": a name that none of its disks has."""
    taken = {disk.target for disk in document.disks}
    return next(name for number in count() if (name := f"{prefix}{letters(number)}") not in taken)


def letters(number: int) -> str:
    """a to z, then aa to zz, as Linux counts disks."""
    return (letters(number // 26 - 1) if number >= 26 else "") + ascii_lowercase[number % 26]
