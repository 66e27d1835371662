"""What is known of an operating system."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Final

from vms.osdata.iso import Label

# What nobody says the end of has one ten years after it began, as virt-install takes it.
LONGEST: Final = timedelta(days=3650)


@dataclass(frozen=True)
class Size:
    """0 for what nobody tells."""

    cpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0


@dataclass(frozen=True)
class Medium:
    """What the label of one of its ISOs has in it, as patterns; "" for what does not matter, size_bytes 0 likewise."""

    volume: str
    system: str = ""
    publisher: str = ""
    application: str = ""
    size_bytes: int = 0
    arch: str = ""

    def matches(self, label: Label) -> bool:
        # One that is of everything would match everything.
        if not (self.volume or self.application) or self.size_bytes not in (0, label.size_bytes):
            return False
        return all(
            not pattern or has(pattern, text)
            for pattern, text in (
                (self.volume, label.volume), (self.system, label.system), (self.publisher, label.publisher),
                (self.application, label.application),
            )
        )  # fmt: skip


@cache
def pattern(text: str) -> re.Pattern[str] | None:
    """Read when it is first needed: there are thousands. None where it was written for another engine."""
    try:
        return re.compile(text)
    except re.error:
        return None


def has(text: str, label: str) -> bool:
    """Whether the pattern is somewhere in the label."""
    found = pattern(text)
    return found is not None and found.search(label) is not None


@dataclass(frozen=True)
class System:
    """One operating system.

    id: libosinfo's short id, aliases more of them, url its long one, which virt-install writes into definitions.
    family: whose it is ("debian", "windows"); kernel: "linux", "windows", "freebsd"... , "other"; "" for what is
    no system, such as a CD of drivers.
    least: what it needs; advised: what it is comfortable with.
    devices: what it has drivers for, in QEMU's words ("virtio-blk", "virtio-1.0", "e1000e", "tablet", "q35"); drivers:
    what else with the CD of drivers that its project publishes.
    bios, uefi: how it starts on x86_64, as far as told. tpm, secure_boot: it does not install without.
    localtime: its hardware clock is not in UTC.
    released, ended: None for not told; rolling: it has no end.
    media: what the labels of its ISOs look like; files: a pattern of the names of its images.
    """

    id: str
    name: str
    family: str
    kernel: str
    least: Size
    advised: Size
    version: str = ""
    url: str = ""
    aliases: tuple[str, ...] = ()
    devices: frozenset[str] = frozenset()
    drivers: frozenset[str] = frozenset()
    bios: bool = True
    uefi: bool = False
    tpm: bool = False
    secure_boot: bool = False
    localtime: bool = False
    released: date | None = None
    ended: date | None = None
    rolling: bool = False
    media: tuple[Medium, ...] = ()
    files: str = ""

    @property
    def needs_uefi(self) -> bool:
        return self.uefi and not self.bios

    @property
    def q35(self) -> bool:
        """Whether it runs on that machine: its virtio devices are new ones there."""
        return "q35" in self.devices and ("virtio-net" not in self.devices or "virtio-1.0" in self.devices)

    def is_over(self, today: date) -> bool:
        """Whether nobody mends it any more."""
        if self.ended:
            return self.ended < today
        return not self.rolling and self.released is not None and self.released + LONGEST < today
