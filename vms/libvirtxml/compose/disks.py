"""Disks and CDs: volumes by the names of their pools."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_lowercase

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.compose.wanted import Drive, Machine, Wanted

PREFIXES = {"virtio": "vd", "sata": "sd", "scsi": "sd", "ide": "hd"}


def drives(wanted: Wanted, machine: Machine) -> Iterator[etree._Element]:
    """Each on the bus that its system has a driver for."""
    used: dict[str, int] = {}
    for drive in wanted.drives:
        bus = bus_of(drive, wanted, machine)
        prefix = PREFIXES[bus]
        number = used.get(prefix, 0)
        used[prefix] = number + 1
        yield element(drive, f"{prefix}{ascii_lowercase[number]}", bus)


def bus_of(drive: Drive, wanted: Wanted, machine: Machine) -> str:
    """A CD is never on virtio: firmware would start it, systems would not find it again. cloud-init's is on virtio's
    SCSI where the system's own disk is on virtio: kernels that are made for clouds have no driver for SATA."""
    if drive.bus in PREFIXES and (drive.bus != "ide" or not machine.has_pcie):
        return drive.bus
    if wanted.guest.virtio_disk and not drive.cd:
        return "virtio"
    if wanted.guest.virtio_disk and drive.seed:
        return "scsi"
    return "sata" if machine.has_pcie and machine.is_pc else "ide" if machine.is_pc else "scsi"


def scsi_controller() -> etree._Element:
    """libvirt by itself gives PCs one that few systems of today have a driver for."""
    found: etree._Element = E.controller(type="scsi", index="0", model="virtio-scsi")
    return found


def element(drive: Drive, name: str, bus: str) -> etree._Element:
    driver = E.driver(name="qemu", type=drive.format)
    if not drive.cd:
        # What a guest frees, its volume frees too.
        driver.set("discard", "unmap")
    found: etree._Element = E.disk(driver, E.source(pool=drive.pool, volume=drive.volume), E.target(dev=name, bus=bus))
    found.set("type", "volume")
    found.set("device", "cdrom" if drive.cd else "disk")
    if drive.cd:
        found.append(E.readonly())
    return found
