"""Which VM goes where when a host is emptied, in which order, and how long that takes: arithmetic on what was read.

The largest go first: they find room while there is most of it, and where several move at a time the whole ends
earliest. No host is given more memory than it has free, and no pool more than it has room, on the way or at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

# What a gigabit network carries; memory and the disks that are copied go over it once.
BYTES_A_SECOND: Final = 100 << 20
# What a move takes beside that: asking both hosts, starting the other QEMU, going over.
EACH_SECONDS: Final = 15
# What a guest is thought to take to shut down.
SHUTDOWN_SECONDS: Final = 60
LEAVE, SHUTDOWN, OFFLINE = "leave", "shutdown", "offline"


@dataclass(frozen=True)
class Target:
    """A host to which a VM can go, and the pool into which disks of so many bytes are copied, 0 for none."""

    host: int
    name: str
    pool: int = 0
    copied_bytes: int = 0


@dataclass(frozen=True)
class Item:
    """A VM with where it can go as it is now. offline: where it could go if it were off. runs: it has memory, of so
    much. why: of each host to which it cannot go, the first reason, told in words later."""

    vm: int
    name: str
    runs: bool
    memory_kib: int
    targets: tuple[Target, ...]
    offline: tuple[Target, ...] = ()
    why: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Room:
    """What hosts have free of memory, and pools of room, by id."""

    memory_kib: Mapping[int, int]
    pool_bytes: Mapping[int, int]


@dataclass(frozen=True)
class Move:
    """A VM that goes to a host, or, with none, only does what its steps say."""

    vm: int
    name: str
    steps: tuple[str, ...]
    to: int = 0
    to_name: str = ""
    pool: int = 0
    seconds: int = 0


@dataclass(frozen=True)
class Left:
    """A VM that goes nowhere. choices: what can be done instead, the first is what is done unless somebody chooses.
    offline: where it would go, off. full: it could go, but there is no room."""

    vm: int
    name: str
    runs: bool
    choices: tuple[str, ...]
    offline: Target | None = None
    full: bool = False
    why: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Plan:
    """In the order in which it is done. seconds: of the whole, with so many at a time."""

    moves: tuple[Move, ...]
    left: tuple[Left, ...]
    seconds: int

    @property
    def digest(self) -> str:
        """Of what is done and what is not; how long it takes is an estimate, and may differ from one look to the
        next."""
        told = [
            [[move.vm, move.to, move.pool, *move.steps] for move in self.moves],
            [[one.vm, one.offline.host if one.offline else 0, *one.choices] for one in self.left],
        ]
        return sha256(json.dumps(told).encode()).hexdigest()


@dataclass
class Ledger:
    """What is still free while the plan is made."""

    memory_kib: dict[int, int]
    pool_bytes: dict[int, int]

    def fits(self, item: Item, target: Target) -> bool:
        enough = not item.runs or self.memory_kib.get(target.host, 0) >= item.memory_kib
        return enough and (not target.pool or self.pool_bytes.get(target.pool, 0) >= target.copied_bytes)

    def best(self, item: Item, targets: Iterable[Target]) -> Target | None:
        """Where nothing is copied before where something is, then where the most memory is left."""
        fitting = [target for target in targets if self.fits(item, target)]
        return min(fitting, key=self.rank, default=None)

    def rank(self, target: Target) -> tuple[int, int, str, int]:
        return target.copied_bytes, -self.memory_kib.get(target.host, 0), target.name, target.host

    def take(self, item: Item, target: Target) -> None:
        if item.runs:
            self.memory_kib[target.host] = self.memory_kib.get(target.host, 0) - item.memory_kib
        if target.pool:
            self.pool_bytes[target.pool] -= target.copied_bytes


def make_plan(items: Iterable[Item], room: Room, *, parallel: int) -> Plan:
    """The plan for these VMs."""
    ledger = Ledger(dict(room.memory_kib), dict(room.pool_bytes))
    moves, left = [], []
    for item in sorted(items, key=lambda one: (not one.runs, -weight(one), one.name, one.vm)):
        target = ledger.best(item, item.targets)
        if target:
            ledger.take(item, target)
            moves.append(
                Move(item.vm, item.name, ("move",), target.host, target.name, target.pool, seconds(item, target))
            )
        else:
            # What goes off takes its memory again when it has started there.
            offline = ledger.best(item, item.offline) if item.runs else None
            if offline:
                ledger.take(item, offline)
            ways = (LEAVE, *((OFFLINE,) if offline else ()), SHUTDOWN) if item.runs else (LEAVE,)
            left.append(Left(item.vm, item.name, item.runs, ways, offline, bool(item.targets), item.why))
    return Plan(tuple(moves), tuple(left), whole_seconds([move.seconds for move in moves], parallel))


def weight(item: Item) -> int:
    """The bytes that go with it at least."""
    return item.memory_kib * 1024 + min((target.copied_bytes for target in item.targets), default=0)


def seconds(item: Item, target: Target) -> int:
    """So long its move is thought to take."""
    moved = (item.memory_kib * 1024 if item.runs else 0) + target.copied_bytes
    return EACH_SECONDS + round(moved / BYTES_A_SECOND)


def whole_seconds(each: list[int], parallel: int) -> int:
    """Of all of them: what lies beside the copying is done at the same time, the network is one."""
    copying = sum(one - EACH_SECONDS for one in each)
    return copying + EACH_SECONDS * -(-len(each) // parallel)


def chosen(plan: Plan, choices: Mapping[int, str]) -> tuple[Move, ...]:
    """All that is done, with what somebody chose for those that go nowhere; whatever else stays. Raises ValueError for
    what is not offered."""
    more = []
    for one in plan.left:
        choice = choices.get(one.vm, LEAVE)
        if choice not in one.choices:
            raise ValueError(choice)
        if choice == SHUTDOWN:
            more.append(Move(one.vm, one.name, ("shutdown",), seconds=SHUTDOWN_SECONDS))
        elif choice == OFFLINE and one.offline:
            steps, to = ("shutdown", "move", "start"), one.offline
            more.append(Move(one.vm, one.name, steps, to.host, to.name, seconds=SHUTDOWN_SECONDS + EACH_SECONDS))
    if choices.keys() - {one.vm for one in plan.left}:
        raise ValueError("choices")
    return (*plan.moves, *more)
