"""Asking guests' agents, apart from everything else that is read of a host.

An agent may answer at once, slowly or never, and what it is asked blocks in the host meanwhile. So a few threads a host
ask, on connections of their own; one that did not answer is left alone for longer each time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from vms.errors import AgentSilent, HostUnreachable, VirtError
from vms.inventory import Term, Writer
from vms.kinds import agent as kinds
from vms.models import OPEN_STATES, Freeze, Operation, OperationLock, Placement
from vms.virt import Connection, GuestInfo, cut_after
from vms.watcher.line import Line
from vms.watcher.numbers import Keep, sample_guest

logger = logging.getLogger(__name__)

EVERY: Final = 300.0
# After a failure, twice as long with each further one.
AGAIN: Final = 30.0
LONGEST_AGAIN: Final = 3600.0
# However often somebody presses, and however often a guest opens its end.
APART: Final = 5.0
# All questions to one agent together; then the wire is cut.
LONGEST: Final = 20.0
OWN: Final = tuple(kind.name for kind in kinds.KINDS)


@dataclass
class Turn:
    """When a VM's agent is asked next. hurried: somebody waits for it."""

    due: float
    asked: float = 0.0
    failures: int = 0
    connected: bool = False
    waiting: bool = False
    hurried: bool = False


class Agents:
    """The agents of one host's VMs, over all its connections. keep: takes the samples of numbers."""

    def __init__(self, term: Term, writer: Writer, keep: Keep) -> None:
        self.term = term
        self.writer = writer
        self.keep = keep
        self.turns: dict[str, Turn] = {}
        self.lock = threading.Lock()
        self.line = Line(term.host, "agents", self.take)

    def plan(self, known: Collection[str], connected: Collection[str]) -> None:
        """Have those asked whose turn it is. known: the host's VMs; connected: those whose agent can be asked."""
        now = time.monotonic()
        with self.lock:
            for uuid in self.turns.keys() - set(known):
                del self.turns[uuid]
            for uuid, turn in self.turns.items():
                turn.connected = turn.connected and uuid in connected
            for uuid in connected:
                turn = self.turns.setdefault(uuid, Turn(now))
                if not turn.connected and not turn.failures:
                    # It has just come: a guest that has started, or its agent.
                    turn.due = min(turn.due, max(now, turn.asked + APART))
                turn.connected = True
                if turn.due <= now and not turn.waiting:
                    turn.waiting = True
                    self.line.put(uuid)
        self.line.begin()

    def hurry(self, uuid: str) -> None:
        """Somebody waits for it: as soon as may be, also where it did not answer lately."""
        with self.lock:
            turn = self.turns.get(uuid)
            if turn:
                turn.due = min(turn.due, turn.asked + (AGAIN if turn.failures else APART))
                turn.hurried = True

    def stop(self) -> None:
        """End the threads, also those that wait for an answer."""
        self.line.stop()

    def take(self, uuid: str, connection: Connection | None) -> Connection | None:
        """Ask it, and note when it is asked next; the connection for the next one."""
        pause = AGAIN
        failed = False
        try:
            placement = (
                Placement.objects.select_related("vm").filter(host=self.term.host, uuid=uuid, present=True).first()
            )
            if placement is None or placement.run_id is None:
                return connection
            if is_busy(placement):
                pause = APART
                return connection
            connection = self.line.reached(connection)
            said, error = self.ask(connection, uuid)
            failed = said is None
            pause = EVERY
            turn = self.turns.get(uuid)
            show = turn is not None and turn.hurried
            self.writer.told(self.term, placement, timezone.now(), said, error, show=show)
            if said is not None:
                sample_guest(placement, said, self.keep)
        except DatabaseError:
            logger.exception("%s: could not look up a VM", self.term.host.name)
            close_old_connections()
        except VirtError as error:
            logger.info("%s: no way to its agents: %s", self.term.host.name, error.code)
        except Exception:
            logger.exception("%s: asking an agent failed", self.term.host.name)
        finally:
            self.note(uuid, pause, failed=failed)
        return connection

    def ask(self, connection: Connection, uuid: str) -> tuple[GuestInfo | None, str]:
        """What it told, or the code of why not. Raises HostUnreachable where the host is away."""
        with cut_after(connection, LONGEST) as late:
            try:
                return connection.domain(uuid).agent().info(), ""
            except HostUnreachable:
                if late.is_set():
                    return None, AgentSilent.code
                raise
            except VirtError as error:
                return None, error.code

    def note(self, uuid: str, pause: float, *, failed: bool) -> None:
        now = time.monotonic()
        with self.lock:
            turn = self.turns.get(uuid)
            if turn is None:
                return
            turn.failures = turn.failures + 1 if failed else 0
            if failed:
                pause = min(AGAIN * 2 ** min(turn.failures - 1, 10), LONGEST_AGAIN)
            turn.asked, turn.due, turn.waiting = now, now + pause, False
            turn.hurried = turn.hurried and pause == APART


def is_busy(placement: Placement) -> bool:
    """Whether something is done with the VM just now, or its guest is frozen: it is not asked meanwhile."""
    return (
        Freeze.objects.filter(vm=placement.vm_id).exists()
        or OperationLock.objects.filter(key=f"vm:{placement.vm_id}").exists()
        or Operation.objects.filter(vm=placement.vm_id, kind__in=OWN, state__in=OPEN_STATES).exists()
    )
