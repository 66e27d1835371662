"""What a VM is made of: changed by PATCH on the VM, and device by device."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api import vms
from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.operations import IdempotencyKey, Started, accepted
from vms.errors import NothingChanges
from vms.kinds.shaping import SHAPE
from vms.libvirtxml.shaping import MACHINE, Part
from vms.permissions import get_vm_or_404, held
from vms.services import detached, moving, protection, shape_words, shaping
from vms.services.shaping import Machine, Wish

router = Router(tags=["vms"])
# One address has one router.
vms_router = vms.router

Apply = Literal["both", "next", "live"]
Key = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
KIB = 1024
# What is called otherwise here: sizes in MiB.
SIZES = {"memory_mib": "memory", "memory_max_mib": "memory_max", "memory_limit_mib": "memory_limit"}
PLACES = {lens.name: place for place, lenses in MACHINE.items() for lens in lenses} | {shaping.AUTOSTART: "overview"}


class VmChanges(BaseModel):
    """What is to be otherwise; what is left out stays. More processors or memory than it has at most raises that too,
    where it uses all of it now. topology: "1x4x1", sockets, cores, threads. boot_order: devices' keys, "vda net0".
    firmware: bios, efi, or secure; machine: a type that its host has. cpu_mode: host-model, host-passthrough,
    maximum, or a model that its host has. os: the id of one of GET /os, "" for unknown. cpu_shares, cpuset,
    memory_limit_mib, hugepages, locked: for who may tune VMs; shared: for who may define them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str | None = None
    description: str | None = None
    os: str | None = None
    autostart: bool | None = None
    cpus: int | None = None
    cpus_max: int | None = None
    topology: str | None = None
    cpu_mode: str | None = None
    cpu_shares: int | None = None
    cpuset: str | None = None
    memory_mib: int | None = None
    memory_max_mib: int | None = None
    memory_limit_mib: int | None = None
    hugepages: bool | None = None
    locked: bool | None = None
    shared: bool | None = None
    boot_order: str | None = None
    boot_menu: str | None = None
    boot_timeout: int | None = None
    firmware: str | None = None
    machine: str | None = None
    on_poweroff: str | None = None
    on_reboot: str | None = None
    on_crash: str | None = None


class VmDeviceItem(BaseModel):
    """key: a disk's target, or its sort with its place ("vda", "net0"). values: of the next start. now: what is
    otherwise in this run; null where it does not run, or has no such device. can_go: whether it can be taken out."""

    key: str
    sort: str
    title: str
    about: dict[str, str]
    values: dict[str, str | int | bool | None]
    now: dict[str, str | int | bool | None] | None
    can_go: bool
    xml: str


class DetachedItem(BaseModel):
    """A disk that it had last, attached to nothing now: attached again by adding a disk with that volume. bus: on which
    it was. ready: whether you may attach it, and can."""

    volume: int
    name: str
    bus: str
    ready: bool


class Devices(BaseModel):
    """addable: the sorts that can be added. mark: send it as seen, and what was changed meanwhile is refused.
    detached: those that you may see."""

    items: list[VmDeviceItem]
    detached: list[DetachedItem]
    addable: list[str]
    mark: str


class NewDevice(BaseModel):
    """sort: one of addable. Of a disk: volume, the id of one that is there, or pool and size_gib of one that is made;
    bus. Of a card: network, its id; model. Of a hostdev or folder: offer, its id; of USB by (product, address) and
    policy (optional, mandatory, requisite) where it is not plugged in."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sort: str
    volume: int | None = None
    pool: int | None = None
    size_gib: int | None = None
    bus: str | None = None
    offer: int | None = None
    by: str | None = None
    policy: str | None = None
    network: int | None = None
    model: str | None = None


class DeviceChanges(BaseModel):
    """values: by the names that the device has. A medium is an image's id, "" for none; a network is its id."""

    model_config = ConfigDict(extra="forbid", strict=True)

    values: dict[str, str | int | bool | None]


class ShapedItem(BaseModel):
    """One change. part: the device's key, or "overview", "cpu", "memory", "boot"; of one that is added its name, where
    that has one. what: of what, or "added". when: now, restart (from the next start on), or both. text: in words."""

    part: str
    what: str
    when: Literal["now", "restart", "both"]
    text: str


class ShapePreview(BaseModel):
    """What would change; empty for nothing. diff: unified, of the next start's definition. privileges: all that it
    takes; missing: those of them that you do not hold."""

    changes: list[ShapedItem]
    diff: str
    privileges: list[str]
    missing: list[str]


class Move(BaseModel):
    """pool: the id of one of the same host."""

    model_config = ConfigDict(extra="forbid", strict=True)

    pool: int


class Protection(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    protected: bool


Chosen = Annotated[Apply, Query()]
Seen = Annotated[str, Query(max_length=64)]


@vms_router.patch(
    "/{int:vm_id}", response=answers(202, Started, 400, 403, 404, 409), url_name="vm-shape", summary="Change it"
)
def change(
    request: HttpRequest,
    vm_id: int,
    body: VmChanges,
    response: HttpResponse,
    apply: Chosen = "both",
    seen: Seen = "",
    key: IdempotencyKey = None,
) -> Status[Started]:
    """apply: both, the next start and, as far as that is possible, this run; next; or live, this run alone, with 409
    where only a new start brings it."""
    return ask(request, vm_id, response, Wish(sets=sets_of(body), apply=apply, seen=seen), key)


@router.put("/{int:vm_id}/protection", response=answers(204, None, 400, 403, 404), summary="Protect it, or lift that")
def protect(request: HttpRequest, vm_id: int, body: Protection) -> Status[None]:
    """Protected, it is neither deleted nor forced off."""
    who = actor(request)
    protection.protect(who, get_vm_or_404(who, vm_id, to=protection.PRIVILEGE), protected=body.protected)
    return Status(204, None)


@router.get("/{int:vm_id}/devices", response=answers(200, Devices, 403, 404, 409), summary="Its devices")
def index(request: HttpRequest, vm_id: int) -> Devices:
    there = machine(request, vm_id)
    return Devices(
        items=[item(there, part) for part in there.parts if part.sort not in MACHINE],
        detached=[
            DetachedItem(volume=one.volume.pk, name=one.volume.name, bus=one.bus, ready=one.ready)
            for one in detached.detached(actor(request), there)
        ],
        addable=shaping.addable(there),
        mark=there.mark,
    )


@router.post("/{int:vm_id}/devices", response=answers(202, Started, 400, 403, 404, 409), summary="Add a device")
def add(
    request: HttpRequest,
    vm_id: int,
    body: NewDevice,
    response: HttpResponse,
    apply: Chosen = "both",
    key: IdempotencyKey = None,
) -> Status[Started]:
    return ask(request, vm_id, response, Wish(add=body.sort, said=said_of(body), apply=apply), key)


# Before the devices' own addresses, which would take the word for one.
@router.post(
    "/{int:vm_id}/devices/preview",
    response=answers(200, ShapePreview, 400, 403, 404, 409),
    summary="What adding a device would change",
)
def preview_added(request: HttpRequest, vm_id: int, body: NewDevice, apply: Chosen = "both") -> ShapePreview:
    return told(request, vm_id, Wish(add=body.sort, said=said_of(body), apply=apply))


@router.get("/{int:vm_id}/devices/{device}", response=answers(200, VmDeviceItem, 403, 404, 409), summary="One device")
def show(request: HttpRequest, vm_id: int, device: Key) -> VmDeviceItem:
    there = machine(request, vm_id)
    return item(there, shaping.device_or_404(there, device))


@router.patch(
    "/{int:vm_id}/devices/{device}", response=answers(202, Started, 400, 403, 404, 409), summary="Change a device"
)
def change_device(
    request: HttpRequest,
    vm_id: int,
    device: Key,
    body: DeviceChanges,
    response: HttpResponse,
    apply: Chosen = "both",
    seen: Seen = "",
    key: IdempotencyKey = None,
) -> Status[Started]:
    there = machine(request, vm_id)
    part = shaping.device_or_404(there, device)
    return ask(request, vm_id, response, Wish(sets={part.key: body.values}, apply=apply, seen=seen), key)


@router.post(
    "/{int:vm_id}/devices/{device}/move",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Move a disk to another pool",
)
def move(
    request: HttpRequest, vm_id: int, device: Key, body: Move, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:  # fmt: skip
    """While its VM runs, that goes on. The old volume stays, attached to nothing."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=SHAPE.privileges[0])
    part = shaping.device_or_404(shaping.machine(vm), device)
    return accepted(request, response, moving.ask(who, vm, part.key, body.pool, idempotency_key=key))


@router.delete(
    "/{int:vm_id}/devices/{device}", response=answers(202, Started, 400, 403, 404, 409), summary="Take a device out"
)
def remove(
    request: HttpRequest,
    vm_id: int,
    device: Key,
    response: HttpResponse,
    apply: Chosen = "both",
    seen: Seen = "",
    key: IdempotencyKey = None,
) -> Status[Started]:
    """A disk's volume stays."""
    there = machine(request, vm_id)
    part = shaping.device_or_404(there, device)
    return ask(request, vm_id, response, Wish(remove=part.key, apply=apply, seen=seen), key)


@vms_router.post(
    "/{int:vm_id}/preview", response=answers(200, ShapePreview, 400, 403, 404, 409), summary="What a PATCH would change"
)
def preview(
    request: HttpRequest, vm_id: int, body: VmChanges, apply: Chosen = "both", seen: Seen = ""
) -> ShapePreview:  # fmt: skip
    """By the definitions that were last seen: no host is asked."""
    return told(request, vm_id, Wish(sets=sets_of(body), apply=apply, seen=seen))


@router.post(
    "/{int:vm_id}/devices/{device}/preview",
    response=answers(200, ShapePreview, 400, 403, 404, 409),
    summary="What changing a device would change",
)
def preview_device(
    request: HttpRequest, vm_id: int, device: Key, body: DeviceChanges, apply: Chosen = "both", seen: Seen = ""
) -> ShapePreview:  # fmt: skip
    part = shaping.device_or_404(machine(request, vm_id), device)
    return told(request, vm_id, Wish(sets={part.key: body.values}, apply=apply, seen=seen))


def told(request: HttpRequest, vm_id: int, wish: Wish) -> ShapePreview:
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=SHAPE.privileges[0])
    try:
        made = shaping.draft(who, vm, wish)
    except NothingChanges:
        return ShapePreview(changes=[], diff="", privileges=[], missing=[])
    runs = shaping.machine(vm).live is not None
    return ShapePreview(
        changes=[
            ShapedItem(
                part=change.part,
                what=change.what,
                when=change.when,
                text=shape_words.change_word(change, runs=runs),
            )
            for change in made.changes
        ],
        diff="".join(f"{'@@' if sign == '…' else sign}{line}\n" for sign, line in made.diff),
        privileges=list(made.needs),
        missing=sorted(set(made.needs) - held(who, vm)),
    )


def sets_of(body: VmChanges) -> dict[str, dict[str, Any]]:
    sets: dict[str, dict[str, Any]] = {}
    for name, value in body.model_dump(exclude_unset=True, exclude_none=True).items():
        lens = SIZES.get(name, name)
        sets.setdefault(PLACES[lens], {})[lens] = value * KIB if name in SIZES else value
    return sets


def said_of(body: NewDevice) -> dict[str, Any]:
    return body.model_dump(exclude={"sort"}, exclude_none=True)


def ask(
    request: HttpRequest, vm_id: int, response: HttpResponse, wish: Wish, key: str | None
) -> Status[Started]:  # fmt: skip
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=SHAPE.privileges[0])
    return accepted(request, response, shaping.ask(who, vm, wish, idempotency_key=key))


def machine(request: HttpRequest, vm_id: int) -> Machine:
    return shaping.machine(get_vm_or_404(actor(request), vm_id, to=SHAPE.privileges[0]))


def item(there: Machine, part: Part) -> VmDeviceItem:
    return VmDeviceItem(
        key=part.key,
        sort=part.sort,
        title=shape_words.part_word(part),
        about=part.about,
        values=part.values,
        now=None if there.live is None or there.is_new(part) else there.now(part),
        can_go=part.can_go,
        xml=part.text,
    )
