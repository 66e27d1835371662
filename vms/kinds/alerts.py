"""What is looked for by itself, each with the rule that holds until somebody changes it. Names are stored: none is
reused.

The defaults are quiet: of what is usual, such as a guest that shuts itself down, nothing is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from vms.kinds.words import mark

Severity = Literal["warning", "critical"]
SEVERITIES: Final = {"warning": mark("warning"), "critical": mark("critical")}
LONGEST_WAIT: Final = 86400


@dataclass(frozen=True)
class AlertKind:
    """seconds: for how long it must be so before it is told, None for what happens in one moment. threshold: from where
    on it counts, None where there is nothing to count, bounds its least and most, unit what it is counted in. margin:
    by how much it must be better before it counts as over, so that what swings about the threshold is told once."""

    name: str
    title: str
    means: str
    severity: Severity
    seconds: int | None = None
    threshold: int | None = None
    bounds: tuple[int, int] = (1, 99)
    unit: str = ""
    margin: int = 0


TABLE: Final = (
    AlertKind(
        "host_silent", mark("Host silent"), mark("a host that answered before does not answer"), "critical", seconds=60
    ),
    AlertKind(
        "vm_stopped", mark("VM stopped unasked"),
        mark("a VM crashed, or stopped though neither its guest nor anybody here shut it down"), "critical",
    ),
    AlertKind(
        "pool_full", mark("Pool almost full"), mark("so much of a storage pool is used"), "warning",
        seconds=60, threshold=85, unit="%", margin=2,
    ),
    AlertKind(
        "guest_disk_full", mark("Disk in a guest almost full"),
        mark("so much of a file system is used, as the guest's agent tells"), "warning",
        seconds=60, threshold=90, unit="%", margin=2,
    ),
    AlertKind(
        "watcher_behind", mark("Watcher behind"), mark("what is shown of hosts is older than it should be"),
        "critical", seconds=60,
    ),
    AlertKind(
        "certificate_ends", mark("Certificate near its end"),
        mark("a host's certificate or the dashboard's own ends in fewer days than this"), "warning",
        seconds=0, threshold=21, bounds=(1, 365), unit="d",
    ),
    AlertKind(
        "sink_failing", mark("Alerts not delivered"), mark("what is told of alerts does not reach where it is sent"),
        "warning", seconds=600,
    ),
    AlertKind(
        "schedule_failed", mark("Failed schedule"),
        mark("a schedule stopped, or its last run did not do all that it should"), "warning", seconds=0,
    ),
)  # fmt: skip
ALERTS: Final = {kind.name: kind for kind in TABLE}
