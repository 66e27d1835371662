"""Moving a VM's disk to another pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark


@dataclass(frozen=True)
class MoveDisk(Params):
    """target: the disk's name in the definition. volume: the id of what it is on; pool: of the one that it goes to,
    where it is called name. size_bytes: as the guest sees it."""

    target: str
    volume: int
    pool: int
    name: str
    size_bytes: int
    format: str


MOVE: Final = Kind(
    name="vm.move-disk",
    title=mark("Move a disk"),
    done=mark("moved to another pool with a disk"),
    target="vm",
    privileges=("vm.xml.view", "vm.disk"),
    params=MoveDisk,
    queue="slow",
    states=frozenset({"running", "paused", "shut_off", "crashed"}),
    cancellable=True,
    silence_seconds=120,
    harm=1,
    kept=True,
    apart=True,
    takes=frozenset({"disk_bytes"}),
)

KINDS = (MOVE,)
