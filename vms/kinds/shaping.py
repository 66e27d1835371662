"""Changing what a VM is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.errors import BadParameters
from vms.kinds.base import Kind, Params
from vms.kinds.words import mark

APPLY: Final = ("both", "next", "live")


@dataclass(frozen=True)
class Shape(Params):
    """apply: to the next start, to this run, or to both. edits: as vms.libvirtxml.shaping has them. needs: the
    privileges that the difference takes. given: the ids of what it takes from the host ("volumes", "images",
    "networks"), the MACs of its cards ("macs"), and networks that these leave, by name ("leaves"). asked: a digest of
    what was asked for."""

    apply: str
    edits: list  # type: ignore[type-arg]
    needs: list  # type: ignore[type-arg]
    given: dict  # type: ignore[type-arg]
    asked: str = ""

    def __post_init__(self) -> None:
        if self.apply not in APPLY:
            raise BadParameters(field="apply")


SHAPE: Final = Kind(
    name="vm.shape",
    title=mark("Change its hardware"),
    done=mark("changed"),
    target="vm",
    privileges=("vm.xml.view",),
    params=Shape,
    silence_seconds=60,
    kept=True,
    secrets=frozenset({"password"}),
    apart=True,
    takes=frozenset({"vcpus", "memory_kib"}),
)

KINDS = (SHAPE,)
