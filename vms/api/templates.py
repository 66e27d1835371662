"""Templates: VMs of which others are made."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import IdempotencyKey, Nothing, Started, accepted
from vms.api.volumes import Named
from vms.kinds.templates import UNTEMPLATE
from vms.models import VirtualMachine
from vms.permissions import get_template_or_404, get_vm_or_404
from vms.services import templates
from vms.services.template_lines import Line, make_lines

router = Router(tags=["templates"])
vms_router = Router(tags=["templates"])


class TemplateDisk(BaseModel):
    """sha256: of the volume's bytes when it was made a template, "" while it is being read."""

    volume: int
    name: str
    capacity_bytes: int
    sha256: str


class TemplateItem(BaseModel):
    """host: "" where you may not see that. ready: its disks have been read. running: somebody started it outside.
    full: whether whole copies are made of it, and not only linked ones. vms, volumes: what needs it, as far as you may
    see; other_users: how many more."""

    id: int
    name: str
    host: str
    system: str
    vcpus: int
    memory_kib: int
    disks: list[TemplateDisk]
    made_at: datetime
    made_by: str
    ready: bool
    published: bool
    running: bool
    full: bool
    vms: list[Named]
    volumes: list[Named]
    other_users: int


class Offer(BaseModel):
    """offered: whether others who may use templates there can make VMs of it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    offered: bool


def item(line: Line) -> TemplateItem:
    return TemplateItem(
        id=line.vm.pk,
        name=line.vm.name,
        host=line.host,
        system=line.system,
        vcpus=line.placement.vcpus,
        memory_kib=line.memory_kib,
        disks=[
            TemplateDisk(
                volume=each.volume_id,
                name=each.volume.name,
                capacity_bytes=each.volume.capacity_bytes,
                sha256=each.sha256,
            )
            for each in line.disks
        ],
        made_at=line.vm.template.made_at,
        made_by=line.vm.template.by_name,
        ready=line.vm.template.ready,
        published=line.vm.template.published,
        running=line.runs,
        full=not line.layered,
        vms=[Named(id=one.pk, name=one.name) for one in line.users.vms],
        volumes=[Named(id=one.pk, name=one.name) for one in line.users.volumes],
        other_users=line.users.other_vms + line.users.other_volumes,
    )


@router.get("", response=answers(200, Listing[TemplateItem]), summary="Those that you may see, by name")
def index(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[TemplateItem]:
    who = actor(request)

    def items(found: list[VirtualMachine]) -> list[TemplateItem]:
        return [item(line) for line in make_lines(found, who)]

    return listing(templates.listed(who), items, page, page_size, timezone.now())


@router.get("/{int:vm_id}", response=answers(200, TemplateItem, 404), summary="One, with what needs it")
def show(request: HttpRequest, vm_id: int) -> TemplateItem:
    who = actor(request)
    [line] = make_lines([get_template_or_404(who, vm_id)], who)
    return item(line)


@router.post(
    "/{int:vm_id}/offer", response=answers(200, TemplateItem, 400, 403, 404), summary="Offer it, or take that back"
)
def offer(request: HttpRequest, vm_id: int, body: Offer) -> TemplateItem:
    who = actor(request)
    templates.publish(who, get_template_or_404(who, vm_id, to=templates.PUBLISH), offered=body.offered)
    return show(request, vm_id)


@router.post("/{int:vm_id}/make-vm", response=answers(202, Started, 400, 403, 404, 409), summary="Make it a VM again")
def make_vm(
    request: HttpRequest, vm_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    """Only where nothing needs it."""
    who = actor(request)
    vm = get_template_or_404(who, vm_id, to=UNTEMPLATE.privileges[0])
    return accepted(request, response, templates.make_vm(who, vm, idempotency_key=key))


@vms_router.post(
    "/{int:vm_id}/template",
    response=answers(202, Started, 400, 403, 404, 409),
    url_name="vm-template",
    summary="Make it a template, while it is off",
)
def make(
    request: HttpRequest, vm_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    """It is kept, off; its disks are read for their digest, and nobody writes to them from then on."""
    who = actor(request)
    return accepted(request, response, templates.make(who, get_vm_or_404(who, vm_id), idempotency_key=key))
