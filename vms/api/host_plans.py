"""Plans for several hosts: fewer of them, evened out, emptied, or what would be if."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import BaseModel, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.create import Strict
from vms.api.lists import Id
from vms.api.operations import IdempotencyKey
from vms.models import HostPlan, PlannedMove
from vms.permissions import Actor
from vms.services import host_plan_words as words
from vms.services import host_plans
from vms.services.host_plan_making import MIB
from vms.services.host_plan_wishes import LEAST_HOURS, MOST, MOST_HOURS, Wish

router = Router(tags=["plans"])
Few = Annotated[list[Id], Field(max_length=1000)]
Words = Annotated[list[str], Field(max_length=20)]


class PlanBody(Strict):
    """hosts: those that it is about, or, with evacuate, those that are emptied; left out, all that you may maintain.
    margin: percent of each host that stay free. window: hours of measurements, percentile: what counts of each VM's.
    on_allocation: by what VMs are given alone. spare: any one host in use may be lost. cpu_percent, memory_percent: so
    much may be given of what a host has. apart: no two VMs that share such a tag are on one host. pinned, pinned_tags:
    VMs that stay. most: so many moves at most, with balance. shrink: tell also how many hosts it is after shrinking
    what is too large; shrunk: plan as if that had been done, which it has to be before the plan is run. With whatif:
    lose is a host; add so many VMs of add_cpus and add_mib; one more host of more_cpus and more_mib."""

    kind: Literal["consolidate", "balance", "evacuate", "whatif"]
    hosts: Few = []
    margin: Annotated[int, Field(ge=0, le=90)] = 20
    window: Annotated[int, Field(ge=LEAST_HOURS, le=MOST_HOURS)] = 7 * 24
    percentile: Literal["mean", "p95"] = "p95"
    on_allocation: bool = False
    spare: bool = True
    cpu_percent: Annotated[int, Field(ge=100, le=3200)] = 400
    memory_percent: Annotated[int, Field(ge=50, le=400)] = 100
    apart: Words = []
    pinned: Few = []
    pinned_tags: Words = []
    most: Annotated[int, Field(ge=1, le=MOST)] = 20
    shrink: bool = False
    shrunk: bool = False
    lose: Id | None = None
    add: Annotated[int, Field(ge=0, le=MOST)] = 0
    add_cpus: Annotated[int, Field(ge=1, le=4096)] = 2
    add_mib: Annotated[int, Field(ge=64, le=1 << 26)] = 4096
    more_cpus: Annotated[int, Field(ge=0, le=4096)] = 0
    more_mib: Annotated[int, Field(ge=0, le=1 << 26)] = 0


class RunBody(Strict):
    """hash: of the plan that you approve, as you read it."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Carried(BaseModel):
    """cpus_used: processors, memory_used: bytes, both null where it was planned by what is given alone."""

    vms: int
    cpus_used: float | None
    memory_used: int | None
    cpus_given: int
    memory_given: int


class HostRow(BaseModel):
    """limit: what a plan does not go above. emptied: nothing is on it any more then. id is 0 for a host that is only
    thought of."""

    id: int
    name: str
    cpus: int
    memory: int
    before: Carried
    after: Carried
    limit: Carried
    emptied: bool


class MoveRow(BaseModel):
    """wave: those of one are made at the same time. why: it could not be made."""

    number: int
    wave: int
    vm: int | None
    name: str
    source: int | None
    to: int | None
    pool: int | None
    bytes: int
    seconds: int
    reason: str
    state: str
    operation: int | None
    why: str


class StuckRow(BaseModel):
    vm: int
    name: str
    code: str
    text: str
    reasons: list[str]


class LeftOut(BaseModel):
    host: int
    name: str
    why: str


class PlacedRow(BaseModel):
    vm: int
    name: str
    to: int


class LostRow(BaseModel):
    """Of a host that is lost: placed start on others, homeless do not."""

    host: int
    placed: list[PlacedRow]
    homeless: list[StuckRow]


class OnHost(BaseModel):
    host: int
    vms: int


class AddedRow(BaseModel):
    asked: int
    fit: int
    on: list[OnHost]


class Smaller(BaseModel):
    """What a VM has, and what it is to have."""

    vm: int
    name: str
    cpus: int
    memory: int
    wants_cpus: int
    wants_memory: int


class Shrunk(BaseModel):
    """After shrinking these VMs it is so many hosts; of: so many are larger than what they do. left: those that a plan
    counts on and that are still larger."""

    of: int
    vms: list[Smaller]
    hosts: int
    left: list[int]


class PlanItem(BaseModel):
    """state: computing, refused, ready, running, paused, stopping, done, stopped or failed. why: it was refused, or
    failed. hash: what /run asks for. of: the plan that it takes back, or stands in for. used_hosts: before and after,
    bound: no plan needs fewer. off: VMs that are off and count for nothing; unmeasured: those that count with all that
    they are given. hours: how long its hosts were measured at least."""

    id: int
    kind: str
    state: str
    why: str
    hash: str
    asked: dict[str, Any]
    asked_by: str
    asked_at: datetime
    of: int | None
    basis: str
    result: str
    hosts: list[HostRow]
    used_hosts: list[int]
    bound: int | None
    survives: bool | None
    moves: list[MoveRow]
    stuck: list[StuckRow]
    left_out: list[LeftOut]
    vms: int
    off: int
    unmeasured: int
    hours: int
    bytes: int
    seconds: int
    lost: LostRow | None
    added: AddedRow | None
    shrunk: Shrunk | None
    operation: int | None


class PlanLine(BaseModel):
    id: int
    kind: str
    state: str
    asked_by: str
    asked_at: datetime
    result: str
    of: int | None


class Plans(BaseModel):
    items: list[PlanLine]


def carried(names: list[str], amounts: list[int], vms: int) -> Carried:
    told = dict(zip(names, amounts, strict=True))
    return Carried(
        vms=vms,
        cpus_used=told["cpu"] / 1000 if "cpu" in told else None,
        memory_used=told["memory"] * MIB if "memory" in told else None,
        cpus_given=told["cpus"],
        memory_given=told["given"] * MIB,
    )


def host_row(names: list[str], row: dict[str, Any]) -> HostRow:
    before, after = row["vms"]
    return HostRow(
        id=row["id"], name=row["name"], cpus=row["cpus"], memory=row["mib"] * MIB, emptied=row["emptied"],
        before=carried(names, row["before"], before), after=carried(names, row["after"], after),
        limit=carried(names, row["limit"], 0),
    )  # fmt: skip


def move_row(row: PlannedMove) -> MoveRow:
    return MoveRow(
        number=row.number, wave=row.wave, vm=row.vm_id, name=row.name, source=row.source_id, to=row.to_id,
        pool=row.pool or None, bytes=row.bytes, seconds=row.seconds, reason=words.reason_word(row.reason),
        state=row.state, operation=row.operation_id, why=words.move_failure(row),
    )  # fmt: skip


def stuck_row(one: dict[str, Any], names: dict[int, str]) -> StuckRow:
    reasons = [words.against_word(told, one["name"], names.get(told["host"], "")) for told in one.get("reasons", [])]
    return StuckRow(
        vm=one["vm"], name=one["name"], code=one["code"], text=words.stuck_word(one["code"]), reasons=reasons
    )


def lost_row(lost: dict[str, Any]) -> LostRow:
    return LostRow(
        host=lost["host"], placed=[PlacedRow(**one) for one in lost["placed"]],
        homeless=[stuck_row(one, {}) for one in lost["homeless"]],
    )  # fmt: skip


def shrunk(plan: HostPlan) -> Shrunk | None:
    told = plan.found.get("smaller")
    if told is None:
        return None
    vms = [
        Smaller(
            vm=one["vm"], name=one["name"], cpus=one["cpus"][0], memory=one["mib"][0] * MIB, wants_cpus=one["cpus"][1],
            wants_memory=one["mib"][1] * MIB,
        )
        for one in told["vms"]
    ]  # fmt: skip
    return Shrunk(of=told["of"], vms=vms, hosts=told["hosts"], left=sorted(host_plans.still_larger(plan)))


def item(plan: HostPlan) -> PlanItem:
    found = plan.found
    names = {row["id"]: row["name"] for row in found.get("hosts", [])}
    added = found.get("added")
    return PlanItem(
        id=plan.pk, kind=plan.kind, state=plan.state, why=words.failure(plan), hash=plan.digest, asked=plan.asked,
        asked_by=plan.asked_by.get_username() if plan.asked_by else "", asked_at=plan.asked_at, of=plan.of_id,
        basis=words.basis(plan), result=words.result(plan),
        hosts=[host_row(found["names"], row) for row in found.get("hosts", [])],
        used_hosts=found.get("used", []), bound=found.get("bound"), survives=found.get("survives"),
        moves=[move_row(row) for row in host_plans.moves_of(plan)],
        stuck=[stuck_row(one, names) for one in found.get("stuck", [])],
        left_out=[LeftOut(**one) for one in found.get("left_out", [])],
        vms=found.get("vms", 0), off=found.get("off", 0), unmeasured=found.get("unmeasured", 0),
        hours=found.get("hours", 0), bytes=found.get("bytes", 0), seconds=found.get("seconds", 0),
        lost=lost_row(found["lost"]) if "lost" in found else None,
        added=AddedRow(
            asked=added["asked"], fit=added["fit"], on=[OnHost(host=host, vms=n) for host, n in added["on"]]
        ) if added else None,
        shrunk=shrunk(plan),
        operation=plan.operation_id,
    )  # fmt: skip


def again(who: Actor, pk: int) -> PlanItem:
    """As it is now."""
    return item(host_plans.get_or_404(who, pk))


@router.get("", response=answers(200, Plans), url_name="plans", summary="The last plans for several hosts")
def index(request: HttpRequest) -> Plans:
    """Those of hosts all of which you may maintain, the latest first."""
    return Plans(
        items=[
            PlanLine(
                id=plan.pk, kind=plan.kind, state=plan.state, asked_at=plan.asked_at, result=words.result(plan),
                asked_by=plan.asked_by.get_username() if plan.asked_by else "", of=plan.of_id,
            )
            for plan in host_plans.find(actor(request))
        ]
    )  # fmt: skip


@router.post("", response=answers(202, PlanItem, 400, 403, 404), summary="Work out a plan")
def ask(request: HttpRequest, body: PlanBody, key: IdempotencyKey = None) -> Status[PlanItem]:
    """A worker works it out within seconds, from what is stored; nothing is moved. Ask for it again until its state is
    no longer computing."""
    told = {**body.model_dump(), "lose": body.lose or 0}
    if body.kind == "evacuate":
        told |= {"away": body.hosts, "hosts": []}
    who = actor(request)
    plan = host_plans.ask(who, Wish.from_json(told), idempotency_key=key)
    return Status(202, again(who, plan.pk))


@router.get("/{int:plan_id}", response=answers(200, PlanItem, 404), url_name="plan", summary="A plan")
def show(request: HttpRequest, plan_id: int) -> PlanItem:
    return again(actor(request), plan_id)


@router.post("/{int:plan_id}/run", response=answers(202, PlanItem, 400, 403, 404, 409), summary="Make its moves")
def run(request: HttpRequest, plan_id: int, body: RunBody, key: IdempotencyKey = None) -> Status[PlanItem]:
    """You approve it as a whole, by its hash; one that counts on smaller VMs only when they are so. Each move is judged
    once more before it is made; where one can't be, nothing more is begun, and another plan is worked out from what is
    so then."""
    who = actor(request)
    host_plans.run(who, host_plans.get_or_404(who, plan_id), body.hash, idempotency_key=key)
    return Status(202, again(who, plan_id))


@router.post("/{int:plan_id}/pause", response=answers(200, PlanItem, 403, 404, 409), summary="Begin no further move")
def pause(request: HttpRequest, plan_id: int) -> PlanItem:
    """What is under way comes to its end."""
    who = actor(request)
    host_plans.pause(who, host_plans.get_or_404(who, plan_id))
    return again(who, plan_id)


@router.post("/{int:plan_id}/continue", response=answers(200, PlanItem, 403, 404, 409), summary="Go on with it")
def go_on(request: HttpRequest, plan_id: int) -> PlanItem:
    who = actor(request)
    host_plans.go_on(who, host_plans.get_or_404(who, plan_id))
    return again(who, plan_id)


@router.post("/{int:plan_id}/cancel", response=answers(200, PlanItem, 403, 404, 409), summary="End it")
def cancel(request: HttpRequest, plan_id: int) -> PlanItem:
    """What is under way comes to its end, and what was moved stays; see /undo."""
    who = actor(request)
    host_plans.cancel(who, host_plans.get_or_404(who, plan_id))
    return again(who, plan_id)


@router.post("/{int:plan_id}/undo", response=answers(202, PlanItem, 400, 403, 404, 409), summary="Back to before")
def undo(request: HttpRequest, plan_id: int, key: IdempotencyKey = None) -> Status[PlanItem]:
    """A new plan, by which what it moved goes back; read it and run it like any other."""
    who = actor(request)
    plan = host_plans.undo(who, host_plans.get_or_404(who, plan_id), idempotency_key=key)
    return Status(202, again(who, plan.pk))
