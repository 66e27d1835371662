"""The disc that a VM reads at its first boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark

DROP_SEED: Final = Kind(
    name="vm.drop-seed",
    title=mark("Take the first boot's disc away"),
    done=mark("free of the first boot's disc"),
    target="vm",
    privileges=("vm.media", "vm.disk", "vm.device"),
    kept=True,
    apart=True,
    of_template="too",
)


@dataclass(frozen=True)
class NewSeed(Params):
    """pool: the id of the one in which the disc is made, under that name. told: what may be shown of the answers, which
    are the secret "seed"; keep: it stays in the VM. asked: a digest of what was asked for."""

    pool: int
    name: str
    keep: bool
    told: dict  # type: ignore[type-arg]
    asked: str


WRITE_SEED: Final = Kind(
    name="vm.cloud-init",
    title=mark("Write a new disc for cloud-init"),
    done=mark("given a new disc for cloud-init"),
    target="vm",
    privileges=("vm.media", "vm.disk", "vm.device"),
    params=NewSeed,
    states=frozenset({"shut_off", "crashed"}),
    kept=True,
    apart=True,
    takes=frozenset({"disk_bytes"}),
    secrets=frozenset({"seed"}),
)

KINDS = (DROP_SEED, WRITE_SEED)
