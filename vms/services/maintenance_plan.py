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

from vms.planning import Guest, Host, Load, evacuated

# What a gigabit network carries; memory and the disks that are copied go over it once.
BYTES_A_SECOND: Final = 100 << 20
# What a move takes beside that: asking both hosts, starting the other QEMU, going over.
EACH_SECONDS: Final = 15
# What a guest is thought to take to shut down.
SHUTDOWN_SECONDS: Final = 60
# The host that is emptied; no row has this id.
HERE: Final = 0
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


def make_plan(items: Iterable[Item], room: Room, *, parallel: int) -> Plan:
    """The plan for these VMs, by the arithmetic of plans for several hosts; what is free is all that there is."""
    order = sorted(items, key=lambda one: (not one.runs, -weight(one), one.name, one.vm))
    pools = pools_of(order)
    hosts = hosts_of(room, pools, len(order))
    guests = [guest(item, item.targets, pools, len(order) - at) for at, item in enumerate(order)]
    where = evacuated(hosts, guests, {HERE})
    # What goes off takes its memory again when it has started there, of what the others leave.
    stay = {item.vm for item in order if where[item.vm] == HERE}
    gone = [Guest(one.id, one.on(where[one.id]), where[one.id]) for one in guests if one.id not in stay]
    off = [
        guest(item, item.offline if item.runs else (), pools, len(order) - at)
        for at, item in enumerate(order)
        if item.vm in stay
    ]
    started = evacuated(hosts, [*gone, *off], {HERE})
    moves, left = [], []
    for item in order:
        if item.vm in stay:
            offline = at_host(item.offline, started[item.vm])
            ways = (LEAVE, *((OFFLINE,) if offline else ()), SHUTDOWN) if item.runs else (LEAVE,)
            left.append(Left(item.vm, item.name, item.runs, ways, offline, bool(item.targets), item.why))
        elif target := at_host(item.targets, where[item.vm]):
            took = seconds(item, target)
            moves.append(Move(item.vm, item.name, ("move",), target.host, target.name, target.pool, took))
    return Plan(tuple(moves), tuple(left), whole_seconds([move.seconds for move in moves], parallel))


def at_host(targets: Iterable[Target], host: int) -> Target | None:
    return next((target for target in targets if target.host == host), None)


def pools_of(items: Iterable[Item]) -> dict[int, list[int]]:
    """{host: the pools there into which disks would be copied}."""
    found: dict[int, set[int]] = {}
    for item in items:
        for target in (*item.targets, *item.offline):
            found.setdefault(target.host, set()).update({target.pool} - {0})
    return {host: sorted(pools) for host, pools in found.items()}


def hosts_of(room: Room, pools: Mapping[int, list[int]], guests: int) -> list[Host]:
    """The one that is emptied, where a guest takes its place in the order alone, and those to which VMs go: memory in
    KiB and of each pool there the bytes."""
    size = max((len(each) for each in pools.values()), default=0)
    found = [Host(HERE, full := (1, *[1] * size, guests), full)]
    for host, kib in sorted(room.memory_kib.items()):
        free = [room.pool_bytes.get(pool, 0) for pool in pools.get(host, [])]
        limit = (kib, *free, *[0] * (size - len(free)), 0)
        found.append(Host(host, limit, limit))
    return found


def guest(item: Item, targets: Iterable[Target], pools: Mapping[int, list[int]], rank: int) -> Guest:
    """rank: the greatest goes first. What moving it costs is what is copied: its memory goes wherever it goes."""
    size = max((len(each) for each in pools.values()), default=0)
    there = list(targets)

    def takes(target: Target) -> Load:
        disks = [target.copied_bytes * (pool == target.pool) for pool in pools[target.host]]
        return (item.memory_kib * item.runs, *disks, *[0] * (size - len(disks)), 0)

    return Guest(
        item.vm, (0, *[0] * size, rank), HERE, {target.host: target.copied_bytes for target in there},
        elsewhere={target.host: takes(target) for target in there},
    )  # fmt: skip


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
