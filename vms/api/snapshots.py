"""A VM's snapshots: the tree, what can be done with it here and why not, and doing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Literal

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Path, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.operations import IdempotencyKey, Nothing, Started, accepted
from vms.api.wall import PICTURE
from vms.kinds import snapshots as kinds
from vms.models import Snapshot, VirtualMachine
from vms.permissions import Actor, get_vm_or_404, held
from vms.services import snapshots
from vms.services.freshness import placed
from vms.services.snapshot_rules import Answer, Choice, Reason
from vms.services.snapshot_words import reason_words
from vms.services.snapshots import Branch

router = Router(tags=["vms"])

# What libvirt calls one may be longer than what is made here.
Called = Annotated[str, Path(max_length=255)]
Name = Annotated[str, Field(max_length=255)]
Description = Annotated[str, Field(max_length=kinds.LONGEST_DESCRIPTION)]


class SnapshotDiskItem(BaseModel):
    """how: internal, external, or no where its state was not kept. source: what it was on, layer: what was put over
    that; both "" where you may not read definitions, or for nothing."""

    target: str
    how: str
    source: str
    layer: str


class SnapshotItem(BaseModel):
    """kind: internal (inside its disks), external (layers over them), mixed, or "". state: the VM's then, "disks" where
    it ran and only its disks were kept. parent: where it came from, "" for none. current: the VM stands here. taken_at:
    by its host's clock. memory_bytes: as much as its memory may take. screen: GET .../screen shows what stood there."""

    name: str
    description: str
    kind: str
    has_memory: bool
    memory_bytes: int
    state: str
    parent: str
    current: bool
    taken_at: datetime | None
    screen: bool
    disks: list[SnapshotDiskItem]


class SnapshotBranch(SnapshotItem):
    """With those that came from it, the oldest first."""

    children: list[SnapshotBranch]


class SnapshotTree(BaseModel):
    """current: the name of the one that the VM came from last, "" for none."""

    items: list[SnapshotBranch]
    current: str


class SnapshotReason(BaseModel):
    code: str
    params: dict[str, str]
    text: str


class SnapshotAnswer(BaseModel):
    """reasons: why not. warnings: what should be known before."""

    possible: bool
    reasons: list[SnapshotReason]
    warnings: list[SnapshotReason]


class SnapshotChoice(SnapshotAnswer):
    """kind: what a snapshot would be, and why of that kind."""

    kind: Literal["internal", "external"]
    memory: bool
    why: SnapshotReason


class SnapshotDeeds(BaseModel):
    """Of one snapshot. branch: deleting it with all that came from it."""

    name: str
    revert: SnapshotAnswer
    delete: SnapshotAnswer
    branch: SnapshotAnswer
    rename: SnapshotAnswer


class SnapshotRoom(BaseModel):
    """What keeping the present state first needs at once, what it may grow to, and what is free."""

    needs_bytes: int
    at_most_bytes: int
    free_bytes: int
    enough: bool


class SnapshotsPossible(BaseModel):
    """plain, memory: a snapshot without and with the memory of the run, of the kind that fits; internal, external: of
    that kind. keep: one of the present state before going back. memory_seconds: a guess. orphans: volumes over its own
    that nothing uses."""

    plain: SnapshotChoice
    memory: SnapshotChoice
    internal: SnapshotAnswer
    external: SnapshotAnswer
    keep: SnapshotChoice
    flatten: SnapshotAnswer
    snapshots: list[SnapshotDeeds]
    warnings: list[SnapshotReason]
    memory_bytes: int
    memory_seconds: int
    room: SnapshotRoom
    agent: bool
    orphans: list[int]


class SnapshotWish(BaseModel):
    """kind: "" for what fits. quiesce: the guest's agent holds its file systems still; with memory needless."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    description: Description = ""
    memory: bool = False
    quiesce: bool = False
    kind: Literal["", "internal", "external"] = ""


class RevertWish(BaseModel):
    """keep: what a snapshot of the present state is to be called that is taken first, "" for none."""

    model_config = ConfigDict(extra="forbid", strict=True)

    keep: Name = ""


class SnapshotChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name | None = None
    description: Description | None = None


def fields(row: Snapshot, *, screen: bool, reads: bool) -> SnapshotItem:
    return SnapshotItem(
        name=row.name,
        description=row.description,
        kind=row.kind,
        has_memory=row.has_memory,
        memory_bytes=row.memory_bytes,
        state=row.state,
        parent=row.parent_name,
        current=row.is_current,
        taken_at=row.taken_at,
        screen=screen,
        disks=[
            SnapshotDiskItem(
                target=disk["target"],
                how=disk["how"],
                source=place(disk["source"]) if reads else "",
                layer=place(disk["layer"]) if reads else "",
            )
            for disk in row.disks
        ],
    )


def place(source: list[str]) -> str:
    return source[1] if len(source) > 1 else ""


def branch(node: Branch, *, reads: bool) -> SnapshotBranch:
    item = fields(node.snapshot, screen=node.has_picture, reads=reads)
    return SnapshotBranch(**dict(item), children=[branch(child, reads=reads) for child in node.children])


def reads(who: Actor, vm: VirtualMachine) -> bool:
    return "vm.xml.view" in held(who, vm)


def reason(of: Reason) -> SnapshotReason:
    return SnapshotReason(code=of.code, params=of.params, text=reason_words(of.code, of.params))


def reasons(found: Iterable[Reason]) -> list[SnapshotReason]:
    return [reason(one) for one in found]


def answer(of: Answer) -> SnapshotAnswer:
    return SnapshotAnswer(possible=of.possible, reasons=reasons(of.refusals), warnings=reasons(of.warnings))


def choice(of: Choice) -> SnapshotChoice:
    return SnapshotChoice(**dict(answer(of)), kind=of.kind, memory=of.memory, why=reason(of.why))


@router.get("/{int:vm_id}/snapshots", response=answers(200, SnapshotTree, 403, 404), summary="Its snapshots, as a tree")
def index(request: HttpRequest, vm_id: int) -> SnapshotTree:
    who = actor(request)
    vm = get_vm_or_404(who, vm_id)
    roots, may = snapshots.tree(vm), reads(who, vm)
    current = Snapshot.objects.filter(placement=placed(vm), is_current=True).values_list("name", flat=True).first()
    return SnapshotTree(items=[branch(root, reads=may) for root in roots], current=current or "")


@router.post(
    "/{int:vm_id}/snapshots", response=answers(202, Started, 400, 403, 404, 409), summary="Take a snapshot",
    url_name="vm-snapshots",
)  # fmt: skip
def take(
    request: HttpRequest, vm_id: int, body: SnapshotWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=kinds.SNAPSHOT.privileges[0])
    asked = snapshots.take(
        who, vm, name=body.name, description=body.description, memory=body.memory, quiesce=body.quiesce,
        kind=body.kind, idempotency_key=key,
    )  # fmt: skip
    return accepted(request, response, asked)


# Before the snapshots' own addresses; none is called so here.
@router.get(
    "/{int:vm_id}/snapshots/possible",
    response=answers(200, SnapshotsPossible, 403, 404),
    summary="What can be done with its snapshots on this host, and why not",
)
def show_possible(request: HttpRequest, vm_id: int) -> SnapshotsPossible:
    """From what was last seen of it: nothing is asked of its host."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=kinds.SNAPSHOT.privileges[0])
    found = snapshots.possible(vm, who)
    return SnapshotsPossible(
        plain=choice(found.plain),
        memory=choice(found.with_memory),
        internal=answer(found.internal),
        external=answer(found.external),
        keep=choice(found.keep),
        flatten=answer(found.flatten),
        snapshots=deeds(found.revert, found.delete, found.branch, found.rename),
        warnings=reasons(found.warnings),
        memory_bytes=found.memory_bytes,
        memory_seconds=found.memory_seconds,
        room=SnapshotRoom(
            needs_bytes=found.room.needs_bytes,
            at_most_bytes=found.room.at_most_bytes,
            free_bytes=found.room.free_bytes,
            enough=found.room.enough,
        ),
        agent=found.agent,
        orphans=[row.pk for row in found.orphans],
    )


def deeds(
    revert: Mapping[str, Answer],
    delete: Mapping[str, Answer],
    whole: Mapping[str, Answer],
    rename: Mapping[str, Answer],
) -> list[SnapshotDeeds]:
    return [
        SnapshotDeeds(
            name=name,
            revert=answer(revert[name]),
            delete=answer(delete[name]),
            branch=answer(whole[name]),
            rename=answer(rename[name]),
        )
        for name in revert
    ]


@router.get("/{int:vm_id}/snapshots/{name}", response=answers(200, SnapshotItem, 403, 404), summary="One snapshot")
def show(request: HttpRequest, vm_id: int, name: Called) -> SnapshotItem:
    who = actor(request)
    vm = get_vm_or_404(who, vm_id)
    row = snapshots.get_or_404(vm, name)
    return fields(row, screen=snapshots.picture(vm, row) is not None, reads=reads(who, vm))


@router.get(
    "/{int:vm_id}/snapshots/{name}/screen",
    response=answers(200, None, 403, 404),
    summary="What stood on its screen when it was taken",
    openapi_extra={"responses": {200: {"description": "A PNG of at most 720 x 480 points", "content": PICTURE}}},
)
def screen(request: HttpRequest, vm_id: int, name: Called) -> HttpResponse:
    vm = get_vm_or_404(actor(request), vm_id, to="vm.screen")
    found = snapshots.picture(vm, snapshots.get_or_404(vm, name))
    if found is None:
        raise Http404
    return HttpResponse(found, content_type="image/png")


@router.patch(
    "/{int:vm_id}/snapshots/{name}",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Call it or describe it otherwise",
)
def change(
    request: HttpRequest, vm_id: int, name: Called, body: SnapshotChange, response: HttpResponse,
    key: IdempotencyKey = None,
) -> Status[Started]:  # fmt: skip
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=kinds.RENAME.privileges[0])
    asked = snapshots.rename(who, vm, name, to=body.name, description=body.description, idempotency_key=key)
    return accepted(request, response, asked)


@router.delete(
    "/{int:vm_id}/snapshots/{name}",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Delete it, or all that came from it too",
)
def delete(
    request: HttpRequest, vm_id: int, name: Called, response: HttpResponse, children: bool = False,
    key: IdempotencyKey = None,
) -> Status[Started]:  # fmt: skip
    """Layers are merged into what they lie over, so that nothing of the present state is lost."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=kinds.DELETE.privileges[0])
    return accepted(request, response, snapshots.delete(who, vm, name, children=children, idempotency_key=key))


@router.post(
    "/{int:vm_id}/snapshots/{name}/revert",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Go back to it",
)
def revert(
    request: HttpRequest, vm_id: int, name: Called, body: RevertWish, response: HttpResponse,
    key: IdempotencyKey = None,
) -> Status[Started]:  # fmt: skip
    """With the definition of then: what that brings back needs the rights that a change to it would need."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=kinds.REVERT.privileges[0])
    return accepted(request, response, snapshots.revert(who, vm, name, keep=body.keep, idempotency_key=key))


@router.post(
    "/{int:vm_id}/flatten",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Write what lies under its disks into them",
    url_name="vm-flatten",
)
def flatten(
    request: HttpRequest, vm_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    """While it runs: afterwards its disks are layers over nothing."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=kinds.FLATTEN.privileges[0])
    return accepted(request, response, snapshots.flatten(who, vm, idempotency_key=key))
