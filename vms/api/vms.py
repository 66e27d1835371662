"""Virtual machines, and one address for each thing that can be done with them."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status
from ninja.params.functions import Body as in_body
from pydantic import BaseModel, ConfigDict, create_model

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.hosts import fresh_at
from vms.api.lists import Id, Listing, PageNumber, PageSize, listing
from vms.api.operations import IdempotencyKey, Started, start
from vms.kinds import KINDS, Kind
from vms.models import Document, Host, VirtualMachine
from vms.permissions import Actor, get_vm_or_404, held, is_administrator, seen_hosts, visible_hosts, visible_vms
from vms.services import installing, reaching, systems
from vms.services.freshness import freshness, placed
from vms.services.lists import find_vms
from vms.services.twins import find_twins

router = Router(tags=["vms"])

# The choices of vms.services.lists; a test holds them together.
StateChoice = Literal[
    "running", "paused", "shutting_down", "shut_off", "crashed", "pmsuspended", "saved", "unknown", "gone"
]
SortChoice = Literal[
    "name", "-name", "state", "-state", "host", "-host",
    "memory", "-memory", "vcpus", "-vcpus", "since", "-since",
]  # fmt: skip


class HostName(BaseModel):
    id: int
    name: str


class VmItem(BaseModel):
    """What was last seen of it, at seen_at; present is false when its host no longer lists it. host is null for who may
    not see that."""

    id: int
    uuid: str
    name: str
    title: str
    host: HostName | None
    state: str
    state_reason: str
    state_since: datetime | None
    vcpus: int
    memory_mib: int
    addresses: list[str]
    tags: list[str]
    graphics: list[str]
    serials: list[str]
    autostart: bool
    persistent: bool
    present: bool
    gone_at: datetime | None
    host_answering: bool
    seen_at: datetime | None


class Exposed(BaseModel):
    """A screen of the running VM that others than the dashboard reach: over the network, or without a password."""

    type: Literal["vnc", "spice"]
    how: list[Literal["network", "no_password"]]


class Twin(BaseModel):
    """What another host says of the same UUID: of another VM, or of this one; it runs on one of them at a time."""

    vm: int
    name: str
    host: HostName | None
    state: str


class Cd(BaseModel):
    """A CD drive. medium: what is in it, null for nothing, and for who may not read the VM's definition. installed: the
    VM was made to install from it and has started anew since, so that it may go."""

    drive: str
    medium: str | None
    installed: bool


class VmDetail(VmItem):
    """os: what its definition says is on its disks, as GET /os has it, or libosinfo's address of one that is not there;
    "" for unknown."""

    description: str
    os: str
    cds: list[Cd]
    twins: list[Twin]
    exposed: list[Exposed]
    has_managed_save: bool


def named(host: Host, seen: frozenset[int]) -> HostName | None:
    """The host, for who may see it."""
    return HostName(id=host.pk, name=host.name) if host.pk in seen else None


def item(vm: VirtualMachine, seen: frozenset[int]) -> VmItem:
    """seen: the hosts that the reader may see."""
    placement = placed(vm)
    host = placement.host
    return VmItem(
        id=vm.pk,
        uuid=str(placement.uuid),
        name=vm.name,
        title=placement.title,
        host=named(host, seen),
        state=placement.state,
        state_reason=placement.state_reason,
        state_since=placement.state_since,
        vcpus=placement.vcpus,
        memory_mib=placement.memory_kib // 1024,
        addresses=placement.addresses,
        tags=sorted(tag.name for tag in vm.tags.all()),
        graphics=placement.graphics,
        serials=placement.serials,
        autostart=placement.autostart,
        persistent=placement.persistent,
        present=placement.present,
        gone_at=placement.gone_at,
        host_answering=freshness(host) == "live",
        seen_at=host.heard_at,
    )


@router.get("", response=answers(200, Listing[VmItem]), summary="Those that you may see")
def index(
    request: HttpRequest,
    q: Annotated[str, Query(max_length=300)] = "",
    state: StateChoice | None = None,
    host: Id | None = None,
    tag: Annotated[str, Query(max_length=50)] = "",
    sort: SortChoice = "name",
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Listing[VmItem]:
    """q: words that must all stand in name, title, description, UUID, address, MAC or a tag.

    tag: one that they have, as it is written."""
    who = actor(request)
    rows = find_vms(who, q=q, state=state or "", host=host, tag=tag, sort=sort).prefetch_related("tags")
    hosts = visible_hosts(who)
    if not is_administrator(who, "vm.view", "host.view"):
        hosts = Host.objects.filter(pk__in=visible_vms(who).order_by().values("placement__host"))

    def items(vms: list[VirtualMachine]) -> list[VmItem]:
        seen = seen_hosts(who, [placed(vm).host for vm in vms])
        return [item(vm, seen) for vm in vms]

    return listing(rows, items, page, page_size, fresh_at(hosts.filter(pk=host) if host else hosts))


@router.get("/{int:vm_id}", response=answers(200, VmDetail, 404), summary="One")
def show(request: HttpRequest, vm_id: int) -> VmDetail:
    vm = get_vm_or_404(actor(request), vm_id)
    placement = placed(vm)
    seen = seen_hosts(actor(request), [placement.host])
    twins = find_twins(actor(request), [vm]).get(vm.pk, [])
    others = seen_hosts(actor(request), [twin.host for twin in twins])
    document = Document.objects.filter(placement=placement).only("facts", "next_boot").first()
    return VmDetail(
        **item(vm, seen).model_dump(),
        description=placement.description,
        os=systems.told(document.next_boot) if document else "",
        twins=[Twin(vm=twin.vm_id, name=twin.name, host=named(twin.host, others), state=twin.state) for twin in twins],
        has_managed_save=placement.has_managed_save,
        cds=cds(actor(request), vm, document),
        exposed=[
            Exposed.model_validate({"type": screen.type, "how": screen.how})
            for screen in reaching.exposed(placement, document)
        ],
    )


def cds(who: Actor, vm: VirtualMachine, document: Document | None) -> list[Cd]:
    waits, may_read = installing.waits_for_ejection(vm), "vm.xml.view" in held(who, vm)
    return [
        Cd(
            drive=drive["target"],
            medium=drive["source"] or None if may_read else None,
            installed=waits is not None and drive["target"] == waits.drive,
        )
        for drive in installing.drives(document)
    ]


@router.post("/{int:vm_id}/keep-cd", response=answers(204, None, 403, 404), summary="Leave the CD in")
def keep_cd(request: HttpRequest, vm_id: int) -> Status[None]:
    """That it was installed from: nobody is asked any more whether it is to be ejected."""
    installing.keep(actor(request), get_vm_or_404(actor(request), vm_id))
    return Status(204, None)


def wish(kind: Kind) -> type[BaseModel]:
    """The body of a request for the kind: its parameters, and whether it waits for a silent host (an hour at most)."""
    types = {"str": str, "int": int, "bool": bool}
    named: dict[str, Any] = {field.name: (types[str(field.type)], ...) for field in fields(kind.params)}
    named["when_silent"] = (Literal["refuse", "wait"], "refuse")
    return create_model(f"{kind.params.__name__}Wish", __config__=ConfigDict(extra="forbid", strict=True), **named)


def add_verb(kind: Kind) -> None:
    """POST /vms/{id}/<verb> asks for the kind; a body is needed where the kind has parameters."""

    def ask(
        request: HttpRequest, vm_id: int, response: HttpResponse, body: Any, key: IdempotencyKey = None
    ) -> Status[Started]:
        wishes = body.model_dump() if body else {}
        wait = wishes.pop("when_silent", "refuse") == "wait"
        vm = get_vm_or_404(actor(request), vm_id)
        return start(request, response, kind, vm, key, kind.params.from_json(wishes), wait=wait)

    needed = bool(fields(kind.params))
    body: Any = wish(kind) if needed else wish(kind) | None
    ask.__annotations__["body"] = Annotated[body, in_body()]
    if not needed:
        ask.__defaults__ = (None, None)
    router.post(
        f"/{{int:vm_id}}/{kind.verb}",
        response=answers(202, Started, 400, 403, 404, 409),
        summary=kind.title,
        url_name=f"vm-{kind.verb}",
        operation_id=kind.name,
    )(ask)


for each in KINDS.values():
    if each.target == "vm" and not each.apart:
        add_verb(each)
