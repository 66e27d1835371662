"""Templates: VMs of which others are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark

# What making one does, in this order; the operation's log names each (docs/decisions/0080).
COMPARED: Final = "template_compared"
MARKED: Final = "template_marked"
READ_ONLY: Final = "template_read_only"
READ: Final = "template_read"
STEPS: Final = (COMPARED, MARKED, READ_ONLY, READ)


@dataclass(frozen=True)
class Disks(Params):
    """volumes: the ids of those that its disks are on, in their order."""

    volumes: list  # type: ignore[type-arg]


TEMPLATE = Kind(
    name="vm.template",
    title=mark("Make it a template"),
    done=mark("made a template"),
    target="vm",
    privileges=("vm.copy", "vm.disk", "vm.force"),
    params=Disks,
    queue="slow",
    states=frozenset({"shut_off"}),
    cancellable=True,
    silence_seconds=240,
    harm=2,
    kept=True,
    apart=True,
)

UNTEMPLATE = Kind(
    name="vm.untemplate",
    title=mark("Make it a VM again"),
    done=mark("made a VM again"),
    target="vm",
    privileges=("vm.copy", "vm.disk", "vm.force"),
    states=frozenset({"shut_off"}),
    silence_seconds=60,
    harm=1,
    kept=True,
    apart=True,
    of_template="only",
)

KINDS = (TEMPLATE, UNTEMPLATE)
