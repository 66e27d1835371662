"""Schedules of snapshots."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import Nothing
from vms.models import Schedule, ScheduleRun
from vms.permissions import get_schedule_or_404, seen_hosts, visible_vms
from vms.services import schedules
from vms.services.schedule_words import why_run, why_snapshot, why_stopped

router = Router(tags=["schedules"])

Name = Annotated[str, Field(max_length=schedules.LONGEST)]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Every = Literal["hourly", "daily", "weekly", "monthly"]
Small = Annotated[int, Field(ge=0, le=2000)]


class Keep(BaseModel):
    """Of how many moments, hours, days, weeks and months the latest snapshot is kept."""

    model_config = ConfigDict(extra="forbid")

    last: Small = 0
    hourly: Small = 0
    daily: Small = 0
    weekly: Small = 0
    monthly: Small = 0


class ScheduleWish(BaseModel):
    """One of vm, host and tag. minutes: after midnight in the zone, an IANA name, of an hourly one after the full hour;
    day: of a weekly one 0 for Monday, of a monthly one the day of the month."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    vm: Id | None = None
    host: Id | None = None
    tag: str = Field("", max_length=50)
    every: Every
    minutes: Small = 0
    day: Small = 0
    zone: str = Field("UTC", max_length=64)
    keep: Keep
    memory: bool = False
    quiesce: bool = False


class ScheduleChange(BaseModel):
    """What is left out stays as it is; enabled alone switches it, and whatever else is changed makes it one's own."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    every: Every | None = None
    minutes: Small | None = None
    day: Small | None = None
    zone: str | None = Field(None, max_length=64)
    keep: Keep | None = None
    memory: bool | None = None
    quiesce: bool | None = None
    enabled: bool | None = None


class Run(BaseModel):
    """missed: for how many more it makes up. error: "" where all went well; detail: the same in words."""

    due_at: datetime
    begun_at: datetime
    ended_at: datetime | None
    missed: int
    error: str
    detail: str


class Made(BaseModel):
    """A snapshot of a run. state: "waiting", "asked", "taken", "failed", "leaving", "deleting" or "gone"."""

    vm: int
    name: str
    state: str
    taken_at: datetime | None
    operation: int | None
    error: str
    detail: str


class WholeRun(Run):
    """snapshots: those of VMs that one sees."""

    snapshots: list[Made]


class ScheduleItem(BaseModel):
    """host: null also where one may not see it. stopped: why it runs no more by itself, "" where it does; detail: the
    same in words. snapshots: how many that it made are there."""

    id: int
    name: str
    owner: str
    vm: int | None
    host: int | None
    tag: str
    every: str
    minutes: int
    day: int
    zone: str
    keep: Keep
    memory: bool
    quiesce: bool
    enabled: bool
    next_run_at: datetime | None
    stopped: str
    detail: str
    last_run: Run | None
    snapshots: int


def run_of(run: ScheduleRun) -> dict[str, Any]:
    return {
        "due_at": run.due_at, "begun_at": run.begun_at, "ended_at": run.ended_at, "missed": run.missed,
        "error": run.error_code, "detail": why_run(run),
    }  # fmt: skip


def items(who: Any, found: list[Schedule]) -> list[ScheduleItem]:
    hosts = seen_hosts(who, [each.host for each in found if each.host])
    return [
        ScheduleItem(
            id=each.pk, name=each.name, owner=each.owner.get_username() if each.owner else "", vm=each.vm_id,
            host=each.host_id if each.host_id in hosts else None, tag=each.tag, every=each.every,
            minutes=each.minutes, day=each.day, zone=each.zone,
            keep=Keep(**{name.removeprefix("keep_"): getattr(each, name) for name in schedules.KEEPS}),
            memory=each.memory, quiesce=each.quiesce, enabled=each.enabled, next_run_at=each.next_run_at,
            stopped=each.stopped_code, detail=why_stopped(each),
            last_run=Run(**run_of(line.last)) if line.last else None, snapshots=line.held,
        )
        for line in schedules.make_lines(who, found)
        for each in [line.schedule]
    ]  # fmt: skip


def item(who: Any, pk: int) -> ScheduleItem:
    return items(who, [get_schedule_or_404(who, pk)])[0]


def values(given: dict[str, Any]) -> dict[str, Any]:
    """As the service takes them."""
    keep = given.pop("keep", None) or {}
    return {**given, **{f"keep_{name}": number for name, number in keep.items()}}


@router.get("", response=answers(200, Listing[ScheduleItem]), summary="One's own, and those of VMs that one may set")
def index(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[ScheduleItem]:
    who = actor(request)
    found = schedules.find_schedules(who)
    return listing(found, lambda rows: items(who, rows), page, page_size, timezone.now())


@router.post("", response=answers(201, ScheduleItem, 400, 403), summary="Set one")
def add(request: HttpRequest, body: ScheduleWish) -> Status[ScheduleItem]:
    """It is one's own, and runs with one's rights of each moment."""
    who = actor(request)
    made = schedules.add(who, values(body.model_dump()))
    return Status(201, item(who, made.pk))


@router.get("/{int:schedule_id}", response=answers(200, ScheduleItem, 404), summary="One")
def show(request: HttpRequest, schedule_id: int) -> ScheduleItem:
    return item(actor(request), schedule_id)


@router.get(
    "/{int:schedule_id}/runs", response=answers(200, Listing[WholeRun], 404), summary="Its runs, the latest first"
)
def runs(request: HttpRequest, schedule_id: int, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[WholeRun]:
    who = actor(request)
    found = get_schedule_or_404(who, schedule_id)
    return listing(schedules.runs_of(found), lambda rows: whole(who, rows), page, page_size, timezone.now())


def whole(who: Any, rows: list[ScheduleRun]) -> list[WholeRun]:
    made = {run.pk: list(run.snapshots.all()) for run in rows}
    vms = {each.vm_id for several in made.values() for each in several}
    seen = set(visible_vms(who).filter(pk__in=vms).values_list("pk", flat=True))
    return [
        WholeRun(
            **run_of(run),
            snapshots=[
                Made(
                    vm=each.vm_id, name=each.name, state=each.state, taken_at=each.taken_at,
                    operation=each.operation_id, error=each.error_code, detail=why_snapshot(each),
                )
                for each in made[run.pk]
                if each.vm_id in seen
            ],
        )
        for run in rows
    ]  # fmt: skip


@router.patch("/{int:schedule_id}", response=answers(200, ScheduleItem, 400, 403, 404), summary="Change or switch one")
def change(request: HttpRequest, schedule_id: int, body: ScheduleChange) -> ScheduleItem:
    who = actor(request)
    found = get_schedule_or_404(who, schedule_id)
    given = body.model_dump(exclude_none=True)
    enabled = given.pop("enabled", None)
    if given:
        found = schedules.change(who, found, values(given))
    if enabled is not None:
        schedules.switch(who, found, on=enabled)
    return item(who, schedule_id)


@router.post("/{int:schedule_id}/run", response=answers(200, ScheduleItem, 400, 403, 404), summary="Run it at once")
def run(request: HttpRequest, schedule_id: int, body: Nothing = None) -> ScheduleItem:
    """Its owner's alone. It runs within seconds, once its last run is over."""
    who = actor(request)
    schedules.run_now(who, get_schedule_or_404(who, schedule_id))
    return item(who, schedule_id)


@router.delete("/{int:schedule_id}", response=answers(204, None, 403, 404), summary="Remove one")
def remove(request: HttpRequest, schedule_id: int) -> Status[None]:
    """What it made stays."""
    who = actor(request)
    schedules.remove(who, get_schedule_or_404(who, schedule_id))
    return Status(204, None)
