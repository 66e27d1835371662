"""Tags of VMs."""

from __future__ import annotations

from typing import Annotated

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize
from vms.permissions import get_vm_or_404, visible_vms
from vms.services import tags

router = Router(tags=["vms"])
vms_router = Router(tags=["vms"])

Words = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=50)]
VmIds = Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(min_length=1, max_length=500)]


class TagItem(BaseModel):
    """vms: how many of those that you may see have it."""

    name: str
    vms: int


class TagsChange(BaseModel):
    """The same for several VMs: all of them, or none where one is refused."""

    model_config = ConfigDict(extra="forbid")

    vms: VmIds
    add: Words = []
    remove: Words = []


class TagsWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tags: Words


class VmTags(BaseModel):
    tags: list[str]


@router.get("", response=answers(200, Listing[TagItem]), summary="Those of the VMs that you may see")
def index(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[TagItem]:
    found = tags.counts(actor(request))
    start = (page - 1) * page_size
    items = [TagItem(name=name, vms=number) for name, number in found[start : start + page_size]]
    return Listing(items=items, count=len(found), fresh_at=timezone.now())


@router.post("", response=answers(204, None, 400, 403, 404, 409), summary="Tag several VMs, or take tags off")
def change(request: HttpRequest, body: TagsChange) -> Status[None]:
    who = actor(request)
    found = list(visible_vms(who).filter(pk__in=body.vms).order_by("pk"))
    if len(found) != len(set(body.vms)):
        raise Http404
    tags.change(who, found, add=body.add, remove=body.remove)
    return Status(204, None)


@vms_router.put(
    "/{int:vm_id}/tags", response=answers(200, VmTags, 400, 403, 404, 409), summary="The tags it is to have"
)
def replace(request: HttpRequest, vm_id: int, body: TagsWish) -> VmTags:
    who = actor(request)
    vm = get_vm_or_404(who, vm_id)
    tags.replace(who, vm, body.tags)
    return VmTags(tags=sorted(vm.tags.values_list("name", flat=True)))
