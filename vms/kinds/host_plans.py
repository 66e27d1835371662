"""Plans that hold for several hosts: working one out, and doing it, of which each move is an operation of its own. The
row stands at the first of its hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark


@dataclass(frozen=True)
class OfPlan(Params):
    """plan: its id."""

    plan: int


WORK_OUT: Final = Kind(
    name="host.plan",
    title=mark("Work out a plan"),
    done=mark("planned for"),
    target="host",
    privileges=("host.maintain",),
    params=OfPlan,
    lock=False,
    unheard=True,
    silence_seconds=300,
    apart=True,
)

RUN: Final = Kind(
    name="host.run-plan",
    title=mark("Move VMs by a plan"),
    done=mark("moved by a plan"),
    target="host",
    privileges=("host.maintain",),
    params=OfPlan,
    queue="plan",
    lock=False,
    cancellable=True,
    unheard=True,
    harm=3,
    apart=True,
)

KINDS = (WORK_OUT, RUN)
