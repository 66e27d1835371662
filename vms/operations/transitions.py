"""Every change of an operation's state: one conditional UPDATE, its log line and its announcement in one commit."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now

from vms import live
from vms.errors import VmsError
from vms.models import OPEN_STATES, Operation, OperationLog, OperationState, Worker
from vms.services import audit, unmade
from vms.services.locks import release

HELD: Final = (OperationState.RUNNING, OperationState.CANCELLING)
Level = OperationLog.Level


def move(
    operation: Operation,
    to: OperationState,
    *,
    by: Worker | None,
    since: tuple[str, ...] = HELD,
    log: str = "",
    level: str = Level.INFO,
    log_params: dict[str, Any] | None = None,
    **fields: Any,
) -> bool:
    """Whether the row was still in one of those states and by's own, and is now in the new one.

    A lock is held while queued or running and by nothing else.
    """
    if to not in OPEN_STATES:
        fields |= {"ended_at": Now(), "sealed": ""}
    with transaction.atomic():
        moved = Operation.objects.filter(pk=operation.pk, state__in=since, worker=by).update(state=to, **fields)
        if not moved:
            return False
        if to not in HELD:
            release(operation)
        if log:
            OperationLog.objects.create(operation=operation, code=log, level=level, params=log_params or {})
        if to not in OPEN_STATES:
            audit.record_end(operation, to, fields.get("error_code", ""))
            unmade.forget(operation, to)
        live.announce([f"op:{operation.pk}", f"{operation.target_kind}:{operation.target_id}"])
    return True


def deliver(operation: Operation, by: Worker) -> bool:
    """The guest has been asked and decides: nothing is held any more. One cancelled meanwhile ends so."""
    return move(
        operation, OperationState.WAITING, by=by, since=(OperationState.RUNNING,), log="delivered", waiting_at=Now()
    ) or move(operation, OperationState.CANCELLED, by=by, log="delivered")


def succeed(
    operation: Operation, by: Worker | None, *, log: str = "seen", since: tuple[str, ...] = HELD, **fields: Any
) -> bool:
    """Ended with its effect seen; fields: what else the row keeps."""
    return move(operation, OperationState.SUCCEEDED, by=by, since=since, log=log, **fields)


def cancelled(operation: Operation, by: Worker | None) -> bool:
    """The host has ended it because somebody asked for that; False where nobody did."""
    if operation.host_id:
        live.look(operation.host_id, f"{operation.target_kind}:{operation.target_id}")
    return move(operation, OperationState.CANCELLED, by=by, since=(OperationState.CANCELLING,), log="aborted")


def fail(
    operation: Operation, by: Worker | None, error: VmsError, *, since: tuple[str, ...] = HELD,
    to: OperationState = OperationState.FAILED,
) -> bool:  # fmt: skip
    """Ended without its effect (or, as refused or unknown, otherwise), with the reason for those who read it."""
    return move(
        operation, to, by=by, since=since, log=error.code, level=Level.ERROR, log_params=error.params,
        error_code=error.code, error_params=error.params, details=error.details,
    )  # fmt: skip
