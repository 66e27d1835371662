"""Doing one claimed operation, from the last question to the end that its row tells."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from vms import live
from vms.errors import (
    Aborted,
    HostUnreachable,
    InvalidState,
    NotAllowed,
    OperationLost,
    RunsElsewhere,
    TimedOut,
    VirtError,
    VmsError,
    WrongState,
)
from vms.kinds import KINDS
from vms.models import Operation, OperationState, Worker
from vms.operations import TRIALS, WAYS
from vms.operations.claim import check_ours, check_rights, ours
from vms.operations.connections import Connections
from vms.operations.evidence import settle
from vms.operations.history import note
from vms.operations.transitions import cancelled, deliver, fail, succeed
from vms.operations.way import UNCERTAIN, Facts, Verdict
from vms.operations.work import Work
from vms.services.operations import refuse_silent
from vms.virt import Connection

logger = logging.getLogger(__name__)

# How often the host is asked what became of work that it is still at.
ASK: Final = 1.0


@dataclass
class Running:
    """An operation in this process, for the control thread."""

    operation: Operation
    since: float = field(default_factory=time.monotonic)
    connection: Connection | None = None
    silent: threading.Event = field(default_factory=threading.Event)

    def heard(self) -> None:
        """The host is at it."""
        self.since = time.monotonic()

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
        if operation.kind in TRIALS:
            check_rights(operation)
            try_out(running, worker)
        else:
            verdict = ask(running, worker, connections)
            if verdict:
                end(operation, worker, verdict)
    except OperationLost:
        logger.info("operation %s was taken away", operation.pk)
    except (NotAllowed, WrongState, RunsElsewhere) as error:
        fail(operation, worker, error, to=OperationState.REFUSED)
    except Aborted as error:
        if not cancelled(operation, worker):
            fail(operation, worker, error)
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


def ask(running: Running, worker: Worker, connections: Connections) -> Verdict | None:
    """Ask the host and see what came of it. None when nobody saw it, and the evidence has ended the row.

    Raises what the host said: for certain nothing was done then.
    """
    host = running.operation.host
    if host is None:
        raise HostUnreachable
    refuse_silent(host)
    with connections.lent(host) as connection:
        running.connection = connection
        return ask_on(connection, running, worker, connections)


def ask_on(connection: Connection, running: Running, worker: Worker, connections: Connections) -> Verdict | None:
    """The same, on this connection."""
    operation, way = running.operation, WAYS[running.operation.kind]
    before = way.facts(connection, operation)
    if operation.waits_until:
        refuse_senseless(operation, before)
    # From here on a reader of the row must take it as asked; while it is empty, nothing can have been done.
    operation.before = before
    if not ours(operation, worker).update(before=before):
        raise OperationLost
    work = Work(
        operation, connection, lambda: check_ours(operation, worker),
        beside=lambda: beside(operation, connections), heard=running.heard,
    )  # fmt: skip
    check_rights(operation)
    work.may_go_on()
    try:
        way.do(work)
        if way.ended:
            return Verdict.DONE
        if way.across:
            verdict = way.across(operation, connections.lent)
            if verdict in (Verdict.GOING, Verdict.UNKNOWN):
                raise HostUnreachable(verdict.value)
        else:
            verdict = way.evidence(before, way.facts(connection, operation))
    except VirtError as error:
        if not (way.across or isinstance(error, UNCERTAIN)):
            raise
        unseen = TimedOut(error.details) if running.silent.is_set() else error
        while not settle(operation, worker, connections, unseen):
            time.sleep(ASK)
            check_ours(operation, worker)
        return None
    if verdict is Verdict.DONE and not way.across:
        note(connection, operation)
    if verdict is Verdict.UNDONE:
        raise InvalidState(operation.target_name)
    return verdict


def refuse_senseless(operation: Operation, now: Facts) -> None:
    """WrongState where the VM, while its host was silent, came into a state in which this makes no sense."""
    states = KINDS[operation.kind].states
    if states and now["state"] not in states:
        raise WrongState(name=operation.target_name, state=now["state"])


def beside(operation: Operation, connections: Connections) -> AbstractContextManager[Connection]:
    """Another connection to the operation's host."""
    if operation.host is None:
        raise HostUnreachable
    return connections.lent(operation.host)


def end(operation: Operation, worker: Worker, verdict: Verdict) -> None:
    """The host said yes: let the rows be read again, which two hosts' verdict has done already, then say that it is
    done, or that the guest decides."""
    if WAYS[operation.kind].ended:
        deliver(operation, worker)
        return
    if operation.host_id and not WAYS[operation.kind].across:
        live.look(operation.host_id, f"{operation.target_kind}:{operation.target_id}")
    # Whoever asked to cancel it meanwhile came too late: it is done.
    succeed(operation, worker, log="seen" if verdict is Verdict.DONE else "taken")
