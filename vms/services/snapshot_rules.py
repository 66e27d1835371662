"""What can be done with a VM's snapshots on the host where it is, and why not: arithmetic on what is known of it, and
nothing is asked of anybody. Words for the codes: snapshot_words.

A snapshot is *internal* where the state of its disks is kept inside their own files, *external* where the files are
frozen and layers put over them (docs/decisions/0127).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

Kind = Literal["internal", "external"]
Version = tuple[int, ...]

# Since when libvirt goes back to external snapshots, and merges any layer of a VM that is off.
EXTERNAL: Final[Version] = (9, 9, 0)
# Since when it lets go of external ones: it merges the layers of a VM that runs, and the last one of a VM that is off.
MERGES: Final[Version] = (9, 0, 0)
# Since when it takes internal ones of machines that start by UEFI, if their variables are in a qcow2.
UEFI: Final[Version] = (10, 10, 0)
DRIVER: Final = "qemu"
RUNS: Final = frozenset({"running", "paused"})
OFF: Final = frozenset({"shut_off", "crashed"})
# A chain of more layers is slow to read, and to end.
LONG: Final = 8
INTERNAL_FORMAT: Final = "qcow2"


@dataclass(frozen=True)
class Reason:
    """A code of snapshot_words, with what its words name."""

    code: str
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """refusals: why it cannot be done, () where it can. warnings: what should be known before."""

    refusals: tuple[Reason, ...] = ()
    warnings: tuple[Reason, ...] = ()

    @property
    def possible(self) -> bool:
        return not self.refusals


@dataclass(frozen=True)
class Choice(Answer):
    """kind: what a snapshot would be. memory: whether it would be with that of the run. why: for which reason it is of
    this kind."""

    kind: Kind = "internal"
    memory: bool = False
    why: Reason = Reason("")


@dataclass(frozen=True)
class Disk:
    """A disk that is written to. source: what it is on, (how, where). in_pool: it is a file in a storage pool that is
    known. chain: what lies under it, the nearest first. backs: something else lies over what it is on."""

    target: str
    format: str
    source: tuple[str, str]
    in_pool: bool = True
    shareable: bool = False
    chain: tuple[tuple[str, str], ...] = ()
    backs: bool = False


@dataclass(frozen=True)
class Kept:
    """The state of a disk in a snapshot. how: "internal", "external" or "no". source: what it was on; layer: what was
    put over that, () for nothing."""

    target: str
    how: str
    source: tuple[str, ...] = ()
    layer: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """A snapshot that is there. has_definition: it says what the VM was made of."""

    name: str
    kind: str = "internal"
    has_memory: bool = False
    state: str = "shut_off"
    parent: str = ""
    is_current: bool = False
    disks: tuple[Kept, ...] = ()
    has_definition: bool = True


@dataclass(frozen=True)
class Machine:
    """A VM as it is now. libvirt: its host's version, () where that is not known. nvram: the format of its firmware's
    variables, "" for none. passthrough, shares: the names of what no memory can be kept with. missing: what it or its
    snapshots name and its storage does not have."""

    state: str = "shut_off"
    driver: str = DRIVER
    libvirt: Version = ()
    disks: tuple[Disk, ...] = ()
    snapshots: tuple[Known, ...] = ()
    checkpoints: tuple[str, ...] = ()
    nvram: str = ""
    passthrough: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    tpm: bool = False
    missing: frozenset[tuple[str, str]] = frozenset()

    @property
    def runs(self) -> bool:
        return self.state in RUNS

    @property
    def version(self) -> str:
        return ".".join(str(part) for part in self.libvirt)

    def named(self, name: str) -> Known | None:
        return next((one for one in self.snapshots if one.name == name), None)

    def children(self, name: str) -> tuple[Known, ...]:
        return tuple(one for one in self.snapshots if one.parent == name)

    def branch(self, name: str) -> tuple[Known, ...]:
        """The snapshot and all that came from it, the youngest first; each once, also where they name each other."""
        found: list[Known] = []
        left = [one for one in self.snapshots if one.name == name]
        while left:
            one = left.pop()
            if one not in found:
                found.append(one)
                left += self.children(one.name)
        return tuple(reversed(found))

    def disk(self, target: str) -> Disk | None:
        return next((disk for disk in self.disks if disk.target == target), None)


def does_external(machine: Machine) -> bool:
    """Whether its host's libvirt goes back to external snapshots."""
    return machine.libvirt >= EXTERNAL


def anywhere(machine: Machine) -> Iterator[Reason]:
    """What stands against any of it."""
    if machine.driver != DRIVER:
        yield Reason("driver")
    if not machine.runs and machine.state not in OFF:
        yield Reason("state", {"state": machine.state})


def taking(machine: Machine) -> Iterator[Reason]:
    """What stands against a snapshot of any kind."""
    yield from anywhere(machine)
    if machine.checkpoints:
        yield Reason("checkpoints", {"names": listed(machine.checkpoints)})
    if not machine.disks:
        yield Reason("no_disk")
    for disk in machine.disks:
        if disk.backs:
            yield Reason("backs", {"disk": disk.target})
        if disk.shareable:
            yield Reason("shareable", {"disk": disk.target})
        if disk.source in machine.missing:
            yield Reason("missing", {"disk": disk.target, "where": disk.source[1]})


def internal(machine: Machine, *, memory: bool) -> Answer:
    """A snapshot inside the disks' own files."""
    refusals = [*taking(machine), *inside(machine)]
    if machine.runs and not memory:
        refusals.append(Reason("needs_memory"))
    if memory:
        refusals += remembering(machine)
    return Answer(tuple(refusals), tuple(cautions(machine, "internal")))


def inside(machine: Machine) -> Iterator[Reason]:
    for disk in machine.disks:
        if disk.format != INTERNAL_FORMAT:
            yield Reason("format", {"disk": disk.target, "format": disk.format or "raw"})
    if machine.nvram and machine.libvirt < UEFI:
        yield Reason("uefi", {"version": machine.version})
    elif machine.nvram and machine.nvram != INTERNAL_FORMAT:
        yield Reason("nvram", {"format": machine.nvram})


def remembering(machine: Machine) -> Iterator[Reason]:
    """What stands against keeping the memory of the run."""
    if not machine.runs:
        yield Reason("memory_off")
    if machine.passthrough:
        yield Reason("passthrough", {"names": listed(machine.passthrough)})
    if machine.shares:
        yield Reason("shares", {"names": listed(machine.shares)})


def external(machine: Machine, *, memory: bool) -> Answer:
    """A snapshot by layers over the disks' files."""
    refusals = list(taking(machine))
    if memory:
        refusals.append(Reason("memory_inside"))
    refusals += [Reason("not_file", {"disk": disk.target}) for disk in machine.disks if not disk.in_pool]
    # libvirt merges no layer over a state that is kept inside.
    if inner := [one.name for one in machine.snapshots if one.kind in ("internal", "mixed")]:
        refusals.append(Reason("over_inside", {"names": listed(inner)}))
    return Answer(tuple(refusals), tuple(cautions(machine, "external")))


def cautions(machine: Machine, kind: Kind) -> Iterator[Reason]:
    """What should be known before one is taken."""
    there = {one.kind for one in machine.snapshots} - {""}
    if there and there != {kind}:
        yield Reason("mixed")
    longest = max((len(disk.chain) for disk in machine.disks), default=0)
    if kind == "external":
        if longest + 1 > LONG:
            yield Reason("long", {"number": str(longest + 1)})
        if not does_external(machine):
            yield Reason("external_stuck", {"version": machine.version})
        if machine.runs:
            yield Reason("as_after_a_crash")
    if machine.tpm and not machine.runs:
        yield Reason("tpm")


def choose(machine: Machine, *, memory: bool, kind: str = "") -> Choice:
    """What a snapshot is to be: as asked for, or else what the VM has already, or inside the disks wherever that can
    be: any host can go back to these. External ones by themselves only where the host can go back to them too."""
    inner, outer = internal(machine, memory=memory), external(machine, memory=memory)
    there = {one.kind for one in machine.snapshots}
    if kind == "internal":
        return chosen(inner, "internal", memory, Reason("asked"))
    if kind == "external":
        return chosen(outer, "external", memory, Reason("asked"))
    if there == {"external"}:
        return chosen(outer, "external", memory, Reason("as_before"))
    if inner.possible:
        return chosen(inner, "internal", memory, Reason("as_before" if "internal" in there else "inside"))
    if outer.possible and does_external(machine) and not there & {"internal", "mixed"}:
        return chosen(outer, "external", memory, inner.refusals[0])
    return chosen(inner, "internal", memory, Reason("inside"))


def chosen(answer: Answer, kind: Kind, memory: bool, why: Reason) -> Choice:
    return Choice(answer.refusals, answer.warnings, kind, memory, why)


def revert(machine: Machine, name: str) -> Answer:
    """Going back to a snapshot."""
    snapshot = machine.named(name)
    if snapshot is None:
        return Answer((Reason("gone", {"name": name}),))
    refusals = list(anywhere(machine))
    if machine.checkpoints:
        refusals.append(Reason("checkpoints_revert", {"names": listed(machine.checkpoints)}))
    if not snapshot.has_definition:
        refusals.append(Reason("no_definition"))
    if snapshot.kind in ("external", "mixed") and not does_external(machine):
        refusals.append(Reason("external_old", {"version": machine.version}))
    refusals += [Reason("backs", {"disk": disk.target}) for disk in machine.disks if disk.backs]
    refusals += held(machine, snapshot)
    warnings = [Reason("loses_run")] if machine.runs else []
    if snapshot.state == "disks":
        warnings.append(Reason("as_after_a_crash"))
    kept = {disk.target for disk in snapshot.disks if disk.how != "no"}
    warnings += [Reason("disk_left", {"disk": disk.target}) for disk in machine.disks if disk.target not in kept]
    if machine.tpm:
        warnings.append(Reason("tpm_stays"))
    return Answer(tuple(refusals), tuple(warnings))


def held(machine: Machine, snapshot: Known) -> Iterator[Reason]:
    """Where a disk's state is not in what the disk is on now: another layer was put over it since, or the disk is
    another, or is gone."""
    for kept in snapshot.disks:
        if kept.how == "no":
            continue
        where = (kept.source[0], kept.source[1]) if len(kept.source) > 1 else ("", "")
        if where in machine.missing:
            yield Reason("missing", {"disk": kept.target, "where": where[1]})
        if kept.how != "internal":
            continue
        frozen = [one.name for one in machine.snapshots if is_frozen(one, where)]
        if frozen:
            yield Reason("freezes", {"disk": kept.target, "names": listed(frozen)})
        disk = machine.disk(kept.target)
        if disk is None:
            yield Reason("disk_gone", {"disk": kept.target})
        elif disk.source != where and where in disk.chain:
            yield Reason("layered", {"disk": kept.target})
        elif disk.source != where:
            yield Reason("disk_other", {"disk": kept.target})


def is_frozen(snapshot: Known, where: tuple[str, str]) -> bool:
    """Whether the state that it keeps is the file as it is, so that nobody may write to that."""
    return any(kept.how == "external" and kept.source[:2] == where for kept in snapshot.disks)


def delete(machine: Machine, name: str, *, children: bool = False) -> Answer:
    """Letting a snapshot go; children: with all that came from it."""
    if machine.named(name) is None:
        return Answer((Reason("gone", {"name": name}),))
    left, refusals, warnings = machine, list(anywhere(machine)), []
    for going in [one.name for one in machine.branch(name)] if children else [name]:
        one = left.named(going)
        if one is not None:
            refusals += [reason for reason in ends(left, one) if reason not in refusals]
            left = without(left, one)
    if any(one.kind == "external" for one in machine.branch(name)) and machine.runs:
        warnings.append(Reason("merges"))
    return Answer(tuple(refusals), tuple(warnings))


def ends(machine: Machine, snapshot: Known) -> Iterator[Reason]:
    """What stands against letting this one go, with what came from it left there."""
    if snapshot.kind in ("internal", ""):
        yield from (reason for reason in held(machine, snapshot) if reason.code in ("layered", "missing"))
        yield from (Reason("backs", {"disk": disk.target}) for disk in machine.disks if disk.backs)
        return
    if machine.checkpoints:
        yield Reason("checkpoints", {"names": listed(machine.checkpoints)})
    if snapshot.kind == "mixed":
        yield Reason("mixed_one")
        return
    younger = [one for one in machine.branch(snapshot.name) if one is not snapshot]
    # What is kept inside a layer goes with it when that is merged into what is under it.
    if inner := [one.name for one in younger if one.kind != "external"]:
        yield Reason("inside_layers", {"names": listed(inner)})
    parent = machine.named(snapshot.parent)
    if parent and parent.kind != "external":
        yield Reason("over_inside", {"names": parent.name})
    if len(machine.children(snapshot.name)) > 1:
        yield Reason("branched", {"version": machine.version})
    if machine.libvirt < MERGES:
        yield Reason("merges_not", {"version": machine.version})
    if does_external(machine):
        return
    if not machine.runs and younger:
        yield Reason("needs_run", {"version": machine.version})
    for kept in snapshot.disks:
        if kept.how == "external":
            yield from merging(machine, kept)


def merging(machine: Machine, kept: Kept) -> Iterator[Reason]:
    """What stands against merging the layer of a disk into what is under it."""
    disk, layer = machine.disk(kept.target), (kept.layer[0], kept.layer[1]) if len(kept.layer) > 1 else ("", "")
    if disk is None:
        yield Reason("disk_gone", {"disk": kept.target})
    elif layer != disk.source and layer not in disk.chain:
        yield Reason("not_in_chain", {"disk": kept.target})
    elif layer in machine.missing:
        yield Reason("missing", {"disk": kept.target, "where": layer[1]})


def without(machine: Machine, snapshot: Known) -> Machine:
    """The VM once the snapshot is gone: what came from it comes from where it came from, and its layers are merged."""
    merged = {
        (kept.layer[0], kept.layer[1]): (kept.source[0], kept.source[1])
        for kept in snapshot.disks
        if kept.how == "external" and len(kept.layer) > 1 and len(kept.source) > 1
    }

    def under(source: tuple[str, ...]) -> tuple[str, ...]:
        return merged.get((source[0], source[1]), source) if len(source) > 1 else source

    def disk_of(disk: Disk) -> Disk:
        chain = tuple(one for one in disk.chain if one not in merged)
        below = merged.get(disk.source)
        return replace(disk, source=below, chain=chain[1:]) if below else replace(disk, chain=chain)

    def one_of(one: Known) -> Known:
        disks = tuple(replace(kept, source=under(kept.source)) for kept in one.disks)
        return replace(one, disks=disks, parent=snapshot.parent if one.parent == snapshot.name else one.parent)

    return replace(
        machine,
        disks=tuple(disk_of(disk) for disk in machine.disks),
        snapshots=tuple(one_of(one) for one in machine.snapshots if one is not snapshot),
    )


def rename(machine: Machine, name: str) -> Answer:
    """Calling a snapshot otherwise. What is inside a disk is found there by its name, which nothing can change."""
    snapshot = machine.named(name)
    if snapshot is None:
        return Answer((Reason("gone", {"name": name}),))
    refusals = [reason for reason in anywhere(machine) if reason.code == "driver"]
    if snapshot.kind != "external":
        refusals.append(Reason("name_inside"))
    return Answer(tuple(refusals))


def flatten(machine: Machine) -> Answer:
    """Ending all that lies under its disks, by writing it into these."""
    refusals = list(anywhere(machine))
    if not any(disk.chain for disk in machine.disks):
        refusals.append(Reason("no_layers"))
    if machine.snapshots:
        refusals.append(Reason("snapshots_first", {"names": listed(one.name for one in machine.snapshots)}))
    if machine.checkpoints:
        refusals.append(Reason("checkpoints", {"names": listed(machine.checkpoints)}))
    if not machine.runs:
        refusals.append(Reason("flatten_off"))
    return Answer(tuple(refusals))


def stand_in_the_way(snapshots: Collection[object], checkpoints: Collection[object]) -> bool:
    """Whether a VM's disks stay where they are, its name what it is, and itself a VM: a snapshot or a checkpoint names
    and needs all of that. Asked before a disk is moved, a VM is renamed, or becomes a template."""
    return bool(snapshots or checkpoints)


def warnings(machine: Machine) -> tuple[Reason, ...]:
    """What should be known of its snapshots and chains as they are."""
    found = []
    if len({one.kind for one in machine.snapshots} - {""}) > 1:
        found.append(Reason("mixed"))
    for disk in machine.disks:
        if len(disk.chain) > LONG:
            found.append(Reason("long_chain", {"disk": disk.target, "number": str(len(disk.chain))}))
    found += [Reason("missing_file", {"where": where}) for _, where in sorted(machine.missing)]
    return tuple(found)


def listed(names: Iterable[str], most: int = 5) -> str:
    found = list(names)
    return ", ".join(found[:most]) + (", …" if len(found) > most else "")
