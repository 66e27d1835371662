"""Doing a plan for several hosts: wave after wave, each move an operation of its own that is judged once more before.

Where a move cannot be made, nothing of what was to follow is begun, since that counted on it; another plan is worked
out from what is so then, for somebody to approve.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.http import Http404

from vms.errors import Locked, MovesLeft, NotAllowed, NotFound, PlanChanged, RequestRefused, VmsError
from vms.kinds.host_plans import RUN
from vms.models import HostPlan, Operation, OperationState, PlannedMove
from vms.operations import planned
from vms.operations.planned import allowed, begun, tell, where, wish
from vms.operations.transitions import HELD, fail, move, succeed
from vms.permissions import Actor
from vms.services import host_plans, migration

logger = logging.getLogger(__name__)
State = PlannedMove.State
OVER: Final = (State.DONE, State.FAILED)


def turn(node: str) -> None:
    """One step of each plan of this node's hosts, and of those that belong to none."""
    planned.turn(node, (RUN.name,), step)


@transaction.atomic
def step(operation: Operation) -> None:
    """See which moves ended, ask for those that are next, and end it when none is left; one worker at a time."""
    plan = HostPlan.objects.select_for_update().filter(operation=operation).first()
    now = begun(operation)
    if now is None:
        return
    if plan is None:
        fail(operation, None, NotFound(str(operation.params.get("plan"))))
        return
    rows = list(plan.moves.select_related("vm__placement", "to", "operation"))
    for row in rows:
        if row.operation and not row.operation.is_open:
            see(row, row.operation, operation)
    try:
        actor = allowed(operation)
        host_plans.require_each(actor, host_plans.hosts_of(plan))
    except NotAllowed as error:
        fail(operation, None, error, to=OperationState.REFUSED)
        return
    cancelling = now == OperationState.CANCELLING
    if not cancelling and not plan.paused:
        for row in next_ones(rows):
            go_on(row, plan, operation, actor)
    finish(plan, operation, actor, rows, cancelling=cancelling)


def next_ones(rows: list[PlannedMove]) -> list[PlannedMove]:
    """Those of the first wave that is not over; none once a move could not be made."""
    if any(row.state == State.FAILED for row in rows):
        return []
    wave = min((row.wave for row in rows if row.state not in OVER), default=0)
    return [row for row in rows if row.wave == wave and row.state == State.PLANNED]


def see(row: PlannedMove, ended: Operation, operation: Operation) -> None:
    """Its operation has ended. What counts is where the VM is."""
    there = where(row.vm)
    if ended.state == OperationState.SUCCEEDED or (there is not None and there.host_id == row.to_id):
        store(row, State.DONE, operation)
    else:
        give_up(row, ended.error_code or f"operation_{ended.state}", ended.error_params, operation)


def give_up(row: PlannedMove, code: str, params: Mapping[str, Any], operation: Operation) -> None:
    row.error_code, row.error_params = code, dict(params)
    store(row, State.FAILED, operation)


def store(row: PlannedMove, state: str, operation: Operation) -> None:
    row.state = State(state)
    row.save(update_fields=["operation", "state", "error_code", "error_params"])
    tell(operation)


def go_on(row: PlannedMove, plan: HostPlan, operation: Operation, actor: Actor) -> None:
    """Ask for it, where it is still to be made."""
    there = where(row.vm)
    try:
        if there is None or row.vm is None or row.to is None:
            raise NotFound(row.name)
        if there.host_id == row.to_id:
            store(row, State.DONE, operation)
            return
        if there.host_id != row.source_id:
            raise PlanChanged(host=row.name)
        # More is given than there is only where somebody asked for that.
        crowded = int(plan.asked.get("memory_percent", 100)) > 100
        options = wish(row.vm, row.to, row.pool, actor, name=row.name, crowded=crowded)
        with transaction.atomic():
            row.operation = migration.ask(
                actor, row.vm, row.to, options, parent=operation, idempotency_key=f"host-plan:{row.pk}"
            )
    except Locked:
        # Somebody else is at the VM; it is asked for when he is done.
        return
    except (RequestRefused, NotFound) as error:
        give_up(row, error.code, error.params, operation)
        return
    except Http404:
        give_up(row, PlanChanged.code, {"host": row.to.name if row.to else ""}, operation)
        return
    store(row, State.UNDER_WAY, operation)


def finish(
    plan: HostPlan, operation: Operation, actor: Actor, rows: list[PlannedMove], *, cancelling: bool
) -> None:  # fmt: skip
    """How far it is; its end where nothing is under way and nothing is to come."""
    under_way = any(row.state == State.UNDER_WAY for row in rows)
    failed = [row for row in rows if row.state == State.FAILED]
    done = sum(row.state == State.DONE for row in rows)
    if cancelling and not under_way:
        move(operation, OperationState.CANCELLED, by=None, since=(OperationState.CANCELLING,), log="plan_stopped")
    elif failed and not under_way:
        error: VmsError = MovesLeft(failed=len(failed), left=len(rows) - done - len(failed), of=len(rows))
        fail(operation, None, error)
        propose_another(actor, plan)
    elif done == len(rows):
        succeed(operation, None, log="plan_done")
    else:
        percent = min(100 * (done + len(failed)) // len(rows), 99)
        held = Operation.objects.filter(pk=operation.pk, state__in=HELD)
        if held.exclude(progress=percent).update(progress=percent):
            tell(operation)


def propose_another(actor: Actor, plan: HostPlan) -> None:
    """Work out what would follow now; nothing, where by now he may not ask that."""
    try:
        with transaction.atomic():
            host_plans.ask_again(actor, plan)
    except (RequestRefused, Http404):
        logger.info("no other plan in place of %s", plan.pk)
