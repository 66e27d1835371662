"""Who uses most, and what there is, is given and is used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from django.http import Http404, HttpRequest
from ninja import Query, Router
from pydantic import BaseModel, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import LARGEST_PAGE, Id
from vms.permissions import visible_hosts
from vms.services import capacity, top
from vms.services.capacity import HostLine, Part, StorageLine, Sums

router = Router(tags=["capacity"])
top_router = Router(tags=["capacity"])


class ThingItem(BaseModel):
    id: int
    name: str


class TopItem(BaseModel):
    """host: null for who does not see it. share: of what all VMs use that you see, 0 to 1."""

    vm: ThingItem
    host: ThingItem | None
    value: float
    share: float


class TopItems(BaseModel):
    """unit: processors, bytes or bytes/s. total: of all VMs that you see; counted: how many of them were measured.
    now: the mean of the last two minutes. day: of the last 24 hours in whole quarters of an hour, where a VM that was
    off used nothing."""

    by: str
    over: str
    unit: str
    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    items: list[TopItem]
    total: float
    counted: int


class CapacityPart(BaseModel):
    """whole: what there is, 0 where that is not known. given: what running VMs may use; promised: all of them. over:
    how much more is given than there is. used: by all that runs on the host, now and on the average of the last day."""

    whole: int
    given: int
    promised: int
    over: int
    used: float | None
    used_day: float | None


class CapacityHost(BaseModel):
    """vms, running: those that you see."""

    id: int
    name: str
    fresh: str
    cpus: CapacityPart
    memory: CapacityPart
    vms: int
    running: int


class CapacityStorage(BaseModel):
    """One storage, by whichever of its pools it is reached. growing: the bytes by which the volumes in it that you see
    can still grow; over: how much of that does not fit."""

    storage: int
    pools: list[ThingItem]
    active: bool
    capacity_bytes: int
    taken_bytes: int
    available_bytes: int
    growing_bytes: int
    over_bytes: int
    volumes: int


class CapacitySums(BaseModel):
    """Of the hosts that you see; where you see none, of your VMs, and nothing is said of how much there is."""

    hosts: int
    cpus: CapacityPart
    memory: CapacityPart
    vms: int
    running: int


class CapacityItem(BaseModel):
    """Of processors how many; of memory bytes."""

    sums: CapacitySums
    hosts: list[CapacityHost]
    storages: list[CapacityStorage]


Most = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
OfHost = Annotated[Id | None, Query(description="Only of the VMs on this host")]


@top_router.get(
    "", response=answers(200, TopItems, 404), by_alias=True, url_name="top",
    summary="The VMs that use most, of those that you see",
)  # fmt: skip
def show_top(
    request: HttpRequest, by: top.By = "cpu", over: top.Over = "now", host: OfHost = None, most: Most = top.MOST
) -> TopItems:
    who = actor(request)
    on = visible_hosts(who).filter(pk=host).first() if host is not None else None
    if host is not None and on is None:
        raise Http404
    found = top.top(who, by, over, host=on, most=most)
    return TopItems(
        by=by,
        over=over,
        unit=found.unit,
        start=datetime.fromtimestamp(found.start, UTC),
        end=datetime.fromtimestamp(found.end, UTC),
        items=[
            TopItem(
                vm=ThingItem(id=line.vm, name=line.name),
                host=ThingItem(id=line.host[0], name=line.host[1]) if line.host else None,
                value=line.value,
                share=line.share,
            )
            for line in found.lines
        ],
        total=found.total,
        counted=found.counted,
    )


@router.get(
    "", response=answers(200, CapacityItem), url_name="capacity",
    summary="What hosts and pools have, what is given to VMs, what is used",
)  # fmt: skip
def show(request: HttpRequest) -> CapacityItem:
    who = actor(request)
    on = capacity.given(who)
    hosts = list(capacity.find_hosts(who))
    return CapacityItem(
        sums=sums_item(capacity.sums(hosts, on)),
        hosts=[host_item(line) for line in capacity.host_lines(who, hosts, on)],
        storages=[storage_item(line) for line in capacity.storage_lines(who)],
    )


def part(of: Part) -> CapacityPart:
    return CapacityPart(
        whole=of.whole, given=of.given, promised=of.promised, over=of.over, used=of.used, used_day=of.day
    )  # fmt: skip


def sums_item(of: Sums) -> CapacitySums:
    return CapacitySums(
        hosts=of.hosts, cpus=part(of.cpus), memory=part(of.memory), vms=of.vms, running=of.running
    )  # fmt: skip


def host_item(line: HostLine) -> CapacityHost:
    return CapacityHost(
        id=line.host.pk, name=line.host.name, fresh=line.fresh, cpus=part(line.cpus), memory=part(line.memory),
        vms=line.vms, running=line.running,
    )  # fmt: skip


def storage_item(line: StorageLine) -> CapacityStorage:
    pool = line.pool
    return CapacityStorage(
        storage=pool.storage_id,
        pools=[ThingItem(id=each.pk, name=each.name) for each in line.pools],
        active=pool.active,
        capacity_bytes=pool.capacity_bytes,
        taken_bytes=line.taken if line.known else 0,
        available_bytes=pool.available_bytes,
        growing_bytes=line.growing,
        over_bytes=line.over,
        volumes=line.volumes,
    )
