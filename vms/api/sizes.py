"""Sizes of new VMs."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.models import Size
from vms.services import sizes

router = Router(tags=["vms"])

Name = Annotated[str, Field(max_length=40)]
Cpus = Annotated[int, Field(ge=1, le=512)]
Mib = Annotated[int, Field(ge=32, le=2**24)]
Gib = Annotated[int, Field(ge=1, le=2**16)]


class SizeWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    vcpus: Cpus
    memory_mib: Mib
    disk_gib: Gib


class SizeChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    vcpus: Cpus | None = None
    memory_mib: Mib | None = None
    disk_gib: Gib | None = None


class SizeItem(BaseModel):
    id: int
    name: str
    vcpus: int
    memory_mib: int
    disk_gib: int


def item(size: Size) -> SizeItem:
    return SizeItem(
        id=size.pk, name=size.name, vcpus=size.vcpus, memory_mib=size.memory_mib, disk_gib=size.disk_gib
    )  # fmt: skip


@router.get("", response=answers(200, Listing[SizeItem]), summary="Those that one may choose from")
def index(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[SizeItem]:
    """The small ones first."""
    return listing(sizes.find_sizes(), lambda rows: [item(row) for row in rows], page, page_size, timezone.now())


@router.post("", response=answers(201, SizeItem, 400, 403), summary="Add one")
def add(request: HttpRequest, body: SizeWish) -> Status[SizeItem]:
    return Status(201, item(sizes.add(actor(request), body.model_dump())))


@router.patch("/{int:size_id}", response=answers(200, SizeItem, 400, 403, 404), summary="Change one")
def change(request: HttpRequest, size_id: int, body: SizeChange) -> SizeItem:
    """VMs that were made of it stay as they are."""
    who = actor(request)
    return item(sizes.change(who, sizes.get_size_or_404(who, size_id), body.model_dump(exclude_none=True)))


@router.delete("/{int:size_id}", response=answers(204, None, 403, 404), summary="Remove one")
def remove(request: HttpRequest, size_id: int) -> Status[None]:
    """VMs that were made of it stay as they are."""
    who = actor(request)
    sizes.remove(who, sizes.get_size_or_404(who, size_id))
    return Status(204, None)
