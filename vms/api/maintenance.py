"""Hosts in maintenance: the plans by which they are emptied and get their VMs back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.create import Id, Strict
from vms.api.operations import IdempotencyKey, OperationItem, item
from vms.models import EvacuatedVm, Host
from vms.permissions import Actor, get_host_or_404, seen_hosts
from vms.services import maintenance
from vms.services.maintenance import PRIVILEGE, Proposal
from vms.services.maintenance_words import why
from vms.services.telling import as_told

router = Router(tags=["hosts"])


class ChoiceBody(Strict):
    """Of a VM that the plan leaves: it stays as it is, is shut down, or is shut down, moved and started there; those
    that its line of the plan offers."""

    vm: Id
    choice: Literal["leave", "shutdown", "offline"]


class MaintenanceBody(Strict):
    """on: whether the host is in maintenance from now on. plan: of the plan that you approve, with on the one of
    "away", else the one of "back"; left out, no VM moves. parallel: how many move at a time. let_stay: those that left
    it are no longer to come back."""

    on: bool
    plan: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    choices: Annotated[list[ChoiceBody], Field(max_length=1000)] = []
    parallel: Annotated[int, Field(ge=1, le=2)] = maintenance.USUAL
    let_stay: bool = False


class MoveItem(BaseModel):
    """steps: what is done, in order. to: null where it stays. pool: into which its disks are copied, null for none."""

    vm: int
    name: str
    steps: list[str]
    to: int | None
    to_name: str
    pool: int | None
    seconds: int


class StayReason(BaseModel):
    host: str
    text: str


class LeftItem(BaseModel):
    """no_room: it could go, but there is not enough memory or room for it. reasons: why it cannot go to each host."""

    vm: int
    name: str
    running: bool
    choices: list[str]
    no_room: bool
    reasons: list[StayReason]


class ProposalItem(BaseModel):
    """moves: in the order in which they are done. seconds: by the sizes, over a gigabit network. others: VMs that you
    may not see."""

    plan: str
    seconds: int
    moves: list[MoveItem]
    left: list[LeftItem]
    others: int


class EvacuatedItem(BaseModel):
    """A VM of the plan that was approved last. why: it went no further."""

    vm: int | None
    name: str
    to: int | None
    to_name: str
    steps: list[str]
    done: int
    state: str
    operation: int | None
    why: str


class MaintenanceItem(BaseModel):
    """since: null while the host takes VMs. operation: what a plan is doing now; away and back are null meanwhile.
    last: the plan that was approved last."""

    since: datetime | None
    operation: OperationItem | None
    away: ProposalItem | None
    back: ProposalItem | None
    last: list[EvacuatedItem]


def proposal(told: Proposal) -> ProposalItem:
    return ProposalItem(
        plan=told.plan.digest,
        seconds=told.plan.seconds,
        moves=[
            MoveItem(
                vm=move.vm, name=move.name, steps=list(move.steps), to=move.to or None, to_name=move.to_name,
                pool=move.pool or None, seconds=move.seconds,
            )
            for move in told.plan.moves
        ],
        left=[
            LeftItem(
                vm=one.vm, name=one.name, running=one.runs, choices=list(one.choices), no_room=one.full,
                reasons=[StayReason(host=host, text=text) for host, text in one.why],
            )
            for one in told.plan.left
        ],
        others=told.others,
    )  # fmt: skip


def evacuated(row: EvacuatedVm, seen: frozenset[int]) -> EvacuatedItem:
    return EvacuatedItem(
        vm=row.vm_id, name=row.name, to=row.to_id, to_name=row.to.name if row.to and row.to.pk in seen else "",
        steps=row.steps, done=row.at, state=row.state, operation=row.operation_id, why=why(row),
    )  # fmt: skip


def whole(who: Actor, host: Host) -> MaintenanceItem:
    now, last = maintenance.going_on(host).select_related("host").first(), maintenance.last(host)
    rows = maintenance.rows(last) if last else []
    seen = seen_hosts(who, [row.to for row in rows if row.to])
    return MaintenanceItem(
        since=host.in_maintenance_at,
        operation=item(as_told(who, [now])[0]) if now else None,
        away=None if now else proposal(maintenance.propose(who, host)),
        back=None if now else proposal(maintenance.propose_back(who, host)),
        last=[evacuated(row, seen) for row in rows],
    )


@router.get(
    "/{int:host_id}/maintenance", response=answers(200, MaintenanceItem, 403, 404),
    summary="Whether it is in maintenance, and the plans to empty it and to bring its VMs back",
)  # fmt: skip
def show(request: HttpRequest, host_id: int) -> MaintenanceItem:
    who = actor(request)
    return whole(who, get_host_or_404(who, host_id, to=PRIVILEGE))


@router.post(
    "/{int:host_id}/maintenance", response=answers(200, MaintenanceItem, 400, 403, 404, 409),
    url_name="host-maintenance", summary="Put it into maintenance, or take it out",
)  # fmt: skip
def change(
    request: HttpRequest, host_id: int, body: MaintenanceBody, key: IdempotencyKey = None
) -> MaintenanceItem:  # fmt: skip
    """In maintenance it takes no new VMs. Its VMs move only by a plan that you have read: GET tells it with its digest,
    and where another one would be made by now, nothing is done. Cancelling its operation begins no further move."""
    who = actor(request)
    host = get_host_or_404(who, host_id, to=PRIVILEGE)
    choices = {one.vm: one.choice for one in body.choices}
    do = maintenance.enter if body.on else maintenance.leave
    do(who, host, digest=body.plan, choices=choices, parallel=body.parallel, idempotency_key=key)
    if body.let_stay:
        maintenance.let_stay(who, host)
    return whole(who, get_host_or_404(who, host_id, to=PRIVILEGE))
