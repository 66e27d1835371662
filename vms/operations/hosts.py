"""Changes of a host itself."""

from __future__ import annotations

from typing import Final

from vms.kinds import hosts as kinds
from vms.models import Operation
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work
from vms.virt import Connection

# What the log says for a step; starting a network that is defined anew needs no line of its own.
LINES: Final = {
    "network_started": ("network_started", {"network": "default"}),
    "pool_defined": ("pool_made", {"pool": "default"}),
    "pool_started": ("pool_started", {"pool": "default"}),
    "network_autostart": ("autostart", {"name": "default"}),
    "pool_autostart": ("autostart", {"name": "default"}),
}


def get_ready(work: Work) -> None:
    for step in work.connection.make_ready():
        if step in LINES:
            code, params = LINES[step]
            work.log(code, **params)


def facts(connection: Connection, operation: Operation) -> Facts:
    return {"missing": connection.missing()}


def nothing_missing(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["missing"] else Verdict.DONE


WAYS: Final = {kinds.GET_READY.name: Way(get_ready, facts, nothing_missing)}
