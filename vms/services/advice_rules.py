"""When a VM is idle, larger or smaller than what it does: arithmetic on the roll-ups of its last week, nothing else.

Each row stands for three hours. Whoever reads a judgement is told the window, the percentile and the number that it
rests on; of what was not watched for most of the window nothing is said (docs/decisions/0117).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from vms.metrics import TIERS, VM, scale
from vms.metrics.tiers import DAY, HOUR

Kind = Literal["idle", "cpus", "memory", "disk", "iso", "snapshot"]
TIER: Final = TIERS[-1]
WINDOW: Final = 7 * DAY
# So much of the window it must have run and been watched.
WATCHED: Final = 5 * DAY
PERCENTILE: Final = 95
# What spans() is asked for, in the order of rows.
SERIES: Final = (
    "cpu", "cpu_max", "steal", "memory", "memory_max", "memory_balloon", "swap_in+swap_out", "disk_read+disk_write",
    "net_in+net_out",
)  # fmt: skip
SCALES: Final = tuple(scale(VM, name) for name in SERIES)
# Seconds from one sample to the next where nothing tells: as often as it can be.
SHORTEST: Final = 5.0

# Idle: all of these, in 95 of 100 spans on their average. Percent, then bytes a second.
IDLE_CPU: Final = 2.0
IDLE_DISK: Final = 32 << 10
IDLE_NETWORK: Final = 2 << 10
# Too large: with less its highest use would still be only so much of it; and a quarter of it at least would be saved.
ROOMY_CPU: Final = 0.7
ROOMY_MEMORY: Final = 0.8
WORTH: Final = 0.75
LEAST_KIB: Final = 512 << 10
# Too small: so much of it is used on the average, or the guest swaps so many bytes a second; half as much more then.
FULL_CPU: Final = 85.0
FULL_MEMORY: Final = 0.9
SWAPS: Final = 64 << 10
MORE: Final = 1.5
# More processors help nobody to whom the host does not give time. Percent.
STARVED: Final = 10.0
MIB: Final = 1 << 10
GIB: Final = 1 << 20


@dataclass(frozen=True)
class Figures:
    """95th percentiles over the spans: cpu, cpu_high, steal in percent, of the average and of the highest sample in a
    span; memory, memory_high in bytes, None where the guest does not tell; swap, disk, network in bytes a second.
    has: the bytes that the guest has now, None where its balloon does not tell. watched: for so many seconds."""

    watched: float
    cpu: float | None
    cpu_high: float | None
    steal: float
    memory: float | None
    memory_high: float | None
    swap: float
    disk: float
    network: float
    has: float | None


@dataclass(frozen=True)
class Judgement:
    """wants: processors, or KiB of memory; 0 where it is to be off."""

    kind: Kind
    has: int
    wants: int


def percentile(values: Sequence[float], percent: int = PERCENTILE) -> float | None:
    """The smallest of them below or at which so many percent of them are (nearest rank); None of nothing."""
    ordered = sorted(values)
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1] if ordered else None


def period(rows: Sequence[tuple[Any, ...]]) -> float:
    """Seconds from one sample of a host to the next, by the span in which it was sampled most."""
    most = max((row[2] for row in rows), default=0)
    return TIER.step / most if most else SHORTEST


def figures(rows: Sequence[tuple[Any, ...]], seconds: float) -> Figures:
    """rows: of spans(). seconds: from one sample to the next."""
    _, _, numbers, *columns = zip(*rows, strict=True)
    told = [[value for value in column if value is not None] for column in columns]
    found = [
        value if value is None else value / divisor
        for value, divisor in zip(map(percentile, told), SCALES, strict=True)
    ]
    cpu, cpu_high, steal, memory, memory_high, _, swap, disk, network = found
    balloons = told[SERIES.index("memory_balloon")]
    # A guest that tells of its swap tells what it uses; else it is what QEMU holds, which says little about the guest.
    tells = swap is not None
    return Figures(
        watched=sum(min(TIER.step, number * seconds) for number in numbers),
        cpu=cpu,
        cpu_high=cpu_high,
        steal=steal or 0.0,
        memory=memory if tells else None,
        memory_high=memory_high if tells else None,
        swap=swap or 0.0,
        disk=disk or 0.0,
        network=network or 0.0,
        has=balloons[-1] / scale(VM, "memory_balloon") if balloons else None,
    )


def judge(told: Figures, *, vcpus: int, memory_kib: int, host_cpus: int) -> list[Judgement]:
    """What is to be said; nothing of one that was watched too little. host_cpus: 0 where that is not known."""
    if told.watched < WATCHED or told.cpu is None or told.cpu_high is None:
        return []
    if told.cpu < IDLE_CPU and told.disk < IDLE_DISK and told.network < IDLE_NETWORK:
        return [Judgement("idle", 0, 0)]
    cpus = wanted_cpus(told.cpu, told.cpu_high, told.steal, vcpus, host_cpus)
    found = [Judgement("cpus", vcpus, cpus)] if cpus != vcpus else []
    has = round(min(told.has / 1024, memory_kib)) if told.has else memory_kib
    wants = wanted_memory(told, has)
    return found + ([Judgement("memory", has, wants)] if wants != has else [])


def wanted_cpus(mean: float, high: float, steal: float, has: int, host_cpus: int) -> int:
    if mean >= FULL_CPU:
        most = min(math.ceil(has * MORE), host_cpus or has)
        return max(most, has) if steal < STARVED else has
    needs = max(math.ceil(has * high / 100 / ROOMY_CPU), 1)
    return needs if needs <= has * WORTH else has


def wanted_memory(told: Figures, has: int) -> int:
    """In KiB; nothing else than now where the guest does not tell what it uses."""
    if told.memory is None or told.memory_high is None:
        return has
    if told.memory / 1024 >= has * FULL_MEMORY or told.swap >= SWAPS:
        return rounded(has * MORE)
    needs = max(rounded(told.memory_high / 1024 / ROOMY_MEMORY), LEAST_KIB)
    return needs if needs <= has * WORTH else has


def rounded(kib: float) -> int:
    """Up, to what people give: quarters of a GiB, above eight whole ones."""
    step = GIB if kib > 8 * GIB else GIB // 4
    return math.ceil(kib / step) * step


def hours(seconds: float) -> int:
    return round(seconds / HOUR)
