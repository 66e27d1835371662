"""What is measured of VMs, hosts and pools, and how a number is kept: as a whole one, which takes a byte or two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Series:
    """unit: of what is told. scale: what is kept is the number times this, rounded."""

    name: str
    unit: str
    scale: float = 1


@dataclass(frozen=True)
class Family:
    """The series of one sort of thing, which have tables of their own."""

    name: str
    series: tuple[Series, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(series.name for series in self.series)

    def __getitem__(self, name: str) -> Series:
        """KeyError where there is none of that name."""
        return {series.name: series for series in self.series}[name]


PERCENT, BYTES, BYTES_A_SECOND, A_SECOND, SECONDS = "percent", "bytes", "bytes/s", "1/s", "s"

# cpu, steal and wait: of the VM's processors. memory: used, as the guest sees it, else what its process holds;
# memory_balloon: what the guest has now; memory_process: what the process holds. latency: of a request, on the average.
VM: Final = Family(
    "vm",
    (
        Series("cpu", PERCENT, 100),
        Series("steal", PERCENT, 100),
        Series("wait", PERCENT, 100),
        Series("memory", BYTES, 1 / 1024),
        Series("memory_balloon", BYTES, 1 / 1024),
        Series("memory_process", BYTES, 1 / 1024),
        Series("swap_in", BYTES_A_SECOND),
        Series("swap_out", BYTES_A_SECOND),
        Series("disk_read", BYTES_A_SECOND),
        Series("disk_write", BYTES_A_SECOND),
        Series("disk_reads", A_SECOND, 100),
        Series("disk_writes", A_SECOND, 100),
        Series("disk_read_latency", SECONDS, 1e6),
        Series("disk_write_latency", SECONDS, 1e6),
        Series("net_in", BYTES_A_SECOND),
        Series("net_out", BYTES_A_SECOND),
        Series("net_packets_in", A_SECOND, 100),
        Series("net_packets_out", A_SECOND, 100),
        Series("net_drops", A_SECOND, 100),
        Series("net_errors", A_SECOND, 100),
    ),
)
# cpu and wait: of all its processors. memory: what is neither free nor held by caches.
HOST: Final = Family(
    "host", (Series("cpu", PERCENT, 100), Series("wait", PERCENT, 100), Series("memory", BYTES, 1 / 1024))
)
# Of a VM, as its guest's agent tells it, each few minutes. fullest: the one with the least space left.
GUEST: Final = Family(
    "guest",
    (
        Series("fullest_filesystem", PERCENT, 100),
        Series("filesystems_used", BYTES, 1 / 1024),
        Series("filesystems_size", BYTES, 1 / 1024),
    ),
)
POOL: Final = Family("pool", (Series("used", BYTES, 1 / 1024), Series("capacity", BYTES, 1 / 1024)))
FAMILIES: Final = (VM, HOST, GUEST, POOL)
# What is asked for as one: the families have the same things.
TOGETHER: Final = {VM: (VM, GUEST), HOST: (HOST,), POOL: (POOL,)}


def series_of(family: Family) -> dict[str, Series]:
    """By name all that is told of such a thing."""
    return {series.name: series for each in TOGETHER[family] for series in each.series}
