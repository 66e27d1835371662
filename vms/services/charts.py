"""Which series are drawn together, over which time, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vms.kinds.words import mark
from vms.metrics import HOST, POOL, VM, Answer, Family, Of, series_of
from vms.metrics.tiers import DAY, HOUR


@dataclass(frozen=True)
class Chart:
    """names: the series and what each is called in it. unit: of all of them."""

    title: str
    unit: str
    names: tuple[tuple[str, str], ...]

    @property
    def series(self) -> str:
        return ",".join(name for name, _ in self.names)


@dataclass(frozen=True)
class Span:
    """name: as in the address; seconds: how far back."""

    name: str
    text: str
    seconds: int


SPANS: Final = (
    Span("hour", mark("Hour"), HOUR),
    Span("day", mark("Day"), DAY),
    Span("week", mark("Week"), 7 * DAY),
    Span("month", mark("Month"), 31 * DAY),
    Span("year", mark("Year"), 365 * DAY),
    Span("years", mark("Two years"), 730 * DAY),
)
OF_VM: Final = (
    Chart(
        mark("Processors"),
        "percent",
        (("cpu", mark("used")), ("steal", mark("not given by the host")), ("wait", mark("waiting for disks"))),
    ),
    Chart(
        mark("Memory"),
        "bytes",
        (
            ("memory", mark("used")),
            ("memory_balloon", mark("what it has")),
            ("memory_process", mark("held on the host")),
        ),
    ),
    Chart(mark("Disks"), "bytes/s", (("disk_read", mark("read")), ("disk_write", mark("written")))),
    Chart(mark("Disk requests"), "1/s", (("disk_reads", mark("reads")), ("disk_writes", mark("writes")))),
    Chart(
        mark("Time of a disk request"),
        "s",
        (("disk_read_latency", mark("to read")), ("disk_write_latency", mark("to write"))),
    ),
    Chart(mark("Network"), "bytes/s", (("net_in", mark("received")), ("net_out", mark("sent")))),
    Chart(
        mark("Packets"),
        "1/s",
        (
            ("net_packets_in", mark("received")),
            ("net_packets_out", mark("sent")),
            ("net_drops", mark("dropped")),
            ("net_errors", mark("with errors")),
        ),
    ),
    Chart(mark("Swap"), "bytes/s", (("swap_in", mark("read")), ("swap_out", mark("written")))),
    Chart(mark("Fullest file system, as the guest tells"), "percent", (("fullest_filesystem", mark("used")),)),
)
OF_HOST: Final = (
    Chart(mark("Processors"), "percent", (("cpu", mark("used")), ("wait", mark("waiting for disks")))),
    Chart(mark("Memory"), "bytes", (("memory", mark("used")),)),
)
OF_POOL: Final = (Chart(mark("Space"), "bytes", (("used", mark("used")), ("capacity", mark("there is")))),)
# Of several VMs over each other, one series a chart.
MOST_BESIDE: Final = 8
BESIDE: Final = (
    Chart(mark("Processors"), "percent", (("cpu", mark("used")),)),
    Chart(mark("Memory"), "bytes", (("memory", mark("used")),)),
    Chart(mark("Disks, read"), "bytes/s", (("disk_read", mark("read")),)),
    Chart(mark("Disks, written"), "bytes/s", (("disk_write", mark("written")),)),
    Chart(mark("Network, received"), "bytes/s", (("net_in", mark("received")),)),
    Chart(mark("Network, sent"), "bytes/s", (("net_out", mark("sent")),)),
)
CHARTS: Final = {VM: OF_VM, HOST: OF_HOST, POOL: OF_POOL}


# What of a step is drawn.
OFS: Final[dict[str, Of]] = {mark("Mean"): "mean", mark("Highest"): "highest"}


def of(name: str) -> Of:
    """Which of a step is wanted: its mean for anything that is none."""
    return "highest" if name == "highest" else "mean"


def span(name: str) -> Span:
    """The one of that name, the first for anything else."""
    return next((each for each in SPANS if each.name == name), SPANS[0])


def table(family: Family, answer: Answer) -> Iterator[list[str]]:
    """The same as lines of a table: the time in UTC, then a column a series; nothing where nothing was measured."""
    known = series_of(family)
    yield ["time", *(f"{name} ({known[name].unit})" for name in answer.points)]
    times = sorted({t for points in answer.points.values() for t, _ in points})
    columns = [dict(points) for points in answer.points.values()]
    for t in times:
        values = [column.get(t) for column in columns]
        yield [str(t), *("" if value is None else repr(value) for value in values)]
