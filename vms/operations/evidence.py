"""What became of an operation whose end nobody saw: asked of the host, never guessed and never done again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from vms import live
from vms.errors import VirtError, VmsError
from vms.models import Operation, OperationState, Worker
from vms.operations import WAYS
from vms.operations.connections import Connections
from vms.operations.history import note
from vms.operations.transitions import cancelled, fail, move, succeed
from vms.operations.way import Lend, Verdict

logger = logging.getLogger(__name__)

# A call that was under way when its caller went may still take effect: "undone" must hold a second time.
ASK_AGAIN: Final = (0.0, 1.0, 2.0)


def judge(operation: Operation, connections: Connections) -> Verdict:
    """The verdict of the host as it is now."""
    way = WAYS.get(operation.kind)
    if not operation.before:
        return Verdict.UNDONE
    if way is None or operation.host is None:
        return Verdict.UNKNOWN
    if way.across:
        return between(way.across, operation, connections)
    verdict = Verdict.UNKNOWN
    for pause in ASK_AGAIN:
        time.sleep(pause)
        try:
            with connections.lent(operation.host) as connection:
                if way.mend:
                    way.mend(connection, operation)
                verdict = way.evidence(operation.before, way.facts(connection, operation))
        except VirtError as error:
            logger.warning("operation %s: no evidence: %s %s", operation.pk, error.code, error.details)
            return Verdict.UNKNOWN
        if verdict is Verdict.DONE:
            with connections.lent(operation.host) as connection:
                note(connection, operation)
        if verdict is not Verdict.UNDONE:
            break
    return verdict


def between(
    across: Callable[[Operation, Lend], Verdict], operation: Operation, connections: Connections
) -> Verdict:  # fmt: skip
    """The verdict of two hosts as they are now."""
    verdict = Verdict.UNKNOWN
    for pause in ASK_AGAIN:
        time.sleep(pause)
        try:
            verdict = across(operation, connections.lent)
        except VmsError as error:
            logger.warning("operation %s: no evidence: %s %s", operation.pk, error.code, error.details)
            return Verdict.UNKNOWN
        if verdict is not Verdict.UNDONE:
            break
    return verdict


def settle_late(operation: Operation, connections: Connections) -> None:
    """What was to be made while its host could not be asked any more: whole or gone, now that it answers again."""
    verdict = judge(operation, connections)
    unknown = (OperationState.UNKNOWN,)
    if verdict is Verdict.DONE:
        # Why nobody saw it is no failure any more; the log keeps it.
        nothing: dict[str, Any] = {"error_code": "", "error_params": {}, "details": ""}
        succeed(operation, operation.worker, log="reconciled", since=unknown, **nothing)
    elif verdict is Verdict.UNDONE:
        move(operation, OperationState.FAILED, by=operation.worker, since=unknown, log="undone")


def settle(
    operation: Operation, worker: Worker | None, connections: Connections, unseen: VmsError,
    undone: VmsError | None = None,
) -> bool:  # fmt: skip
    """End it by evidence: succeeded, failed with the reason, or unknown with why nobody saw it.

    False while the host is still at it: then nothing is decided, and it is to be asked again.
    """
    verdict = judge(operation, connections)
    if verdict is Verdict.GOING:
        return False
    if operation.host_id:
        live.look(operation.host_id, f"{operation.target_kind}:{operation.target_id}")
    if verdict is Verdict.DONE:
        succeed(operation, worker, log="reconciled")
    elif verdict is Verdict.UNDONE:
        if not (WAYS[operation.kind].across and cancelled(operation, worker)):
            fail(operation, worker, undone or unseen)
    else:
        fail(operation, worker, unseen, to=OperationState.UNKNOWN)
    return True
