"""What a plan is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

# Of each resource so much, in whole units, the same resources in the same order everywhere.
Load = tuple[int, ...]
# {guest: host}, by id.
Assignment = Mapping[int, int]


@dataclass(frozen=True)
class Host:
    """limit: what its guests may use together when all is well; whole: when another host is lost, at least as much."""

    id: int
    limit: Load
    whole: Load


@dataclass(frozen=True)
class Guest:
    """host: where it is. prices: what moving it to each host costs that can take it; where it is needs none. apart: no
    two that share a word of these are on one host. elsewhere: what it takes on other hosts where that is not its load,
    as where one has its disk already; only who empties hosts tells that."""

    id: int
    load: Load
    host: int
    prices: Mapping[int, int] = field(default_factory=dict)
    apart: frozenset[str] = frozenset()
    elsewhere: Mapping[int, Load] = field(default_factory=dict)

    def on(self, host: int) -> Load:
        """What it takes there."""
        return self.elsewhere.get(host, self.load)

    def can_be_on(self, host: int) -> bool:
        return host == self.host or host in self.prices


@dataclass(frozen=True)
class Move:
    guest: int
    source: int
    target: int


def total(loads: Iterable[Load], size: int) -> Load:
    """Of each resource the sum; size: how many resources there are."""
    sums = [0] * size
    for load in loads:
        for number, amount in enumerate(load):
            sums[number] += amount
    return tuple(sums)


def now(guests: Iterable[Guest]) -> dict[int, int]:
    """Where they are."""
    return {guest.id: guest.host for guest in guests}


def moves_of(guests: Iterable[Guest], assignment: Assignment) -> tuple[Move, ...]:
    """What it takes, in the guests' order."""
    found = (Move(guest.id, guest.host, assignment[guest.id]) for guest in guests)
    return tuple(move for move in found if move.source != move.target)


def price(guests: Iterable[Guest], assignment: Assignment) -> int:
    return sum(guest.prices[assignment[guest.id]] for guest in guests if assignment[guest.id] != guest.host)


class Ledger:
    """What each host carries while a plan is made."""

    def __init__(self, hosts: Sequence[Host], guests: Iterable[Guest], assignment: Assignment) -> None:
        self.hosts = {host.id: host for host in hosts}
        self.guests: dict[int, dict[int, Guest]] = {host.id: {} for host in hosts}
        self.used: dict[int, list[int]] = {host.id: [0] * len(host.limit) for host in hosts}
        for guest in guests:
            if assignment[guest.id] in self.hosts:
                self.put(guest, assignment[guest.id])

    def put(self, guest: Guest, host: int) -> None:
        self.guests[host][guest.id] = guest
        used = self.used[host]
        for number, amount in enumerate(guest.on(host)):
            used[number] += amount

    def take(self, guest: Guest, host: int) -> None:
        del self.guests[host][guest.id]
        used = self.used[host]
        for number, amount in enumerate(guest.on(host)):
            used[number] -= amount

    def fits(self, guest: Guest, host: int, *, whole: bool = False) -> bool:
        """Whether it has room there, whoever allows that. whole: as when another host is lost."""
        most = self.hosts[host].whole if whole else self.hosts[host].limit
        used = self.used[host]
        return all(have + more <= most for have, more, most in zip(used, guest.on(host), most, strict=True)) and (
            not guest.apart or not any(guest.apart & other.apart for other in self.guests[host].values())
        )

    def share(self, host: int, more: Guest | None = None) -> float:
        """Of its limit that it carries, by the resource that is scarcest there; more: with this one."""
        used = self.used[host]
        if more:
            used = [have + amount for have, amount in zip(used, more.on(host), strict=True)]
        return share(used, self.hosts[host].limit)

    def assignment(self) -> dict[int, int]:
        return {guest: host for host, guests in self.guests.items() for guest in guests}


def share(load: Sequence[int], limit: Load) -> float:
    """The greatest part of a resource that it takes; what there is none of is all taken by anything."""
    return max((have / most if most else float(have > 0) for have, most in zip(load, limit, strict=True)), default=0.0)
