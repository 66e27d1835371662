"""Importing VMs: what others have packed into a volume, and the operation that makes a VM of it."""

from __future__ import annotations

from typing import Annotated

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Status
from pydantic import BaseModel, Field

from vms.api import vms, volumes
from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.create import CardBody, Id, Size, Strict
from vms.api.operations import IdempotencyKey, Nothing, Started, accepted
from vms.permissions import get_volume_or_404
from vms.services import archives, imports
from vms.services.imports import ImportWish

# What is made and what is listed is at the same address.
router = vms.router

Number = Annotated[int, Field(ge=0, le=15)]


class PackedCardItem(BaseModel):
    model: str
    network: str


class PackedDiskItem(BaseModel):
    """format: "" for an empty one; file: "" where the volume is the disk itself."""

    file: str
    format: str
    size_bytes: int


class ArchiveItem(BaseModel):
    """What the archive says, which nothing here takes for true. os: the system that we know by what it calls its own;
    left_out: what its VM had and a VM of here has not; 0 and "" for what is not said."""

    name: str
    system: str
    os: str
    cpus: int
    memory_mib: int
    firmware: str
    disks: list[PackedDiskItem]
    cards: list[PackedCardItem]
    controllers: list[str]
    left_out: list[str]


class ImportBody(Strict):
    """volume: the archive, or a VMDK disk. What is left out is as it says. disks: by their places in it, from 0; pool:
    for all of them. careful: disks and cards for which every system has drivers; left out, where the archive's were not
    virtio. UUIDs, MACs and paths are never taken out of it."""

    volume: Id
    name: Annotated[str, Field(max_length=300)] = ""
    cpus: Annotated[int, Field(ge=0, le=512)] = 0
    memory_mib: Size = 0
    os: Annotated[str, Field(max_length=40)] | None = None
    firmware: Annotated[str, Field(pattern="^(|bios|efi|secure)$")] = ""
    careful: bool | None = None
    disks: Annotated[list[Number], Field(max_length=16)] | None = None
    pool: Id | None = None
    networks: Annotated[list[CardBody], Field(max_length=16)] | None = None
    start: bool = True


@router.post("/import", response=answers(202, Started, 400, 403, 409), summary="Make one of an archive")
def add(request: HttpRequest, body: ImportBody, response: HttpResponse, key: IdempotencyKey = None) -> Status[Started]:
    """An OVA or a VMDK disk that somebody has had read. It stays where it is."""
    wish = ImportWish(
        volume=body.volume,
        name=body.name,
        cpus=body.cpus,
        memory_mib=body.memory_mib,
        os=body.os,
        firmware=body.firmware,
        careful=body.careful,
        disks=tuple(body.disks) if body.disks is not None else None,
        pool=body.pool,
        networks=tuple(card.network for card in body.networks) if body.networks is not None else None,
        start=body.start,
    )
    return accepted(request, response, imports.import_vm(actor(request), wish, idempotency_key=key))


@volumes.router.get(
    "/{int:volume_id}/archive", response=answers(200, ArchiveItem, 403, 404), summary="What somebody read in it"
)
def show(request: HttpRequest, volume_id: int) -> ArchiveItem:
    """404 also where nobody has had it read since it was written."""
    archive = archives.current(get_volume_or_404(actor(request), volume_id, to="copy"))
    if archive is None:
        raise Http404
    return ArchiveItem(**archives.told(archive))


@volumes.router.post(
    "/{int:volume_id}/archive", response=answers(202, Started, 400, 403, 404, 409), summary="Read what is in it"
)
def read(
    request: HttpRequest, volume_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    """Its description and the beginning of each disk; nothing is unpacked."""
    who = actor(request)
    return accepted(
        request, response, archives.read(who, get_volume_or_404(who, volume_id, to="copy"), idempotency_key=key)
    )
