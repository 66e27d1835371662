"""What of a definition another VM of the same disks needs, to start from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vms.libvirtxml.compose.system import NAMESPACE
from vms.libvirtxml.compose.wanted import Firmware
from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.lenses import find
from vms.libvirtxml.sources import Source, source


@dataclass(frozen=True)
class Traits:
    """system: libosinfo's address of what is installed, "" for unknown. machine: "pc" or "q35", "" for another.
    disks: (what it is on, its bus) in order."""

    system: str
    machine: str
    firmware: Firmware
    tpm: bool
    cpus: int
    memory_kib: int
    disks: tuple[tuple[Source, str], ...]


def traits(document: DomainXML) -> Traits:
    told = document.element.find(f"metadata/{{{NAMESPACE}}}libosinfo/{{{NAMESPACE}}}os")
    machine = document.machine or ""
    return Traits(
        system=told.get("id", "") if told is not None else "",
        machine="q35" if "q35" in machine else "pc" if machine == "pc" or machine.startswith("pc-") else "",
        firmware=firmware(document),
        tpm=document.devices.find("tpm/backend[@type='emulator']") is not None,
        cpus=document.vcpus or 1,
        memory_kib=document.memory_kib or 0,
        disks=tuple(disks(document)),
    )


def firmware(document: DomainXML) -> Firmware:
    if document.firmware != "efi" and find(document.element, "os/loader/@type") != "pflash":
        return "bios"
    asked = document.element.find("os/firmware/feature[@name='secure-boot'][@enabled='yes']")
    return "secure" if asked is not None or find(document.element, "os/loader/@secure") == "yes" else "efi"


def disks(document: DomainXML) -> Iterator[tuple[Source, str]]:
    for disk in document.devices.iterfind("disk"):
        if disk.get("device", "disk") in ("disk", "lun"):
            yield source(disk, find(disk, "driver/@type") or ""), find(disk, "target/@bus") or ""
