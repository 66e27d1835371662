"""The definitions that a VM had."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import IdempotencyKey, Started, accepted
from vms.libvirtxml import Need
from vms.models import Version, VirtualMachine
from vms.permissions import get_vm_or_404
from vms.services import history, xml

router = Router(tags=["vms"])

Number = Annotated[int, Query(ge=1, le=2**31 - 1)]


class VersionItem(BaseModel):
    """through: "operation" of this dashboard, "outside" it, or "found" when the VM was first seen. operation: for who
    may see it."""

    number: int
    at: datetime
    through: Literal["operation", "outside", "found"]
    text: str
    operation: int | None
    actor: str
    sha256: str


class VersionDetail(VersionItem):
    """xml: without secrets."""

    xml: str


class NeedItem(BaseModel):
    """A place that differs, as "devices/disk[vda]/source/@file", and the privilege that it takes."""

    place: str
    how: Literal["added", "changed", "removed", "moved", "doubled"]
    privilege: str


class Difference(BaseModel):
    """From the version to the other. diff: unified, of the texts as one serialiser writes both."""

    number: int
    to: int
    diff: str
    differences: list[NeedItem]


class RestoreWish(BaseModel):
    """base: the ETag of GET /vms/{id}/xml?document=next that you saw, without its quotes; where the definition is
    another by now, nothing is overwritten."""

    model_config = ConfigDict(extra="forbid")

    base: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = ""


def need_item(need: Need) -> NeedItem:
    return NeedItem(place=need.place, how=need.how, privilege=need.privilege)


def item(line: history.Line) -> VersionItem:
    version = line.version
    return VersionItem(
        number=version.number,
        at=version.at,
        through="operation" if version.kind else "found" if version.found else "outside",
        text=line.through,
        operation=line.operation,
        actor=line.actor,
        sha256=version.sha256,
    )


def find(vm: VirtualMachine, number: int) -> Version:
    version = history.version_or_none(vm, number)
    if version is None:
        raise Http404
    return version


@router.get("/{int:vm_id}/history", response=answers(200, Listing[VersionItem], 403, 404), summary="Its definitions")
def index(request: HttpRequest, vm_id: int, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[VersionItem]:
    """The latest first; of one VM the latest 200 are kept."""
    who = actor(request)
    rows = history.versions(get_vm_or_404(who, vm_id, to="vm.xml.view"))
    return listing(
        rows, lambda found: [item(line) for line in history.make_lines(who, found)], page, page_size, timezone.now()
    )


@router.get("/{int:vm_id}/history/{int:number}", response=answers(200, VersionDetail, 403, 404), summary="One of them")
def show(request: HttpRequest, vm_id: int, number: int) -> VersionDetail:
    who = actor(request)
    version = find(get_vm_or_404(who, vm_id, to="vm.xml.view"), number)
    [line] = history.make_lines(who, [version])
    return VersionDetail(**item(line).model_dump(), xml=version.xml)


@router.get(
    "/{int:vm_id}/history/{int:number}/diff",
    response=answers(200, Difference, 403, 404),
    summary="How another differs from it",
)
def diff(request: HttpRequest, vm_id: int, number: int, to: Number) -> Difference:
    vm = get_vm_or_404(actor(request), vm_id, to="vm.xml.view")
    one, other = find(vm, number), find(vm, to)
    return Difference(
        number=one.number,
        to=other.number,
        diff=xml.diff_text(one.xml, other.xml),
        differences=[need_item(need) for need in xml.needs_between(one.xml, other.xml)],
    )


@router.post(
    "/{int:vm_id}/history/{int:number}/restore",
    response=answers(202, Started, 400, 403, 404, 409, 412),
    summary="Make it the definition of the next start again",
)
def restore(
    request: HttpRequest, vm_id: int, number: int, response: HttpResponse, body: RestoreWish | None = None,
    key: IdempotencyKey = None,
) -> Status[Started]:  # fmt: skip
    """It needs the rights that a change of what differs needs. Secrets stay those that the VM has now."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to="vm.xml.view")
    base = body.base if body else ""
    return accepted(request, response, xml.give_back(who, vm, find(vm, number), base=base, idempotency_key=key))
