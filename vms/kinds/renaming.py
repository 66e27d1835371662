"""Calling a VM otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark


@dataclass(frozen=True)
class Name(Params):
    name: str


RENAME = Kind(
    name="vm.rename",
    title=mark("Rename"),
    done=mark("renamed"),
    target="vm",
    privileges=("vm.label",),
    params=Name,
    states=frozenset({"shut_off", "crashed"}),
    silence_seconds=20,
    harm=1,
    kept=True,
    apart=True,
    of_template="too",
)

KINDS = (RENAME,)
