"""A VM's snapshots: what is there, what can be done, and the operations that do it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import Http404

from vms.errors import BadFields, SnapshotRefused
from vms.kinds import snapshots as kinds
from vms.libvirtxml import BadXML, DomainXML, Given, Need, comes_back
from vms.models import Document, Operation, Snapshot, SnapshotPicture, VirtualMachine, Volume
from vms.permissions import Actor, Who, readable_copies, require, require_all, visible_volumes
from vms.services import agent, belongings, definitions, layers, operations, shaping, volumes
from vms.services import snapshot_rules as rules
from vms.services.freshness import placed
from vms.services.snapshot_facts import Place, There, look, places_of
from vms.services.snapshot_rules import Answer, Choice, Reason

# What a host writes of a run's memory in a second, for the guess that people are told.
MEMORY_BYTES_A_SECOND: Final = 200 << 20
# Beside what is kept itself.
SPARE_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class Room:
    """What keeping the present state takes at once, and what it may take in the end; what is free in the pool of its
    disks that has the least."""

    needs_bytes: int
    at_most_bytes: int
    free_bytes: int

    @property
    def enough(self) -> bool:
        return self.needs_bytes <= self.free_bytes


@dataclass(frozen=True)
class Possible:
    """What can be done here, before anybody asks for it. plain: a snapshot without memory; with_memory: with that of
    the run. internal, external: each kind where it is asked for by name. keep: what a snapshot of the present state
    would be, before going back. revert, delete, branch (with what came from it), rename: by snapshots' names. warnings:
    of what is there. orphans: volumes that lie over its own and are in use by nothing."""

    plain: Choice
    with_memory: Choice
    internal: Answer
    external: Answer
    keep: Choice
    flatten: Answer
    revert: Mapping[str, Answer]
    delete: Mapping[str, Answer]
    branch: Mapping[str, Answer]
    rename: Mapping[str, Answer]
    warnings: tuple[Reason, ...]
    memory_bytes: int
    memory_seconds: int
    room: Room
    agent: bool
    orphans: tuple[Volume, ...] = ()


@dataclass(frozen=True)
class Branch:
    """A snapshot with what came from it, the oldest first. has_picture: its screen was kept."""

    snapshot: Snapshot
    has_picture: bool
    children: list[Branch] = field(default_factory=list)


def possible(vm: VirtualMachine, who: Who | None = None, *, there: There | None = None) -> Possible:
    """who: whose eyes the orphans are for; without one none are looked for. there: what is known of it, where somebody
    has looked already."""
    there = there or look(vm)
    machine = there.machine
    names = [one.name for one in machine.snapshots]
    keep = kept_first(machine)
    return Possible(
        plain=rules.choose(machine, memory=False),
        with_memory=rules.choose(machine, memory=True),
        internal=rules.internal(machine, memory=machine.runs),
        external=rules.external(machine, memory=False),
        keep=keep,
        flatten=rules.flatten(machine),
        revert={name: rules.revert(machine, name) for name in names},
        delete={name: rules.delete(machine, name) for name in names},
        branch={name: rules.delete(machine, name, children=True) for name in names},
        rename={name: rules.rename(machine, name) for name in names},
        warnings=rules.warnings(machine),
        memory_bytes=there.memory_bytes if machine.runs else 0,
        memory_seconds=-(-there.memory_bytes // MEMORY_BYTES_A_SECOND) if machine.runs else 0,
        room=room(there, memory=keep.memory),
        agent=has_agent(there),
        orphans=tuple(orphans(who, there)) if who else (),
    )


def kept_first(machine: rules.Machine) -> Choice:
    """What a snapshot of the present state is, before going back: with the memory of the run where that can be."""
    whole = rules.choose(machine, memory=machine.runs)
    return whole if whole.possible or not machine.runs else rules.choose(machine, memory=False)


def room(there: There, *, memory: bool) -> Room:
    pools = {pool.pk: pool for row in there.volumes if (pool := there.pool_of(row))}
    needs = SPARE_BYTES + (there.memory_bytes if memory else 0)
    return Room(
        needs_bytes=needs,
        at_most_bytes=needs + sum(row.allocation_bytes for row in there.volumes),
        free_bytes=min((pool.available_bytes for pool in pools.values()), default=0),
    )


def stand_in_the_way(vm: VirtualMachine) -> bool:
    """Whether it has, as far as is known, what its disks and its name have to stay for."""
    kept = Document.objects.filter(placement=placed(vm)).values_list("kept", flat=True).first() or {}
    return rules.stand_in_the_way(kept.get("snapshots", []), kept.get("checkpoints", []))


def has_agent(there: There) -> bool:
    return there.runs and agent.channel(there.document, runs=True) == "connected"


def orphans(who: Who, there: There) -> Iterable[Volume]:
    """Layers over what the VM has, which nothing uses and he may see: left by what ended half way."""
    over = visible_volumes(who).filter(backing__in=[row.pk for row in there.known.values()], vms=None, present=True)
    return over.filter(image_copy=None).order_by("name") if there.known else ()


def listed(vm: VirtualMachine) -> list[Snapshot]:
    """The oldest first."""
    return list(Snapshot.objects.filter(placement=placed(vm)).order_by("taken_at", "pk"))


def tree(vm: VirtualMachine) -> list[Branch]:
    """Those that came from none, with what came from them; one whose parent is not there stands among them."""
    rows = listed(vm)
    pictures = set(SnapshotPicture.objects.filter(vm=vm).values_list("name", "taken_at"))
    nodes = {row.name: Branch(row, (row.name, row.taken_at) in pictures) for row in rows}
    roots = []
    for row in rows:
        parent = nodes.get(row.parent_name)
        if parent and not comes_from(nodes, row.parent_name, row.name):
            parent.children.append(nodes[row.name])
        else:
            roots.append(nodes[row.name])
    return roots


def comes_from(nodes: Mapping[str, Branch], name: str, ancestor: str) -> bool:
    """Whether it comes from the ancestor; a host that tells a ring is believed as far as that."""
    seen: set[str] = set()
    while name in nodes and name not in seen:
        if name == ancestor:
            return True
        seen.add(name)
        name = nodes[name].snapshot.parent_name
    return False


def get_or_404(vm: VirtualMachine, name: str) -> Snapshot:
    found = Snapshot.objects.filter(placement=placed(vm), name=name).first()
    if found is None:
        raise Http404
    return found


def picture(vm: VirtualMachine, snapshot: Snapshot) -> bytes | None:
    """What stood on its screen then, as PNG, for who holds vm.screen; None where that was not kept."""
    if snapshot.taken_at is None:
        return None
    rows = SnapshotPicture.objects.filter(vm=vm, name=snapshot.name, taken_at=snapshot.taken_at)
    found = rows.values_list("png", flat=True).first()
    return bytes(found) if found else None


def take(
    actor: Actor, vm: VirtualMachine, *, name: str, description: str = "", memory: bool = False, quiesce: bool = False,
    kind: str = "", idempotency_key: str | None = None, parent: Operation | None = None, wait: bool = False,
) -> Operation:  # fmt: skip
    """The operation that takes one. memory: with that of the run. quiesce: the guest's agent is to hold its file
    systems still; what is with memory needs none of that. kind: "" for what fits. Raises NotAllowed, BadFields,
    SnapshotRefused, and what request raises."""
    require(actor, kinds.SNAPSHOT.privileges[0], vm)
    if known := operations.asked_with(actor, kinds.SNAPSHOT, vm.pk, idempotency_key, name=name, memory=memory):
        return known
    there = look(vm)
    check_new_name(there, name)
    check_description(description)
    if kind not in kinds.KINDS_OF_SNAPSHOTS:
        raise BadFields({"kind": "choice"})
    choice = rules.choose(there.machine, memory=memory, kind=kind)
    refuse(vm, choice)
    quiesce = quiesce and choice.kind == "external"
    if quiesce and not there.runs:
        refuse(vm, Answer((Reason("quiesce_off"),)))
    if quiesce and not has_agent(there):
        refuse(vm, Answer((Reason("no_agent"),)))
    names, locks = layers_for(there, choice)
    params = kinds.TakeSnapshot(name, description, memory, quiesce, choice.kind, names)
    return operations.request(
        kinds.SNAPSHOT, vm, actor=actor, params=params, idempotency_key=idempotency_key, parent=parent, wait=wait,
        takes=taken(there, choice), charged_to=charged(actor, vm), locks=[*held_by(there), *locks],
    )  # fmt: skip


def revert(
    actor: Actor, vm: VirtualMachine, name: str, *, keep: str = "", idempotency_key: str | None = None,
    parent: Operation | None = None,
) -> Operation:  # fmt: skip
    """The operation that goes back to one. keep: what the snapshot of the present state is called that is taken first,
    "" for none. Raises NotAllowed also for what the difference of the definitions needs, BadFields ("keep"),
    SnapshotRefused, Http404, and what request raises."""
    require(actor, kinds.REVERT.privileges[0], vm)
    if known := operations.asked_with(actor, kinds.REVERT, vm.pk, idempotency_key, name=name, keep=keep):
        return known
    snapshot, there = get_or_404(vm, name), look(vm)
    refuse(vm, rules.revert(there.machine, name))
    layers.refuse_writing(actor, vm)
    try:
        needs = privileges(needs_of(actor, there, snapshot))
    except BadXML:
        raise SnapshotRefused(name=vm.name, because="no_definition") from None
    require_all(actor, needs, vm)
    choice, names, locks = Choice(), dict[str, Any](), list[str]()
    if keep:
        check_new_name(there, keep, field="keep")
        choice = kept_first(there.machine)
        refuse(vm, choice)
        require_room(there, choice)
        names, locks = layers_for(there, choice)
    params = kinds.Revert(
        name=name, keep=keep, keep_memory=bool(keep) and choice.memory, keep_kind=choice.kind if keep else "",
        layers=names, needs=list(needs),
    )  # fmt: skip
    takes = taken(there, choice) if keep else {"snapshots": 0, "disk_bytes": 0}
    return operations.request(
        kinds.REVERT, vm, actor=actor, params=params, idempotency_key=idempotency_key, parent=parent,
        takes={**takes, **grows(there, snapshot)}, charged_to=charged(actor, vm), locks=[*held_by(there), *locks],
    )  # fmt: skip


def delete(
    actor: Actor, vm: VirtualMachine, name: str, *, children: bool = False, idempotency_key: str | None = None,
    parent: Operation | None = None,
) -> Operation:  # fmt: skip
    """The operation that lets one go, children: with all that came from it. Raises NotAllowed, SnapshotRefused,
    Http404, and what request raises."""
    require(actor, kinds.DELETE.privileges[0], vm)
    if known := operations.asked_with(actor, kinds.DELETE, vm.pk, idempotency_key, name=name, children=children):
        return known
    get_or_404(vm, name)
    there = look(vm)
    refuse(vm, rules.delete(there.machine, name, children=children))
    return operations.request(
        kinds.DELETE, vm, actor=actor, params=kinds.Delete(name, children), idempotency_key=idempotency_key,
        parent=parent, locks=held_by(there),
    )  # fmt: skip


def rename(
    actor: Actor, vm: VirtualMachine, name: str, *, to: str | None = None, description: str | None = None,
    idempotency_key: str | None = None,
) -> Operation:  # fmt: skip
    """The operation that calls it otherwise, or describes it otherwise; None leaves that as it is. Raises NotAllowed,
    BadFields, SnapshotRefused, Http404, and what request raises."""
    require(actor, kinds.RENAME.privileges[0], vm)
    asked = {"name": name, "to": name if to is None else to}
    if known := operations.asked_with(actor, kinds.RENAME, vm.pk, idempotency_key, **asked):
        return known
    snapshot, there = get_or_404(vm, name), look(vm)
    to = name if to is None else to
    description = snapshot.description if description is None else description
    check_description(description)
    if to != name:
        check_new_name(there, to)
        refuse(vm, rules.rename(there.machine, name))
    return operations.request(
        kinds.RENAME, vm, actor=actor, params=kinds.Rename(name, to, description), idempotency_key=idempotency_key
    )


def flatten(actor: Actor, vm: VirtualMachine, *, idempotency_key: str | None = None) -> Operation:
    """The operation that writes all that lies under its disks into them. Raises NotAllowed, SnapshotRefused, and what
    request raises."""
    require_all(actor, kinds.FLATTEN.privileges, vm)
    there = look(vm)
    refuse(vm, rules.flatten(there.machine))
    targets = [disk.target for disk in there.machine.disks if disk.chain]
    return operations.request(
        kinds.FLATTEN, vm, actor=actor, params=kinds.Flatten(targets), idempotency_key=idempotency_key,
        locks=held_by(there),
    )  # fmt: skip


def refuse(vm: VirtualMachine, answer: Answer) -> None:
    """Nothing, or SnapshotRefused with the first reason."""
    if answer.refusals:
        first = answer.refusals[0]
        raise SnapshotRefused(name=vm.name, because=first.code, **first.params)


def require_room(there: There, choice: Choice) -> None:
    found = room(there, memory=choice.memory)
    if not found.enough:
        told = {"needs": mebibytes(found.needs_bytes), "free": mebibytes(found.free_bytes)}
        refuse(there.vm, Answer((Reason("no_room", told),)))


def mebibytes(size: int) -> str:
    return f"{-(-size // (1 << 20))} MiB"


def check_new_name(there: There, name: str, *, field: str = "name") -> None:
    if not kinds.is_name(name):
        raise BadFields({field: "snapshot_name"}, name=there.vm.name)
    if there.machine.named(name) is not None:
        raise BadFields({field: "snapshot_taken"}, name=there.vm.name)


def check_description(text: str) -> None:
    if not kinds.is_description(text):
        raise BadFields({"description": "snapshot_description"})


def layers_for(there: There, choice: Choice) -> tuple[dict[str, Any], list[str]]:
    """({target: [pool's id, name]} of the files that the disks are to write to from then on, the locks on these):
    beside what each is on, called after the VM, by us."""
    names: dict[str, Any] = {}
    locks: list[str] = []
    for disk in there.machine.disks if choice.kind == "external" else ():
        volume = there.known.get(disk.source)
        pool = there.pool_of(volume) if volume else None
        if pool is None:
            refuse(there.vm, Answer((Reason("not_file", {"disk": disk.target}),)))
            continue
        name = definitions.free_name(pool, f"{definitions.clean_name(there.vm.name)}-{disk.target}-layer", "qcow2")
        names[disk.target] = [pool.pk, name]
        locks.append(volumes.name_lock(pool, name))
    return names, locks


def held_by(there: There) -> list[str]:
    """The locks on what its disks are on."""
    return sorted({operations.named(row) for row in there.volumes})


def taken(there: There, choice: Choice) -> dict[str, int]:
    """What a snapshot takes of a quota: itself, and its memory or its layers."""
    if not shaping.is_charged(there.vm):
        return {"snapshots": 0, "disk_bytes": 0}
    size = sum(row.capacity_bytes for row in there.volumes) if choice.kind == "external" else 0
    return {"snapshots": 1, "disk_bytes": size + (there.memory_bytes if choice.memory else 0)}


def charged(actor: Actor, vm: VirtualMachine) -> Any:
    return vm.charged_user or vm.charged_group or actor.user


def grows(there: There, snapshot: Snapshot) -> dict[str, int]:
    """What of a quota the VM has more of once it is as it was then."""
    found = {"vcpus": 0, "memory_kib": 0}
    if not shaping.is_charged(there.vm):
        return found
    try:
        then = DomainXML.parse(snapshot.live or snapshot.next_boot)
    except BadXML:
        return found
    return {
        "vcpus": max((then.vcpus or 0) - there.placement.vcpus, 0),
        "memory_kib": max((then.memory_kib or 0) - there.placement.memory_kib, 0),
    }


def needs_of(who: Who, there: There, snapshot: Snapshot) -> tuple[Need, ...]:
    """What comes back with the snapshot and the VM does not have now, with the privilege for each. Raises BadXML."""
    now = [text for text in (there.document.next_boot, there.document.live) if text]
    return comes_back(now, snapshot.live, snapshot.next_boot, own(who, there))


def own(who: Who, there: There) -> Given:
    """The volumes that this VM alone has, which a revert may bring back at another place of its chains; and what he may
    have lie in its drives."""
    pks = belongings.only_of(there.vm)
    mine = {place: row.format for place, row in there.known.items() if row.pk in pks and row.format}
    named = {tuple(where.split("/", 1)): form for (how, where), form in mine.items() if how == "volume"}
    return Given(
        volumes={(pool, name): form for (pool, name), form in named.items()},
        files={where: form for (how, where), form in mine.items() if how == "path"},
        media=frozenset(media(who, there)),
    )


def media(who: Who, there: There) -> Iterable[Place]:
    """The places of the images that he may install from, as far as the VM's snapshots name them."""
    named = {(one[0], one[1]) for one in media_of(there)}
    names = {where.rpartition("/")[2] for _, where in named}
    copies = readable_copies(who).filter(volume__name__in=names).select_related("volume") if names else ()
    for copy in copies:
        yield from places_of(copy.volume, there.pools) & named


def media_of(there: There) -> Iterable[tuple[str, ...]]:
    """What lay in its drives."""
    return (tuple(each["source"]) for row in there.snapshots for each in row.disks if len(each["source"]) > 1)


def privileges(needs: Iterable[Need]) -> tuple[str, ...]:
    return tuple(sorted({need.privilege for need in needs}))
