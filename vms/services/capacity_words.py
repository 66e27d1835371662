"""Capacity in words and pictures: amounts of what VMs use, and how much of a bar that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext

from vms.kinds.words import mark
from vms.services.capacity import HostLine, Part, StorageLine
from vms.services.rows import gib
from vms.services.top import By, Over

BY_WORDS: Final[dict[By, str]] = {
    "cpu": mark("Processors"), "memory": mark("Memory"), "disk": mark("Disks"), "network": mark("Network"),
}  # fmt: skip
OVER_WORDS: Final[dict[Over, str]] = {"now": mark("Now"), "day": mark("Last day")}
UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
KIB: Final = 1024


@dataclass(frozen=True)
class Bar:
    """A drawn bar of a hundred: texts of numbers, since a template would write them as people do. end: where what there
    is ends, over: how much is given beyond it; both "" where it is the bar's own end."""

    used: str
    given: str
    end: str = ""
    over: str = ""


def value_word(by: By, value: float) -> str:
    """How much of it a VM uses."""
    if by == "cpu":
        return processors(value)
    return size(value) if by == "memory" else rate(value)


def processors(value: float) -> str:
    """With one digit, with two where that would say nothing."""
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def size(value: float) -> str:
    """Bytes as GiB with one digit; less than one as MiB."""
    if value < 1 << 30:
        return gettext("{n} MiB").format(n=round(value / (1 << 20)))
    return gettext("{n} GiB").format(n=gib(value / KIB))


def rate(value: float) -> str:
    """Bytes a second."""
    step = 0
    while value >= KIB and step < len(UNITS) - 1:
        value, step = value / KIB, step + 1
    return f"{value:.0f} {UNITS[step]}/s" if value >= 10 or not step else f"{value:.1f} {UNITS[step]}/s"


def flows(numbers: Mapping[str, float]) -> dict[str, str]:
    """What a VM moves now by its disks and its network, of live.numbers() of it; "" where that is not known."""
    read, written, received, sent = (
        rate(numbers[name]) if name in numbers else "" for name in ("disk_read", "disk_write", "net_in", "net_out")
    )
    return {
        "disks": gettext("{read} read, {written} written").format(read=read, written=written) if read else "",
        "network": gettext("{received} received, {sent} sent").format(received=received, sent=sent) if received else "",
    }


def ratio(of: Part) -> str:
    """How often what there is was given away; "" where that is not known."""
    return f"{of.given / of.whole:.1f}".removesuffix(".0") if of.whole else ""


def host_bar(of: Part) -> Bar:
    """As long as what is given or what there is, whichever is more."""
    return bar(of.used or 0, of.given, of.whole)


def storage_bar(line: StorageLine) -> Bar:
    """What is taken, and what that would be with all that can grow."""
    return bar(line.taken, line.taken + line.growing, line.pool.capacity_bytes)


def bar(used: float, given: float, whole: float) -> Bar:
    longest = max(used, given, whole) or 1
    texts = [f"{100 * value / longest:.1f}" for value in (used, given, whole, given - whole)]
    return Bar(*texts) if given > whole > 0 else Bar(*texts[:2])


@dataclass(frozen=True)
class HostBars:
    """A host as its card shows it."""

    line: HostLine
    cpus: Bar
    memory: Bar

    @property
    def ratio(self) -> str:
        return ratio(self.line.cpus)


def host_bars(line: HostLine) -> HostBars:
    return HostBars(line, host_bar(line.cpus), host_bar(line.memory))
