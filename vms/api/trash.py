"""Deleting a VM, what is in the trash, and calling a VM otherwise."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import IdempotencyKey, Nothing, Started, accepted, asked_again
from vms.kinds import trash as kinds
from vms.models import VirtualMachine
from vms.permissions import get_trashed_or_404, get_vm_or_404
from vms.services import belongings, renaming, trash
from vms.services.freshness import placed

router = Router(tags=["vms"])
vms_router = Router(tags=["vms"])

Name = Annotated[str, Field(max_length=255)]
Ids = Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(max_length=200)]


class Going(BaseModel):
    """A volume that goes with its VM. capacity_bytes: as large as it can become."""

    volume: int
    name: str
    capacity_bytes: int


class Staying(BaseModel):
    """What stays, and a code for why: image, shared, used, backs, below, media, nvram, outside, not_ready, pool_off,
    silent. by: what needs it, as far as you may know; others: how many more."""

    name: str
    volume: int | None
    why: str
    by: str
    others: int


class BelongingsItem(BaseModel):
    """digest: give it back as seen, and a list that has changed since is refused. there: whether its host has it still.
    trash: whether it can go there."""

    digest: str
    goes: list[Going]
    stays: list[Staying]
    there: bool
    runs: bool
    snapshots: list[str]
    checkpoints: list[str]
    saved_state: bool
    nvram: bool
    tpm: bool
    trash: bool


class DeleteWish(BaseModel):
    """volumes: those that go with it, or all that GET names. trash: false deletes it for good; then confirm is its
    name."""

    model_config = ConfigDict(extra="forbid", strict=True)

    volumes: Ids | Literal["all"] = "all"
    confirm: Name = ""
    trash: bool = True
    seen: Annotated[str, Field(max_length=64)] = ""


class PurgeWish(BaseModel):
    """volumes: those that go with it, "chosen" for what was chosen when it was deleted. confirm: its name."""

    model_config = ConfigDict(extra="forbid", strict=True)

    confirm: Name
    volumes: Ids | Literal["chosen", "all"] = "chosen"
    seen: Annotated[str, Field(max_length=64)] = ""


class RenameWish(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name


class TrashItem(BaseModel):
    """A VM in the trash. host: "" where you may not see that. purge_at: when it goes for good. present: whether its
    host has it still; running: somebody started it outside. unfinished: its host has forgotten it, and volumes are
    left. why: a code for why it could not be purged."""

    id: int
    uuid: str
    name: str
    host: str
    deleted_at: datetime | None
    deleted_by: str
    purge_at: datetime | None
    disk_bytes: int
    present: bool
    running: bool
    unfinished: bool
    why: str


def belongings_item(found: belongings.Found, *, room: bool) -> BelongingsItem:
    told = found.told
    return BelongingsItem(
        digest=found.digest,
        goes=[
            Going(volume=line.volume.pk, name=line.name, capacity_bytes=line.volume.capacity_bytes)
            for line in found.goes
            if line.volume
        ],
        stays=[
            Staying(
                name=line.name,
                volume=line.volume.pk if line.volume else None,
                why=line.why,
                by=line.by,
                others=line.others,
            )
            for line in found.stays
        ],
        there=told["there"],
        runs=told.get("runs", False),
        snapshots=told.get("snapshots", []),
        checkpoints=told.get("checkpoints", []),
        saved_state=told.get("saved", False),
        nvram=bool(told.get("nvram")),
        tpm=told.get("tpm", False),
        trash=room,
    )


def items(request: HttpRequest, vms: list[VirtualMachine]) -> list[TrashItem]:
    return [
        TrashItem(
            id=line.vm.pk,
            uuid=str(placed(line.vm).uuid),
            name=line.vm.name,
            host=line.host,
            deleted_at=line.vm.trashed_at,
            deleted_by=line.trash.by_name,
            purge_at=line.trash.purge_at,
            disk_bytes=line.size,
            present=not line.gone,
            running=line.runs,
            unfinished=line.trash.purging and line.gone,
            why=line.trash.why,
        )
        for line in trash.make_lines(actor(request), vms)
    ]


@vms_router.get(
    "/{int:vm_id}/belongings",
    response=answers(200, BelongingsItem, 403, 404),
    summary="What goes with it when it is deleted, and what stays",
)
def show_belongings(request: HttpRequest, vm_id: int) -> BelongingsItem:
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to="vm.delete")
    return belongings_item(belongings.find(who, vm), room=trash.has_room(vm))


@vms_router.post(
    "/{int:vm_id}/delete",
    response=answers(202, Started, 400, 403, 404, 409),
    url_name="vm-delete",
    summary="Move it to the trash, or delete it for good",
)
def delete(
    request: HttpRequest, vm_id: int, body: DeleteWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    """The body says what goes with it, so that this is no DELETE of the VM's own address, which answers 405."""
    who = actor(request)
    try:
        vm = get_vm_or_404(who, vm_id, to="vm.delete")
    except Http404:
        return asked_again(request, response, kinds.TRASH if body.trash else kinds.DELETE, vm_id, key)
    volumes = None if body.volumes == "all" else body.volumes
    asked = trash.delete(
        who, vm, volumes=volumes, confirm=body.confirm, trash=body.trash, seen=body.seen, idempotency_key=key
    )
    return accepted(request, response, asked)


@vms_router.post(
    "/{int:vm_id}/rename",
    response=answers(202, Started, 400, 403, 404, 409),
    url_name="vm-rename",
    summary="Call it otherwise while it is off",
)
def rename(
    request: HttpRequest, vm_id: int, body: RenameWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to="vm.label")
    return accepted(request, response, renaming.rename(who, vm, body.name, idempotency_key=key))


@router.get("", response=answers(200, Listing[TrashItem]), summary="What you may put back or delete, the latest first")
def index(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[TrashItem]:
    rows = trash.listed(actor(request))
    return listing(rows, lambda found: items(request, found), page, page_size, timezone.now())


@router.get("/{int:vm_id}", response=answers(200, TrashItem, 404), summary="One")
def show(request: HttpRequest, vm_id: int) -> TrashItem:
    return items(request, [get_trashed_or_404(actor(request), vm_id)])[0]


@router.get(
    "/{int:vm_id}/belongings",
    response=answers(200, BelongingsItem, 404),
    summary="What goes with it when it is purged, and what stays",
)
def show_what_goes(request: HttpRequest, vm_id: int) -> BelongingsItem:
    who = actor(request)
    return belongings_item(belongings.find(who, get_trashed_or_404(who, vm_id)), room=False)


@router.post(
    "/{int:vm_id}/restore", response=answers(202, Started, 400, 403, 404, 409), summary="Put it back, as it was, off"
)
def restore(
    request: HttpRequest, vm_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    who = actor(request)
    try:
        vm = get_trashed_or_404(who, vm_id)
    except Http404:
        return asked_again(request, response, kinds.PUT_BACK, vm_id, key)
    return accepted(request, response, trash.put_back(who, vm, idempotency_key=key))


@router.post("/{int:vm_id}/purge", response=answers(202, Started, 400, 403, 404, 409), summary="Delete it for good")
def purge(
    request: HttpRequest, vm_id: int, body: PurgeWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    who = actor(request)
    try:
        vm = get_trashed_or_404(who, vm_id)
    except Http404:
        return asked_again(request, response, kinds.DELETE, vm_id, key)
    chosen: list[int] | None
    if body.volumes == "chosen":
        chosen = None
    elif body.volumes == "all":
        chosen = belongings.find(who, vm).volumes
    else:
        chosen = body.volumes
    asked = trash.purge(who, vm, confirm=body.confirm, volumes=chosen, seen=body.seen, idempotency_key=key)
    return accepted(request, response, asked)
