"""Emptying a host, and bringing its VMs back: plans of which each move is an operation of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark


@dataclass(frozen=True)
class Planned(Params):
    """evacuation: the id of the plan."""

    evacuation: int


EVACUATE: Final = Kind(
    name="host.evacuate",
    title=mark("Move its VMs away"),
    done=mark("emptied"),
    target="host",
    privileges=("host.maintain",),
    params=Planned,
    queue="plan",
    lock=False,
    cancellable=True,
    harm=3,
    apart=True,
)

BRING_BACK: Final = Kind(
    name="host.bring-back",
    title=mark("Bring its VMs back"),
    done=mark("given its VMs back"),
    target="host",
    privileges=("host.maintain",),
    params=Planned,
    queue="plan",
    lock=False,
    cancellable=True,
    harm=2,
    apart=True,
)

KINDS = (EVACUATE, BRING_BACK)
