"""Operations that wait: for a guest, until the rows show the effect; for a silent host, until that is too long."""

from __future__ import annotations

from django.db.models.functions import Now

from vms.errors import InvalidState, NotHeard
from vms.models import Operation, OperationState
from vms.operations import WAYS
from vms.operations.transitions import fail, succeed
from vms.operations.way import Verdict

WAITING = (OperationState.WAITING,)


def end_what_is_seen(node: str) -> None:
    """End those of this node, and of none, that are decided; nobody holds them, so any worker may."""
    waiting = Operation.objects.filter(state=OperationState.WAITING, node__in=("", node), kind__in=list(WAYS))
    for operation in waiting.select_related("vm", "worker"):
        ended = WAYS[operation.kind].ended
        verdict = ended(operation) if ended else None
        if verdict is Verdict.DONE:
            succeed(operation, operation.worker, since=WAITING)
        elif verdict is Verdict.UNDONE:
            fail(operation, operation.worker, InvalidState(operation.target_name), since=WAITING)


def end_what_waited_in_vain(node: str) -> None:
    """End those whose host was not heard in time; nobody has claimed them, so any worker may."""
    late = Operation.objects.filter(state=OperationState.QUEUED, waits_until__lte=Now(), node__in=("", node))
    for operation in late.select_related("host"):
        name = operation.host.name if operation.host else ""
        fail(operation, None, NotHeard(host=name), since=(OperationState.QUEUED,))
