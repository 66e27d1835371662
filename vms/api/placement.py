"""Which VM can go to which host."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import Http404, HttpRequest
from ninja import Query, Router
from pydantic import BaseModel

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Id, PageNumber, PageSize
from vms.kinds.migration import MIGRATE
from vms.permissions import visible_vms
from vms.services import placement
from vms.services.placement_lines import Line, lines

router = Router(tags=["placement"])


class ThingName(BaseModel):
    """name: "" where you may not see the host."""

    id: int
    name: str


class MoveReasonItem(BaseModel):
    """grave: it can't go there for that; else it can, and this is to be known. params: what the text names."""

    code: str
    grave: bool
    text: str
    params: dict[str, str | int]


class PlacementItem(BaseModel):
    """mode and what follows it: how it would best go there, as /vms/{id}/migrate takes it."""

    vm: ThingName
    host: ThingName
    possible: bool
    reasons: list[MoveReasonItem]
    mode: str
    copy_storage: bool
    pool: int
    timeout_s: int


class Placements(BaseModel):
    """Of each VM all hosts; count: of the VMs. fresh_at: when the host was heard of which that was longest ago."""

    items: list[PlacementItem]
    count: int
    fresh_at: datetime | None


OfVm = Annotated[Id | None, Query(description="Only this VM")]
OfHost = Annotated[Id | None, Query(description="Only this host")]


@router.get(
    "", response=answers(200, Placements, 404), url_name="placement",
    summary="Which of the VMs that you may move can go to which host",
)  # fmt: skip
def index(
    request: HttpRequest, vm: OfVm = None, host: OfHost = None, page: PageNumber = 1, page_size: PageSize = 50
) -> Placements:
    """From what is stored; the hosts are asked again before anything moves. A page has so many VMs, each with every
    host on which you may place VMs."""
    who = actor(request)
    vms = visible_vms(who, MIGRATE.privileges[0]).filter(templated_at=None).order_by("name", "pk")
    vms = vms.filter(pk=vm) if vm is not None else vms
    hosts = [one for one in placement.targets(who) if host in (None, one.pk)]
    count = vms.count()
    if (vm is not None and not count) or (host is not None and not hosts):
        raise Http404
    start = (page - 1) * page_size
    found = lines(who, placement.matrix(who, vms[start : start + page_size], hosts))
    heard = [one.heard_at for one in hosts if one.heard_at]
    return Placements(items=[item(one) for one in found], count=count, fresh_at=min(heard, default=None))


def item(line: Line) -> PlacementItem:
    one, wish = line.verdict, line.verdict.wish
    return PlacementItem(
        vm=ThingName(id=one.vm.pk, name=one.vm.name),
        host=ThingName(id=one.host.pk, name=line.host),
        possible=one.possible,
        reasons=[
            MoveReasonItem(code=each.code, grave=each.grave, text=each.text, params=each.params)
            for each in line.reasons
        ],
        mode=wish.mode,
        copy_storage=wish.copy_storage,
        pool=wish.pool,
        timeout_s=wish.timeout_s,
    )
