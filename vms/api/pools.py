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
from vms.errors import BadFields
from vms.kinds import KINDS, Autostart
from vms.kinds.pools import REFRESH, START, STOP
from vms.models import StoragePool
from vms.permissions import get_host_or_404, get_pool_or_404, require, require_all, visible_pools
from vms.services import pools, storages, volumes

router = Router(tags=["storage"])
hosts_router = Router(tags=["storage"])

Words = Annotated[str, Query(max_length=300)]


class PoolItem(BaseModel):
    """type is libvirt's; path is where its volumes are on the host, "" where they are no files. Sizes are in bytes, 0
    while it is stopped; allocation_bytes counts what is in it, capacity_bytes - available_bytes also what others keep
    on the same disk. storage is the same number for pools, also of other hosts, that are one storage; storage_by_hand:
    an administrator said so, not its definition. trusted: what is found in it is served, since nobody but
    administrators writes there."""

    id: int
    uuid: str
    name: str
    host: int
    storage: int
    storage_by_hand: bool
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
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]


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


class SearchWish(BaseModel):
    """Where to look: netfs asks a server, iscsi-direct a server as an initiator, logical the host itself."""

    model_config = ConfigDict(extra="forbid")

    type: Text
    server: Text = ""
    port: Text = ""
    initiator: Text = ""


class Found(BaseModel):
    """What a search has found: each of sources is part of a spec of that type. operation is null before any search, and
    sources are empty until its state is succeeded."""

    operation: int | None
    state: str
    type: str
    sources: list[dict[str, str]]


class SameStorage(BaseModel):
    """The pool that is the same storage."""

    model_config = ConfigDict(extra="forbid")

    pool: Number


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
        storage_by_hand=pool.by_hand,
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


@hosts_router.get(
    "/{int:host_id}/pools", response=answers(200, Listing[PoolItem], 404), summary="Its own that you may use"
)
def of_host(request: HttpRequest, host_id: int, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[PoolItem]:
    found = pools.find_pools(actor(request), host=get_host_or_404(actor(request), host_id).pk)
    return listing(found, lambda rows: [item(pool) for pool in rows], page, page_size, timezone.now())


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


@hosts_router.post(
    "/{int:host_id}/pools/discover",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Let it look for what a pool could be made of",
)
def discover(
    request: HttpRequest, host_id: int, body: SearchWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    host = get_host_or_404(actor(request), host_id, to=pools.PRIVILEGE)
    return accepted(request, response, pools.search(actor(request), host, body.model_dump(), key))


@hosts_router.get(
    "/{int:host_id}/pools/discover",
    response=answers(200, Found, 403, 404),
    summary="What its last search has found, or the one of ?operation=",
)
def found(request: HttpRequest, host_id: int, operation: Number | None = None) -> Found:
    host = get_host_or_404(actor(request), host_id)
    require_all(actor(request), [pools.PRIVILEGE], host, fresh=False)
    search = pools.search_of(actor(request), host, operation)
    if search is None:
        return Found(operation=None, state="", type="", sources=[])
    type = str(search.params["type"])
    return Found(operation=search.pk, state=search.state, type=type, sources=pools.found_sources(search, type))


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
    "/{int:pool_id}/join",
    response=answers(200, PoolItem, 400, 403, 404, 409),
    summary="Say that another pool is the same storage; both must be started and list the same",
)
def join(request: HttpRequest, pool_id: int, body: SameStorage) -> PoolItem:
    pool = get_pool_or_404(actor(request), pool_id)
    require(actor(request), pools.PRIVILEGE, pool)
    other = visible_pools(actor(request)).filter(pk=body.pool).first()
    if other is None:
        raise BadFields({"pool": "choice"})
    storages.join(actor(request), pool, other)
    return item(get_pool_or_404(actor(request), pool_id))


@router.post(
    "/{int:pool_id}/separate",
    response=answers(200, PoolItem, 400, 403, 404, 409),
    summary="Say that it is a storage by itself, whatever its definition names",
)
def separate(request: HttpRequest, pool_id: int, body: Nothing = None) -> PoolItem:
    storages.separate(actor(request), get_pool_or_404(actor(request), pool_id))
    return item(get_pool_or_404(actor(request), pool_id))


@router.post(
    "/{int:pool_id}/trust",
    response=answers(200, PoolItem, 400, 403, 404, 409),
    summary="Say whether only administrators write there, so that what is found is served; administrators only",
)
def trust(request: HttpRequest, pool_id: int, body: Trust) -> PoolItem:
    who = actor(request)
    volumes.trust(who, get_pool_or_404(who, pool_id), trusted=body.trusted)
    return item(get_pool_or_404(who, pool_id))
