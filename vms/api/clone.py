"""Making a VM after another."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import BaseModel, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.create import Id, Making, Strict, WarningItem, all_accepted
from vms.api.operations import IdempotencyKey
from vms.kinds.clone import SOURCE
from vms.permissions import get_vm_or_404
from vms.services import clone, clone_plans, clone_rows, placing, snapshots
from vms.services.clone_wishes import CloneWish, DiskChoice
from vms.services.sentences import warning

router = Router(tags=["vms"])

Target = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]


class DiskOfClone(Strict):
    """target: what the definition calls it ("vda"). how: copy, bytes of its own; linked, a layer over the source's,
    which cannot be started as long as that is there; share, the same volume, of a disk that is read-only or made for
    several, and of a medium; none, it is left out, of a drive what is in it. pool: left out, the pool of the disk."""

    target: Target
    how: Literal["copy", "linked", "share", "none"]
    pool: Id | None = None


class CardOfClone(Strict):
    """network: null for no card."""

    network: Id | None


class CloneBody(Strict):
    """What is left out is as it is proposed: a disk is copied, or shared where it may be; a card is on the network of
    the same name. networks: one for each card of the source, in order. host, pool: where copies go, left out beside
    each disk. count: so many at once, with one # in the name, which is replaced by the number of each. A UUID, MACs and
    paths are never chosen by a request."""

    name: Annotated[str, Field(max_length=300)]
    host: Id | None = None
    pool: Id | None = None
    disks: Annotated[list[DiskOfClone], Field(max_length=64)] = []
    networks: Annotated[list[CardOfClone], Field(max_length=64)] | None = None
    start: bool = False
    count: Annotated[int, Field(ge=1, le=100)] = 1


class WayItem(BaseModel):
    """A disk, or a drive with something in it. volume: null where you may not see it; ways: what can be done with it,
    the first is proposed."""

    target: str
    volume: int | None
    ways: list[str]


class CloneItem(BaseModel):
    """What would be made of the first of them. takes: of your quota, of one."""

    xml: str
    warnings: list[WarningItem]
    takes: dict[str, int]


def wish(body: CloneBody, snapshot: str = "") -> CloneWish:
    return CloneWish(
        snapshot=snapshot,
        name=body.name,
        host=body.host,
        pool=body.pool,
        disks={disk.target: DiskChoice(disk.how, disk.pool) for disk in body.disks},
        networks=tuple(card.network or 0 for card in body.networks or ()),
        start=body.start,
        count=body.count,
    )


@router.get(
    "/{int:vm_id}/clone",
    response=answers(200, list[WayItem], 403, 404, 409),
    summary="What a clone can do with its disks",
)
def ways(request: HttpRequest, vm_id: int) -> list[WayItem]:
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=SOURCE)
    placing.require_somewhere(who)
    rows = clone_rows.rows(who, vm)
    return [
        WayItem(target=row.target, volume=row.volume.pk if row.volume and row.name else None, ways=list(row.ways))
        for row in rows
    ]


@router.post(
    "/{int:vm_id}/clone",
    response=answers(202, Making, 400, 403, 404, 409),
    url_name="vm-clone",
    summary="Make one after it, or several",
)
def make(
    request: HttpRequest, vm_id: int, body: CloneBody, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Making]:
    """All are asked for or none. An operation that fails at any step undoes what it did; the source stays as it is."""
    who = actor(request)
    made = clone.clone(who, get_vm_or_404(who, vm_id, to=SOURCE), wish(body), idempotency_key=key)
    return all_accepted(request, response, made)


@router.post(
    "/{int:vm_id}/clone/preview",
    response=answers(200, CloneItem, 400, 403, 404, 409),
    summary="What would be made after it",
)
def preview(request: HttpRequest, vm_id: int, body: CloneBody) -> CloneItem:
    """Nothing is handed to a host, and nothing is reserved."""
    who = actor(request)
    plan = clone_plans.plan(who, get_vm_or_404(who, vm_id, to=SOURCE), wish(body))
    return CloneItem(
        xml=plan.document.text,
        warnings=[WarningItem(code=each.code, text=warning(each.code, each.params)) for each in plan.warnings],
        takes=dict(plan.takes),
    )


@router.post(
    "/{int:vm_id}/snapshots/{name}/restore-as",
    response=answers(202, Making, 400, 403, 404, 409),
    url_name="vm-restore-as",
    summary="Make one as it was in a snapshot, or several",
)
def restore_as(
    request: HttpRequest, vm_id: int, name: str, body: CloneBody, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Making]:
    """As a clone, of the definition and the disks that the snapshot holds; the VM may run meanwhile and stays as it is.
    Memory does not come along."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=SOURCE)
    made = clone.clone(who, vm, wish(body, snapshots.get_or_404(vm, name).name), idempotency_key=key)
    return all_accepted(request, response, made)
