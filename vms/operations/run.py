"""Doing one claimed operation, from the last question to the end that its row tells."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from vms import live
from vms.errors import HostUnreachable, InvalidState, NotAllowed, OperationLost, TimedOut, VmsError
from vms.kinds import KINDS
from vms.models import Operation, OperationState, Worker
from vms.operations import TRIALS, WAYS
from vms.operations.claim import check_ours, check_rights
from vms.operations.connections import Connections
from vms.operations.evidence import settle
from vms.operations.transitions import HELD, deliver, fail, succeed
from vms.operations.way import Verdict
from vms.operations.work import Work
from vms.services.operations import refuse_silent
from vms.virt import Connection

logger = logging.getLogger(__name__)

# After these nobody knows whether the host did it.
UNCERTAIN: Final = (HostUnreachable, TimedOut)


@dataclass
class Running:
    """An operation in this process, for the control thread."""

    operation: Operation
    since: float = field(default_factory=time.monotonic)
    connection: Connection | None = None
    silent: threading.Event = field(default_factory=threading.Event)

    def cut_when_silent(self) -> None:
        """Past the kind's limit, free the thread that waits for the host."""
        limit = KINDS[self.operation.kind].silence_seconds
        if self.connection and time.monotonic() - self.since > limit and not self.silent.is_set():
            self.silent.set()
            logger.warning("operation %s: no answer for %s s, the wire is cut", self.operation.pk, limit)
            self.connection.cut()


def run(running: Running, worker: Worker, connections: Connections) -> None:
    """Do it; it ends in a final state, waiting for the guest, or as whoever took it away decided."""
    operation = running.operation
    try:
        check_rights(operation)
        if operation.kind in TRIALS:
            try_out(running, worker)
        elif ask(running, worker, connections):
            end(operation, worker)
    except OperationLost:
        logger.info("operation %s was taken away", operation.pk)
    except NotAllowed as error:
        fail(operation, worker, error, to=OperationState.REFUSED)
    except VmsError as error:
        fail(operation, worker, error)
    except Exception as error:
        logger.exception("operation %s failed", operation.pk)
        fail(operation, worker, VmsError(repr(error)), to=OperationState.UNKNOWN)


def try_out(running: Running, worker: Worker) -> None:
    """Do what changes nothing on the host, and keep what was found. Raises what was in the way."""

    def hold(connection: Connection) -> None:
        running.connection = connection

    found = TRIALS[running.operation.kind].do(running.operation, hold)
    succeed(running.operation, worker, result=found)


def ask(running: Running, worker: Worker, connections: Connections) -> bool:
    """Ask the host and see what came of it. False when nobody saw it, and the evidence has ended the row.

    Raises what the host said: for certain nothing was done then.
    """
    operation, way = running.operation, WAYS[running.operation.kind]
    if operation.host is None:
        raise HostUnreachable
    refuse_silent(operation.host)
    connection = running.connection = connections.borrow(operation.host)
    before = way.facts(connection, operation)
    # From here on a reader of the row must take it as asked; while it is empty, nothing can have been done.
    operation.before = before
    if not Operation.objects.filter(pk=operation.pk, state__in=HELD, worker=worker).update(before=before):
        raise OperationLost
    work = Work(operation, connection, lambda: check_ours(operation, worker))
    check_rights(operation)
    work.may_go_on()
    try:
        way.do(work)
        if way.ended:
            return True
        verdict = way.evidence(before, way.facts(connection, operation))
    except UNCERTAIN as error:
        settle(operation, worker, connections, TimedOut(error.details) if running.silent.is_set() else error)
        return False
    if verdict is Verdict.UNDONE:
        raise InvalidState(operation.target_name)
    return True


def end(operation: Operation, worker: Worker) -> None:
    """The host said yes: let the rows be read again, then say that it is done, or that the guest decides."""
    if WAYS[operation.kind].ended:
        deliver(operation, worker)
        return
    if operation.host_id:
        live.look(operation.host_id, f"{operation.target_kind}:{operation.target_id}")
    # Whoever asked to cancel it meanwhile came too late: it is done.
    succeed(operation, worker)
