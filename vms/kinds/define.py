"""Making VMs of definitions that administrators write."""

from __future__ import annotations

from dataclasses import dataclass

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark


@dataclass(frozen=True)
class Written(Params):
    """asked: a digest of the definition without its secrets, which itself is the secret "definition"."""

    asked: str


DEFINE = Kind(
    name="vm.define-new",
    title=mark("Define"),
    done=mark("defined"),
    target="vm",
    privileges=("vm.define",),
    params=Written,
    silence_seconds=120,
    takes=frozenset({"vms", "vcpus", "memory_kib"}),
    apart=True,
    makes=True,
    secrets=frozenset({"definition"}),
)

KINDS = (DEFINE,)
