"""Deleting a VM: into the trash, out of it again, and for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.kinds.base import Kind, Params
from vms.kinds.power import GUESTS
from vms.kinds.words import mark

# What a deletion does, in this order; the operation's log names each (docs/decisions/0075).
COMPARED: Final = "compared"
MARKED: Final = "marked"
OFF: Final = "off"
FORGOTTEN: Final = "forgotten"
VOLUME: Final = "volume_deleted"
STEPS: Final = (COMPARED, MARKED, OFF, FORGOTTEN, VOLUME)


@dataclass(frozen=True)
class Deletion(Params):
    """volumes: the ids of those that go. told: what who asked was told that the VM has (vms.services.belongings)."""

    volumes: list  # type: ignore[type-arg]
    told: dict  # type: ignore[type-arg]


TRASH = Kind(
    name="vm.trash",
    title=mark("Move to the trash"),
    done=mark("moved to the trash"),
    target="vm",
    privileges=("vm.delete",),
    params=Deletion,
    supersedes=GUESTS,
    silence_seconds=120,
    harm=10,
    kept=True,
    apart=True,
    of_template="too",
    spares=True,
)

PUT_BACK = Kind(
    name="vm.put-back",
    title=mark("Put back"),
    done=mark("put back from the trash"),
    target="vm",
    privileges=("vm.delete",),
    harm=1,
    apart=True,
    of_trash="only",
    of_template="too",
)

DELETE = Kind(
    name="vm.delete",
    title=mark("Delete"),
    done=mark("deleted"),
    target="vm",
    privileges=("vm.delete",),
    params=Deletion,
    supersedes=GUESTS,
    silence_seconds=600,
    harm=11,
    ask=True,
    menu=True,
    icon="trash",
    apart=True,
    of_trash="too",
    of_template="too",
    spares=True,
)

KINDS = (TRASH, PUT_BACK, DELETE)
