"""Changing what a VM is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from vms.errors import BadParameters
from vms.kinds.base import Kind, Params
from vms.kinds.volumes import LONG
from vms.kinds.words import mark

APPLY: Final = ("both", "next", "live")


@dataclass(frozen=True)
class Shape(Params):
    """apply: to the next start, to this run, or to both. edits: as vms.libvirtxml.shaping has them. needs: the
    privileges that the difference takes. given: the ids of what it takes from the host ("volumes", "images",
    "networks"), the MACs of its cards ("macs"), networks that these leave, by name ("leaves"), and what is made for it
    ("new": {"pool": id, "name", "size_bytes", "format"}). asked: a digest of
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

ADD_DISK: Final = replace(
    SHAPE,
    name="vm.add-disk",
    title=mark("Add a new disk"),
    done=mark("given a new disk"),
    queue="slow",
    silence_seconds=LONG,
    secrets=frozenset(),
    takes=frozenset({"disk_bytes"}),
)

KINDS = (SHAPE, ADD_DISK)
