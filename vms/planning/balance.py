"""Evening out what hosts carry, with few moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vms.planning.values import Guest, Host, Ledger, now

# A move that evens out less than this part of what is uneven is not worth it.
WORTH: Final = 0.02
# From so many of the fullest hosts, to so many of the emptiest, a move is looked for.
FULLEST, EMPTIEST = 4, 8


def unevenness(ledger: Ledger, first: int | None = None) -> float:
    """The sum of the squares of what each host carries of its limit, of each resource; the least where all carry the
    same part. first: so many of the resources, from the first on, None for all."""
    return sum(
        (have / most) ** 2
        for host in ledger.hosts.values()
        for have, most in zip(ledger.used[host.id][:first], host.limit[:first], strict=True)
        if most
    )


def balanced(
    hosts: Sequence[Host], guests: Sequence[Guest], *, most: int, first: int | None = None
) -> dict[int, int]:  # fmt: skip
    """Where the guests are after at most so many moves, each the one that evens out most for what it costs; never less
    even than now. first: so many of the resources are evened out, None for all; of the others no host gets too much."""
    ledger = Ledger(hosts, guests, now(guests))
    where = now(guests)
    start = even = unevenness(ledger, first)
    floor = evenly(ledger, first)
    while most > 0 and (best := best_move(ledger, first)):
        guest, source, target, gain = best
        if gain < WORTH * max(start - floor, 0.0) or gain <= 1e-12:
            break
        ledger.take(guest, source)
        ledger.put(guest, target)
        where[guest.id] = target
        even -= gain
        most -= 1
    return where


def evenly(ledger: Ledger, first: int | None) -> float:
    """What unevenness() would be if guests could be cut into pieces."""
    floor = 0.0
    for number in range(len(next(iter(ledger.hosts.values())).limit[:first]) if ledger.hosts else 0):
        limits = [host.limit[number] for host in ledger.hosts.values() if host.limit[number]]
        used = sum(have[number] for have in ledger.used.values())
        floor += len(limits) * (used / sum(limits)) ** 2 if limits else 0.0
    return floor


def best_move(ledger: Ledger, first: int | None) -> tuple[Guest, int, int, float] | None:
    """(guest, from, to, how much more even it is)."""
    order = sorted(ledger.hosts, key=lambda one: (-ledger.share(one), one))
    best: tuple[Guest, int, int, float] | None = None
    best_rank = (0.0, 0.0)
    for source in order[:FULLEST]:
        for target in reversed(order[-EMPTIEST:]):
            if target == source:
                continue
            for guest in ledger.guests[source].values():
                if not guest.can_be_on(target) or not ledger.fits(guest, target):
                    continue
                gain = gained(ledger, guest, source, target, first)
                rank = (gain, -float(guest.prices.get(target, 0)))
                if gain > 0 and rank > best_rank:
                    best, best_rank = (guest, source, target, gain), rank
    return best


def gained(ledger: Ledger, guest: Guest, source: int, target: int, first: int | None) -> float:
    """How much less unevenness() is after it."""
    found = 0.0
    for number, amount in enumerate(guest.load[:first]):
        for host, change in ((source, -amount), (target, amount)):
            limit = ledger.hosts[host].limit[number]
            if limit:
                have = ledger.used[host][number]
                found += (have / limit) ** 2 - ((have + change) / limit) ** 2
    return found
