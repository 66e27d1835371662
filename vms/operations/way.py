"""How a kind of operation is done, and how it is told afterwards whether it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from vms.errors import HostUnreachable, TimedOut
from vms.models import Host, Operation
from vms.operations.work import Work
from vms.virt import Connection

Facts = dict[str, Any]
# A connection to a host.
Lend = Callable[[Host], AbstractContextManager[Connection]]
# After these nobody knows whether the host did it.
UNCERTAIN: Final = (HostUnreachable, TimedOut)


class Verdict(Enum):
    """What comparing the facts before with the facts now says of an operation whose end nobody saw."""

    DONE = "done"
    UNDONE = "undone"
    GOING = "going"  # the host is still at it
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Way:
    """do: ask the host. facts: what decides, read from the host before and after. evidence: (before, now) -> verdict.
    ended: for kinds that wait for the guest, what the rows say, None while it is not decided. mend: puts back what was
    changed for the time of the work only, where a worker died in between; before the evidence is asked. across: for
    kinds that are done between two hosts, the verdict of both, instead of mend and evidence; whatever the host raises,
    both are asked then."""

    do: Callable[[Work], None]
    facts: Callable[[Connection, Operation], Facts]
    evidence: Callable[[Facts, Facts], Verdict]
    ended: Callable[[Operation], Verdict | None] | None = None
    mend: Callable[[Connection, Operation], None] | None = None
    across: Callable[[Operation, Lend], Verdict] | None = None


@dataclass(frozen=True)
class Trial:
    """A kind that changes nothing on a host. do(operation, hold) opens a connection of its own, hands it to hold so
    that it can be cut, and returns what the row keeps as result."""

    do: Callable[[Operation, Callable[[Connection], None]], dict[str, Any]]
