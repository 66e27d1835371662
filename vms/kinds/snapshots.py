"""Snapshots: taking one, going back to it, letting it go, calling it otherwise; and ending the layers under a disk."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from vms.errors import BadParameters
from vms.kinds.base import Kind, Params
from vms.kinds.words import mark

# What QEMU takes for a snapshot's number, a shell for an option or libvirt for a folder is none; "possible" is an
# address.
NAME: Final = re.compile(r"(?!\d+$)(?!possible$)[^\W_](?:[\w .:+@()-]{0,78}[\w.:+@()-])?")
KINDS_OF_SNAPSHOTS: Final = ("", "internal", "external")
LONGEST_DESCRIPTION: Final = 2000
# What no XML holds.
UNFIT: Final = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


def is_name(name: str) -> bool:
    """Whether a snapshot may be called so."""
    return NAME.fullmatch(name) is not None


def is_description(text: str) -> bool:
    """Whether one may be described so: it stands in the host's document."""
    return len(text) <= LONGEST_DESCRIPTION and not UNFIT.search(text)


@dataclass(frozen=True)
class TakeSnapshot(Params):
    """memory: with that of the run. quiesce: the guest's agent is to hold its file systems still meanwhile. kind: where
    the disks' state is to be kept, "" for what fits. layers: of an external one the names of the layers, as
    {target: [pool's id, name]}."""

    name: str
    description: str = ""
    memory: bool = False
    quiesce: bool = False
    kind: str = ""
    layers: dict = field(default_factory=dict)  # type: ignore[type-arg]

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise BadParameters(field="name")
        if not is_description(self.description):
            raise BadParameters(field="description")
        if self.kind not in KINDS_OF_SNAPSHOTS:
            raise BadParameters(field="kind")


@dataclass(frozen=True)
class Revert(Params):
    """name: of the snapshot to go back to. keep: what a snapshot of the present state is to be called that is taken
    first, "" for none; keep_memory: with that of the run; keep_kind and layers: as of one that is taken. needs: the
    privileges that the difference between the definitions takes."""

    name: str
    keep: str = ""
    keep_memory: bool = False
    keep_kind: str = ""
    layers: dict = field(default_factory=dict)  # type: ignore[type-arg]
    needs: list = field(default_factory=list)  # type: ignore[type-arg]

    def __post_init__(self) -> None:
        if self.keep and not is_name(self.keep):
            raise BadParameters(field="keep")
        if self.keep_kind not in KINDS_OF_SNAPSHOTS:
            raise BadParameters(field="keep_kind")


@dataclass(frozen=True)
class Delete(Params):
    """children: with all that came from it."""

    name: str
    children: bool = False


@dataclass(frozen=True)
class Rename(Params):
    """to: what it is called afterwards; the same where only its description is to be another."""

    name: str
    to: str
    description: str = ""

    def __post_init__(self) -> None:
        if self.to != self.name and not is_name(self.to):
            raise BadParameters(field="name")
        if not is_description(self.description):
            raise BadParameters(field="description")


@dataclass(frozen=True)
class Flatten(Params):
    """targets: the disks, by their names in the definition."""

    targets: list  # type: ignore[type-arg]


STATES: Final = frozenset({"running", "paused", "shut_off", "crashed"})

SNAPSHOT: Final = Kind(
    name="vm.snapshot",
    title=mark("Take a snapshot"),
    done=mark("kept in a snapshot"),
    target="vm",
    privileges=("vm.snapshot",),
    params=TakeSnapshot,
    queue="slow",
    states=STATES,
    silence_seconds=600,
    harm=1,
    kept=True,
    apart=True,
    takes=frozenset({"snapshots", "disk_bytes"}),
)

REVERT: Final = Kind(
    name="vm.revert-snapshot",
    title=mark("Go back to a snapshot"),
    done=mark("brought back to a snapshot"),
    target="vm",
    privileges=("vm.revert",),
    params=Revert,
    queue="slow",
    states=STATES,
    silence_seconds=600,
    harm=8,
    kept=True,
    apart=True,
    starts=True,
    takes=frozenset({"snapshots", "disk_bytes", "vcpus", "memory_kib"}),
)

DELETE: Final = Kind(
    name="vm.delete-snapshot",
    title=mark("Delete a snapshot"),
    done=mark("rid of a snapshot"),
    target="vm",
    privileges=("vm.revert",),
    params=Delete,
    queue="slow",
    states=STATES,
    silence_seconds=1800,
    harm=7,
    kept=True,
    apart=True,
)

RENAME: Final = Kind(
    name="vm.rename-snapshot",
    title=mark("Rename a snapshot"),
    done=mark("changed in what a snapshot is called"),
    target="vm",
    privileges=("vm.snapshot",),
    params=Rename,
    states=STATES,
    silence_seconds=60,
    harm=1,
    kept=True,
    apart=True,
)

FLATTEN: Final = Kind(
    name="vm.flatten",
    title=mark("Flatten its disks"),
    done=mark("made independent of what its disks were layers over"),
    target="vm",
    privileges=("vm.disk",),
    params=Flatten,
    queue="slow",
    states=STATES,
    cancellable=True,
    silence_seconds=600,
    harm=2,
    kept=True,
    apart=True,
)

KINDS = (SNAPSHOT, REVERT, DELETE, RENAME, FLATTEN)
