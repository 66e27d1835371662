"""What could be otherwise, doing it, and leaving it alone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Query, Router, Status
from pydantic import BaseModel

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import LARGEST_PAGE
from vms.api.operations import IdempotencyKey, Nothing, Started, accepted
from vms.metrics.tiers import DAY
from vms.services import advice, advice_words
from vms.services.advice import Item
from vms.services.advice_rules import PERCENTILE, WINDOW

router = Router(tags=["capacity"])


class AdvisedThing(BaseModel):
    kind: str
    id: int
    name: str


class Saving(BaseModel):
    """Less than 0 is what it takes more."""

    cpus: int
    memory_kib: int
    disk_bytes: int


class Basis(BaseModel):
    """What a VM did in the window, as percentiles over its spans of three hours: percent of its processors, bytes, and
    bytes a second. cpu_high, memory_high: of the highest sample in each; memory: null where its guest does not tell."""

    window_days: int
    percentile: int
    watched_hours: float
    cpu: float | None
    cpu_high: float | None
    steal: float
    memory: float | None
    memory_high: float | None
    swap: float
    disk: float
    network: float


class AdviceItem(BaseModel):
    """id: for apply and dismiss. kind: idle, cpus, memory, disk (a volume that no VM has), iso (a medium likewise),
    snapshot (an old one). has, wants: processors, or KiB of memory; 0 for others. basis: null for volumes and
    snapshots. may_apply: whether you may do it. dismissed_by: who wants it left alone, "" for nobody."""

    id: str
    kind: str
    of: AdvisedThing
    has: int
    wants: int
    what: str
    why: str
    saving: Saving
    basis: Basis | None
    may_apply: bool
    dismissed_by: str
    dismissed_at: datetime | None


class AdviceItems(BaseModel):
    items: list[AdviceItem]
    count: int


def kind_of(of: Item) -> str:
    return "snapshot" if of.snapshot else "vm" if of.vm else "volume"


def item(of: Item) -> AdviceItem:
    told = of.told
    basis = Basis(
        window_days=WINDOW // DAY, percentile=PERCENTILE, watched_hours=round(told.watched / 3600, 1), cpu=told.cpu,
        cpu_high=told.cpu_high, steal=told.steal, memory=told.memory, memory_high=told.memory_high, swap=told.swap,
        disk=told.disk, network=told.network,
    ) if told else None  # fmt: skip
    return AdviceItem(
        id=of.id,
        kind=of.kind,
        of=AdvisedThing(kind=kind_of(of), id=of.thing.pk, name=of.thing.name),
        has=of.has,
        wants=of.wants,
        what=advice_words.what(of),
        why=advice_words.why(of),
        saving=Saving(cpus=of.saves_cpus, memory_kib=of.saves_kib, disk_bytes=of.saves_bytes),
        basis=basis,
        may_apply=of.may,
        dismissed_by=of.left.by_name if of.left else "",
        dismissed_at=of.left.at if of.left else None,
    )


Page = Annotated[int, Query(ge=1, le=1_000_000)]
Size = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]


@router.get(
    "", response=answers(200, AdviceItems), url_name="advice", summary="All of it; dismissed=true: what is left alone"
)
def index(request: HttpRequest, dismissed: bool = False, page: Page = 1, page_size: Size = 50) -> AdviceItems:
    found = advice.find(actor(request))
    items = found.left if dismissed else found.given
    start = (page - 1) * page_size
    return AdviceItems(items=[item(one) for one in items[start : start + page_size]], count=len(items))


@router.post(
    "/{str:advice_id}/apply",
    response=answers(202, Started, 400, 403, 404, 409),
    url_name="advice-apply",
    summary="Do it",
)
def apply(
    request: HttpRequest, advice_id: str, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    """An idle VM is shut down, one of another size gets it at its next start, a volume is deleted."""
    who = actor(request)
    try:
        found = advice.get_or_404(who, advice_id)
    except Http404:
        return accepted(request, response, advice.asked_before(who, advice_id, key))
    return accepted(request, response, advice.apply(who, found, idempotency_key=key))


@router.post(
    "/{str:advice_id}/dismiss", response=answers(204, None, 400, 403, 404), url_name="advice-dismiss",
    summary="Leave it alone: nobody is given it any more",
)  # fmt: skip
def dismiss(request: HttpRequest, advice_id: str, body: Nothing = None) -> Status[None]:
    advice.leave(actor(request), advice_id)
    return Status(204, None)


@router.delete(
    "/{str:advice_id}/dismiss", response=answers(204, None, 403, 404), url_name="advice-dismiss",
    summary="Let it be given again",
)  # fmt: skip
def take_back(request: HttpRequest, advice_id: str) -> Status[None]:
    advice.take_back(actor(request), advice_id)
    return Status(204, None)
