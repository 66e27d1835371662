"""Volumes: what lies in pools."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import IdempotencyKey, Nothing, Started, accepted, asked_again
from vms.kinds import volumes as kinds
from vms.models import Volume
from vms.permissions import get_pool_or_404, get_volume_or_404
from vms.services import volumes

router = Router(tags=["storage"])
pools_router = Router(tags=["storage"])

Words = Annotated[str, Query(max_length=300)]
Name = Annotated[str, Field(max_length=300)]
Bytes = Annotated[int, Field(ge=0, le=2**63 - 1)]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class VolumeItem(BaseModel):
    """Sizes are in bytes: capacity_bytes is what a guest sees, allocation_bytes what is taken by now. format is what is
    remembered of it, told_format what its pool says, which a guest can forge; where strayed, the two differ, and it is
    copied nowhere. state: ready; incomplete (being made); quarantine (its beginning was not looked at yet); refused,
    with the reason as a code in refusal. origin: made (here), found (by the pool's list: listed, not served, unless its
    pool is trusted), adopted (a VM has it), vouched (by an administrator); swapped: by size or time another file has
    come in its place, so that it is not served. backing: the volume that it is a layer over, where you may see that."""

    id: int
    name: str
    storage: int
    kind: str
    path: str
    format: str
    told_format: str
    strayed: bool
    state: str
    refusal: str
    origin: str
    swapped: bool
    capacity_bytes: int
    allocation_bytes: int
    backing: int | None
    owner: str
    present: bool
    changed_at: datetime | None


class Named(BaseModel):
    id: int
    name: str


class UsersItem(BaseModel):
    """Who uses it, as far as you may know: VMs, those in the trash, and volumes that are layers over it; of the others
    their number."""

    vms: list[Named]
    trashed: list[Named]
    other_vms: int
    layers: list[Named]
    other_layers: int


class VolumeWish(BaseModel):
    """An empty volume. name: a letter or digit, then letters, digits and . _ + -. format: raw, in pools of files also
    qcow2."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    size_bytes: Bytes
    format: Annotated[str, Field(max_length=20)] = "qcow2"


class Copy(BaseModel):
    """pool: where the copy goes, also of another host; left out, where the volume is."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    pool: Id | None = None


class Size(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size_bytes: Bytes


def item(volume: Volume, seen: set[int]) -> VolumeItem:
    return VolumeItem(
        id=volume.pk,
        name=volume.name,
        storage=volume.storage_id,
        kind=volume.kind,
        path=volume.path,
        format=volume.format,
        told_format=volume.told_format,
        strayed=volumes.is_strayed(volume),
        state=volume.state,
        refusal=volume.refusal,
        origin=volume.origin,
        swapped=volume.is_swapped,
        capacity_bytes=volume.capacity_bytes,
        allocation_bytes=volume.allocation_bytes,
        backing=volume.backing_id if volume.backing_id in seen else None,
        owner=volume.owner.username if volume.owner else "",
        present=volume.present,
        changed_at=volume.changed_at,
    )


def items(request: HttpRequest, rows: list[Volume]) -> list[VolumeItem]:
    below = [row.backing_id for row in rows if row.backing_id]
    seen = set(volumes.found(actor(request)).filter(pk__in=below).values_list("pk", flat=True)) if below else set()
    return [item(row, seen) for row in rows]


@pools_router.get(
    "/{int:pool_id}/volumes",
    response=answers(200, Listing[VolumeItem], 404),
    summary="What lies in it, as far as you may see that; q searches, unused=true is what nothing uses",
)
def index(
    request: HttpRequest, pool_id: int, q: Words = "", unused: bool = False, page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Listing[VolumeItem]:  # fmt: skip
    who = actor(request)
    pool = get_pool_or_404(who, pool_id)
    words = q.replace("\0", "").strip()
    rows = volumes.orphans(who, pool).filter(name__icontains=words) if unused else volumes.listed(who, pool, words)
    return listing(rows, lambda found: items(request, found), page, page_size, pool.host.heard_at or timezone.now())


@pools_router.post(
    "/{int:pool_id}/volumes", response=answers(202, Started, 400, 403, 404, 409), summary="Make an empty one"
)
def create(
    request: HttpRequest, pool_id: int, body: VolumeWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    who = actor(request)
    pool = get_pool_or_404(who, pool_id)
    wish: dict[str, Any] = body.model_dump()
    return accepted(request, response, volumes.create(who, pool, idempotency_key=key, **wish))


@router.get("/{int:volume_id}", response=answers(200, VolumeItem, 404), url_name="volume", summary="One")
def show(request: HttpRequest, volume_id: int) -> VolumeItem:
    return items(request, [get_volume_or_404(actor(request), volume_id)])[0]


@router.get("/{int:volume_id}/users", response=answers(200, UsersItem, 404), summary="Who uses it")
def users(request: HttpRequest, volume_id: int) -> UsersItem:
    who = actor(request)
    found = volumes.users(who, get_volume_or_404(who, volume_id))
    return UsersItem(
        vms=[Named(id=vm.pk, name=vm.name) for vm in found.vms],
        trashed=[Named(id=vm.pk, name=vm.name) for vm in found.trashed],
        other_vms=found.other_vms,
        layers=[Named(id=layer.pk, name=layer.name) for layer in found.layers],
        other_layers=found.other_layers,
    )


@router.delete("/{int:volume_id}", response=answers(202, Started, 400, 403, 404, 409), summary="Delete it")
def delete(request: HttpRequest, volume_id: int, response: HttpResponse, key: IdempotencyKey = None) -> Status[Started]:
    who = actor(request)
    try:
        volume = get_volume_or_404(who, volume_id, to="delete")
    except Http404:
        return asked_again(request, response, kinds.DELETE, volume_id, key)
    return accepted(request, response, volumes.delete(who, volume, idempotency_key=key))


@router.post(
    "/{int:volume_id}/clone", response=answers(202, Started, 400, 403, 404, 409), summary="Copy it byte by byte"
)
def clone(
    request: HttpRequest, volume_id: int, body: Copy, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    who = actor(request)
    volume = get_volume_or_404(who, volume_id, to="copy")
    pool = get_pool_or_404(who, body.pool) if body.pool else None
    return accepted(request, response, volumes.clone(who, volume, name=body.name, pool=pool, idempotency_key=key))


@router.post(
    "/{int:volume_id}/grow", response=answers(202, Started, 400, 403, 404, 409), summary="Let it become larger"
)
def grow(
    request: HttpRequest, volume_id: int, body: Size, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    who = actor(request)
    volume = get_volume_or_404(who, volume_id, to="attach")
    return accepted(request, response, volumes.grow(who, volume, size_bytes=body.size_bytes, idempotency_key=key))


@router.post(
    "/{int:volume_id}/wipe",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Write zeros over all of it; what is left is raw",
)
def wipe(
    request: HttpRequest, volume_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    who = actor(request)
    return accepted(
        request, response, volumes.wipe(who, get_volume_or_404(who, volume_id, to="delete"), idempotency_key=key)
    )


@router.post(
    "/{int:volume_id}/check",
    response=answers(202, VolumeItem, 400, 403, 404, 409),
    summary="Look at the beginning of what nothing uses once more, within seconds",
)
def check(request: HttpRequest, volume_id: int, body: Nothing = None) -> Status[VolumeItem]:
    who = actor(request)
    volumes.look_again(who, get_volume_or_404(who, volume_id, to="attach"))
    return Status(202, items(request, [get_volume_or_404(who, volume_id)])[0])


@router.post(
    "/{int:volume_id}/vouch",
    response=answers(200, VolumeItem, 400, 403, 404, 409),
    summary="Say that it is a file and no link, so that it is served; administrators only",
)
def vouch(request: HttpRequest, volume_id: int, body: Nothing = None) -> VolumeItem:
    who = actor(request)
    volumes.vouch(who, get_volume_or_404(who, volume_id))
    return items(request, [get_volume_or_404(who, volume_id)])[0]
