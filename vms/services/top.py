"""Which VMs use most of their hosts, now or over the last day, of those that somebody may see."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Literal

from vms import metrics
from vms.metrics import TIERS, VM, Total
from vms.metrics.tiers import DAY
from vms.models import Host
from vms.permissions import Who, visible_hosts, visible_vms

By = Literal["cpu", "memory", "disk", "network"]
Over = Literal["now", "day"]
BYS: Final[tuple[By, ...]] = ("cpu", "memory", "disk", "network")
OVERS: Final[tuple[Over, ...]] = ("now", "day")
# Added up, but of memory: what the process holds of the host, else what the guest uses.
SERIES: Final[dict[By, tuple[str, ...]]] = {
    "cpu": ("cpu",),
    "memory": ("memory_process", "memory"),
    "disk": ("disk_read", "disk_write"),
    "network": ("net_in", "net_out"),
}
UNITS: Final[dict[By, str]] = {
    "cpu": "processors", "memory": "bytes", "disk": "bytes/s", "network": "bytes/s",
}  # fmt: skip
# What is now: the mean of so many seconds. The store is up to twenty behind.
NOW: Final = 120
RAW, _, QUARTER, _ = TIERS
MOST: Final = 10


@dataclass(frozen=True)
class Line:
    """One VM. host: None for who does not see it. value: in the unit of its Top; share: of what all of them use."""

    vm: int
    name: str
    host: tuple[int, str] | None
    value: float
    share: float


@dataclass(frozen=True)
class Top:
    """From start until end, in seconds since 1970. lines: those that use most, the largest first, without those that
    use nothing; total: of all, counted of them."""

    by: By
    over: Over
    start: int
    end: int
    lines: list[Line]
    total: float
    counted: int

    @property
    def unit(self) -> str:
        return UNITS[self.by]


def top(who: Who, by: By, over: Over, *, host: Host | None = None, most: int = MOST) -> Top:
    """Two queries, and one of the store. Over a day a VM that was off for half of it has used half of what it used
    while it ran; a day is of whole quarters of an hour, and ends with the last one."""
    vms = visible_vms(who).filter(templated_at=None).order_by()
    vms = vms.filter(placement__host=host) if host else vms
    columns = ("placement__name", "placement__vcpus", "placement__host_id")
    rows = {pk: (name, vcpus, on) for pk, name, vcpus, on in vms.values_list("pk", *columns)}
    now = int(time.time())
    if over == "now":
        start, end, tier = now - NOW, now + 1, RAW
    else:
        end = now // QUARTER.step * QUARTER.step
        start, tier = end - DAY, QUARTER
    found = metrics.totals(VM, rows, SERIES[by], start, end, tier)
    values = {vm: used(by, over, total, rows[vm][1]) for vm, total in found.items()}
    whole = sum(values.values())
    first = sorted((vm for vm, value in values.items() if value), key=lambda vm: (-values[vm], rows[vm][0], vm))[:most]
    hosts = dict(
        visible_hosts(who).filter(pk__in={rows[vm][2] for vm in first}).values_list("pk", "name")
    )  # fmt: skip
    lines = []
    for vm in first:
        name, _, on = rows[vm]
        there = (on, hosts[on]) if on in hosts else None
        lines.append(Line(vm, name, there, values[vm], values[vm] / whole))
    return Top(by, over, start, end, lines, whole, len(values))


def used(by: By, over: Over, total: Total, vcpus: int) -> float:
    """In the unit of what it is compared by."""
    if over == "now":
        each = [total.mean(place) for place in range(len(total.sums))]
    else:
        buckets = DAY / QUARTER.step
        each = [
            amount / buckets if count else None for amount, count in zip(total.sums, total.counts, strict=True)
        ]  # fmt: skip
    told = [value for value in each if value is not None]
    if by == "memory":
        return told[0] if told else 0.0
    return sum(told) * vcpus / 100 if by == "cpu" else sum(told)
