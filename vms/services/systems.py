"""What a system that is to be installed expects of its machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.libvirtxml import PLAIN, BadXML, DomainXML, Guest
from vms.libvirtxml.shaping import read_os
from vms.osdata import System, find_system, systems

# What a VM gets where nobody says how much.
MEMORY_MIB: Final = 2048
DISK_GIB: Final = 20
CPUS: Final = 2


@dataclass(frozen=True)
class Needs:
    """Of a system. guest: what it has drivers for. known: whether anything is known of it. memory_mib, disk_gib: at
    least, 0 for unknown. uefi: whether it is known to start by UEFI. secure: it asks for secure boot. drivers: a CD of
    drivers gives it what it does not bring."""

    guest: Guest
    known: bool = False
    memory_mib: int = 0
    disk_gib: int = 0
    uefi: bool = False
    secure: bool = False
    drivers: bool = False


def needs(os: str, *, drivers: bool = False) -> Needs:
    """Of the system of that short id; of one that nobody knows, what every machine of the last years had. drivers: it
    gets those of the CD that its project publishes. A screen is not among them, since its setup needs one before."""
    system = find_system(os)
    if system is None or not system.kernel:
        return Needs(PLAIN)
    has = system.devices | system.drivers if drivers else system.devices
    guest = Guest(
        id=system.url,
        virtio_disk="virtio-blk" in has,
        virtio_net="virtio-net" in has,
        virtio="virtio-serial" in has,
        virtio_video="virtio-gpu" in system.devices,
        local_time=system.localtime,
        hyperv=system.kernel == "windows",
    )
    return Needs(
        guest, True, system.least.memory_mib, system.least.disk_gib, system.uefi, system.secure_boot,
        "virtio-blk" in system.drivers - system.devices,
    )  # fmt: skip


def offered() -> list[System]:
    """Those that a VM can be made for."""
    return [system for system in systems().values() if system.kernel and system.least.memory_mib]


def named() -> list[System]:
    """Those that a definition can say are on its disks, one of each name."""
    return list({system.name: system for system in reversed(offered()) if system.url}.values())[::-1]


def address(text: str) -> str:
    """libosinfo's address of the system that is called so, by its name, its short id or that address; "" for none."""
    called = text.strip()
    system = find_system(called) or next((one for one in named() if one.name.casefold() == called.casefold()), None)
    return system.url if system else ""


def name_of(address: str) -> str:
    """What the system of libosinfo's address is called; of one that nobody knows, the address."""
    system = find_system(address) if address else None
    return system.name if system else address


def told(definition: str) -> str:
    """What a definition says is on its disks: a short id, or libosinfo's address of one that nobody knows; "" for
    unknown."""
    try:
        address = str(read_os(DomainXML.parse(definition).element)) if definition else ""
    except BadXML:
        return ""
    system = find_system(address) if address else None
    return system.id if system else address


def choices() -> list[tuple[str, str]]:
    """(short id, name) of these."""
    return [(system.id, system.name) for system in offered()]
