"""Doing what a plan says: its operation is nobody's, every worker's clock asks for the next moves and sees which ended.

Each move is an operation of its own, asked for with the rights that whoever approved the plan has at that moment, and
judged once more before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.http import Http404

from vms import live
from vms.errors import Locked, NotAllowed, NotEmptied, NotFound, PlanChanged, RequestRefused, VmsError
from vms.kinds import maintenance
from vms.kinds.power import SHUTDOWN, START
from vms.models import EvacuatedVm, Evacuation, Operation, OperationState, Placement
from vms.operations import planned
from vms.operations.planned import allowed, begun, tell, where, wish
from vms.operations.transitions import HELD, fail, move, succeed
from vms.permissions import Actor
from vms.services import migration, operations
from vms.services.maintenance import OFF

State = EvacuatedVm.State
KINDS = tuple(kind.name for kind in maintenance.KINDS)


def turn(node: str) -> None:
    """One step of each plan of this node's hosts, and of those that belong to none."""
    planned.turn(node, KINDS, step)


@transaction.atomic
def step(operation: Operation) -> None:
    """See which moves ended, ask for those that are next, and end it when none is left; one worker at a time."""
    found = Evacuation.objects.select_for_update().filter(operation=operation).first()
    if found is None or (now := begun(operation)) is None:
        return
    rows = list(found.vms.select_related("vm__placement", "to", "operation"))
    for row in rows:
        if is_going(row) and row.operation and not row.operation.is_open:
            see(row, row.operation)
    try:
        actor = allowed(operation)
    except NotAllowed as error:
        fail(operation, None, error, to=OperationState.REFUSED)
        return
    for row in [] if now == OperationState.CANCELLING else rows:
        go_on(row, found, operation, actor, rows)
    finish(operation, rows, cancelling=now == OperationState.CANCELLING)


def see(row: EvacuatedVm, ended: Operation) -> None:
    """One of its operations has ended: on to the next step, or no further."""
    there, doing = where(row.vm), row.steps[row.at]
    done = ended.state == OperationState.SUCCEEDED
    if doing == "shutdown":
        # Whoever pressed its power button has done it too.
        done = there is not None and there.state in OFF
    elif doing == "move":
        done = done or (there is not None and there.host_id == row.to_id)
    if done:
        step_done(row)
    else:
        give_up(row, ended.error_code or f"operation_{ended.state}", ended.error_params)


def is_going(row: EvacuatedVm) -> bool:
    """Whether one of its operations is under way; one that failed keeps it, to be read."""
    return row.state == State.UNDER_WAY and row.operation is not None


def step_done(row: EvacuatedVm) -> None:
    row.at, row.operation = row.at + 1, None
    if row.at >= len(row.steps):
        row.state = State.DONE
        if row.evacuation.way == Evacuation.Way.BACK:
            left = EvacuatedVm.objects.filter(evacuation__host=row.evacuation.host_id, vm=row.vm_id)
            left.update(settled=True)
    store(row)


def give_up(row: EvacuatedVm, code: str, params: Mapping[str, Any]) -> None:
    row.state, row.error_code, row.error_params = State.FAILED, code, dict(params)
    store(row)


def store(row: EvacuatedVm) -> None:
    row.save(update_fields=["at", "operation", "state", "error_code", "error_params"])
    live.announce([f"host:{row.evacuation.host_id}"])


def go_on(
    row: EvacuatedVm, plan: Evacuation, operation: Operation, actor: Actor, rows: list[EvacuatedVm]
) -> None:  # fmt: skip
    """Ask for its next step, where it has one and a move has a free place."""
    if row.state in (State.DONE, State.FAILED) or row.operation:
        return
    doing = row.steps[row.at]
    moving = sum(1 for one in rows if is_going(one) and one.steps[one.at] == "move")
    if doing == "move" and moving >= plan.parallel:
        return
    there = where(row.vm)
    try:
        if there is None or row.vm is None:
            raise NotFound(row.name)
        if is_so(row, there, plan, doing):
            row.state = State.UNDER_WAY
            step_done(row)
            return
        if doing == "start" and row.to_id not in (None, there.host_id):
            # Its new host's watcher has not told yet that it has it.
            return
        with transaction.atomic():
            row.operation = ask(row, doing, operation, actor)
    except Locked:
        # Somebody else is at the VM; it is asked for when he is done.
        return
    except (RequestRefused, NotFound) as error:
        give_up(row, error.code, error.params)
        return
    except Http404:
        give_up(row, PlanChanged.code, {"host": row.to.name if row.to else ""})
        return
    row.state = State.UNDER_WAY
    store(row)


def is_so(row: EvacuatedVm, there: Placement, plan: Evacuation, doing: str) -> bool:
    """Whether it is as the step would make it."""
    if doing == "shutdown":
        return there.state in OFF
    if doing == "start":
        return there.state == "running"
    return there.host_id == row.to_id or (plan.way == Evacuation.Way.AWAY and there.host_id != plan.host_id)


def ask(row: EvacuatedVm, doing: str, operation: Operation, actor: Actor) -> Operation:
    """The operation of the step. Raises what keeps it from being asked for."""
    vm, key = row.vm, f"plan:{row.pk}:{row.at}"
    if vm is None:
        raise NotFound(row.name)
    if doing != "move":
        kind = SHUTDOWN if doing == "shutdown" else START
        return operations.request(kind, vm, actor=actor, parent=operation, idempotency_key=key)
    if row.to is None:
        raise NotFound(row.name)
    options = wish(vm, row.to, row.pool, actor, name=row.name)
    return migration.ask(actor, vm, row.to, options, parent=operation, idempotency_key=key)


def finish(operation: Operation, rows: list[EvacuatedVm], *, cancelling: bool) -> None:
    """How far it is; its end where nothing is under way and nothing is to come."""
    over = [row for row in rows if row.state in (State.DONE, State.FAILED)]
    failed = [row for row in over if row.state == State.FAILED]
    if cancelling:
        if not any(is_going(row) for row in rows):
            move(operation, OperationState.CANCELLED, by=None, since=(OperationState.CANCELLING,), log="plan_stopped")
        return
    if len(over) < len(rows):
        percent = min(100 * len(over) // len(rows), 99)
        held = Operation.objects.filter(pk=operation.pk, state__in=HELD)
        if held.exclude(progress=percent).update(progress=percent):
            tell(operation)
    elif failed:
        error: VmsError = NotEmptied(failed=len(failed), of=len(rows))
        fail(operation, None, error)
    else:
        succeed(operation, None, log="plan_done")
