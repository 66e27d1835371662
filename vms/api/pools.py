"""Storage pools."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import IdempotencyKey, Nothing, Started, accepted, start
from vms.kinds import KINDS, Autostart
from vms.kinds.pools import REFRESH, START, STOP
from vms.models import StoragePool
from vms.permissions import get_host_or_404, get_pool_or_404
from vms.services import pools, volumes

router = Router(tags=["storage"])
hosts_router = Router(tags=["storage"])

Words = Annotated[str, Query(max_length=300)]


class PoolItem(BaseModel):
    """type is libvirt's; path is where its volumes are on the host, "" where they are no files. Sizes are in bytes, 0
    while it is stopped; allocation_bytes counts what is in it, capacity_bytes - available_bytes also what others keep
    on the same disk. storage is the same number for pools, also of other hosts, that are one storage. trusted: what is
    found in it is served, since nobody but administrators writes there."""

    id: int
    uuid: str
    name: str
    host: int
    storage: int
    type: str
    path: str
    active: bool
    autostart: bool
    persistent: bool
    trusted: bool
    capacity_bytes: int
    allocation_bytes: int
    available_bytes: int
    refreshed_at: datetime | None


Text = Annotated[str, Field(max_length=1 << 16)]


class PoolWish(BaseModel):
    """A pool to make and start. spec: {"type": ...} and what that type needs: dir name, path · fs name, device, path,
    format · netfs name, server, export, path, format · disk name, device, format · logical name, group, device ·
    iscsi-direct name, server, port, target, initiator, user · rbd name, monitors, pool, user · xml document, for the
    other types. build: make a file system, a partition table or a volume group on the device, which must hold nothing.
    confirmed: a path that is the system's, once more. The secrets stay with libvirt on the host."""

    model_config = ConfigDict(extra="forbid")

    spec: dict[str, Text]
    build: bool = False
    autostart: bool = True
    confirmed: Text = ""
    chap_password: Text = ""
    ceph_key: Text = ""


class PoolChange(BaseModel):
    """Whether it starts with its host."""

    model_config = ConfigDict(extra="forbid")

    autostart: bool


class Trust(BaseModel):
    """Whether what is found in it is served."""

    model_config = ConfigDict(extra="forbid")

    trusted: bool


def item(pool: StoragePool) -> PoolItem:
    return PoolItem(
        id=pool.pk,
        uuid=str(pool.uuid),
        name=pool.name,
        host=pool.host_id,
        storage=pool.storage_id,
        type=pool.type,
        path=pool.path,
        active=pool.active,
        autostart=pool.autostart,
        persistent=pool.persistent,
        trusted=pool.storage.trusted,
        capacity_bytes=pool.capacity_bytes,
        allocation_bytes=pool.allocation_bytes,
        available_bytes=pool.available_bytes,
        refreshed_at=pool.refreshed_at,
    )


@router.get("", response=answers(200, Listing[PoolItem]), summary="Those of all hosts that you may use; q searches")
def index(
    request: HttpRequest, q: Words = "", host: int | None = None, page: PageNumber = 1, page_size: PageSize = 50
) -> Listing[PoolItem]:
    found = pools.find_pools(actor(request), q=q.replace("\0", "").strip(), host=host)
    return listing(found, lambda rows: [item(pool) for pool in rows], page, page_size, timezone.now())


@router.get("/{int:pool_id}", response=answers(200, PoolItem, 404), url_name="pool", summary="One")
def show(request: HttpRequest, pool_id: int) -> PoolItem:
    return item(get_pool_or_404(actor(request), pool_id))


@hosts_router.post(
    "/{int:host_id}/pools", response=answers(202, Started, 400, 403, 404, 409), summary="Make one and start it"
)
def define(
    request: HttpRequest, host_id: int, body: PoolWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    host = get_host_or_404(actor(request), host_id)
    given: dict[str, Any] = dict(body.spec)
    asked = pools.define(
        actor(request), host, given, {"chap_password": body.chap_password, "ceph_key": body.ceph_key},
        build=body.build, autostart=body.autostart, confirmed=body.confirmed, key=key,
    )  # fmt: skip
    return accepted(request, response, asked)


@router.patch(
    "/{int:pool_id}", response=answers(202, Started, 400, 403, 404, 409), summary="Whether it starts with its host"
)
def change(
    request: HttpRequest, pool_id: int, body: PoolChange, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    pool = get_pool_or_404(actor(request), pool_id)
    return start(request, response, KINDS["pool.autostart"], pool, key, Autostart(body.autostart))


@router.delete(
    "/{int:pool_id}",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Let the host forget it; wipe=true deletes what is inside first",
)
def delete(
    request: HttpRequest, pool_id: int, response: HttpResponse, wipe: bool = False, key: IdempotencyKey = None
) -> Status[Started]:
    pool = get_pool_or_404(actor(request), pool_id)
    return accepted(request, response, pools.delete(actor(request), pool, wipe=wipe, key=key))


@router.post("/{int:pool_id}/start", response=answers(202, Started, 400, 403, 404, 409), summary="Start it")
def start_one(
    request: HttpRequest, pool_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    return start(request, response, START, get_pool_or_404(actor(request), pool_id), key)


@router.post(
    "/{int:pool_id}/stop",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Stop it; what is inside stays where it is",
)
def stop(
    request: HttpRequest, pool_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    return start(request, response, STOP, get_pool_or_404(actor(request), pool_id), key)


@router.post(
    "/{int:pool_id}/refresh",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Let the host look through it",
)
def refresh(
    request: HttpRequest, pool_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    return start(request, response, REFRESH, get_pool_or_404(actor(request), pool_id), key)


@router.post(
    "/{int:pool_id}/trust",
    response=answers(200, PoolItem, 400, 403, 404, 409),
    summary="Say whether only administrators write there, so that what is found is served; administrators only",
)
def trust(request: HttpRequest, pool_id: int, body: Trust) -> PoolItem:
    who = actor(request)
    volumes.trust(who, get_pool_or_404(who, pool_id), trusted=body.trusted)
    return item(get_pool_or_404(who, pool_id))
