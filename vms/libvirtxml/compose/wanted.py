"""What a new definition is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from vms.libvirtxml.screen import Listen

# secure: UEFI that starts what Microsoft has signed.
Firmware = Literal["bios", "efi", "secure"]
FIRMWARES: Final[tuple[Firmware, ...]] = get_args(Firmware)


@dataclass(frozen=True)
class Guest:
    """What a system brings drivers for, and what it expects. id: libosinfo's address of it, "" for unknown.
    virtio_disk, virtio_net, virtio_video: of these by themselves; virtio: of the rest, which costs nothing where it is
    not used. local_time: its clock is set to where it stands, as Windows reads it. hyperv: it knows itself on
    Hyper-V."""

    id: str = ""
    virtio_disk: bool = True
    virtio_net: bool = True
    virtio: bool = True
    virtio_video: bool = True
    local_time: bool = False
    hyperv: bool = False


# A system of which nothing is known: every card and disk of the last fifteen years, and a screen that all can draw on.
PLAIN: Final = Guest(virtio_video=False)


@dataclass(frozen=True)
class Machine:
    """What a definition takes from its host. kvm: processors run by themselves, and are not emulated. machine: q35
    where there is one. listen: where a screen is reached without opening it to others."""

    kvm: bool
    arch: str = "x86_64"
    machine: str = "q35"
    listen: Listen = "none"

    @property
    def is_pc(self) -> bool:
        return self.arch in ("x86_64", "i686")

    @property
    def has_pcie(self) -> bool:
        return self.machine in ("q35", "virt") or "-q35" in self.machine or self.machine.startswith("virt-")


@dataclass(frozen=True)
class Drive:
    """A disk or a CD, as a volume in a pool of the host. format: the one that is remembered. seed: a CD that the system
    alone reads, and no firmware. bus: the one that what is on it starts from, "" for what its system has a driver
    for."""

    pool: str
    volume: str
    format: str
    cd: bool = False
    seed: bool = False
    bus: str = ""


@dataclass(frozen=True)
class Card:
    """A network card of an ordinary user: on a network of the host, filtered, with a MAC of ours."""

    network: str
    mac: str


@dataclass(frozen=True)
class Wanted:
    """A new VM. boot: what it starts from, the first that can ("hd", "cdrom", "network")."""

    name: str
    uuid: str
    vcpus: int
    memory_kib: int
    guest: Guest
    firmware: Firmware
    drives: tuple[Drive, ...] = ()
    cards: tuple[Card, ...] = ()
    boot: tuple[str, ...] = ("hd",)
    tpm: bool = False
