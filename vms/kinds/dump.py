"""Dumping a VM's memory into a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark


@dataclass(frozen=True)
class Dump(Params):
    """pool: the id of the one that it goes into, where it is called name. size_bytes: as large as it may become."""

    pool: int
    name: str
    size_bytes: int


DUMP: Final = Kind(
    name="vm.dump",
    title=mark("Dump its memory"),
    done=mark("dumped"),
    target="vm",
    privileges=("vm.copy",),
    params=Dump,
    queue="slow",
    states=frozenset({"running", "paused", "crashed"}),
    cancellable=True,
    silence_seconds=240,
    harm=2,
    apart=True,
    takes=frozenset({"disk_bytes"}),
)

KINDS = (DUMP,)
