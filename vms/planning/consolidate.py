"""On how few hosts the guests can be, and with how few moves: hosts are emptied one after the other, the one that
carries least first; where sums say that fewer could do, all is packed anew. The same question has the same answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from vms.planning.bounds import fewest
from vms.planning.loss import may_survive, survives
from vms.planning.values import Assignment, Guest, Host, Ledger, now, price, share, total

# So many ways to fill one host are looked at when all is packed anew.
WAYS: Final = 3000


@dataclass(frozen=True)
class Consolidated:
    """hosts: those that carry something then. bound: no plan needs fewer."""

    assignment: Assignment
    hosts: frozenset[int]
    bound: int


def consolidated(hosts: Sequence[Host], guests: Sequence[Guest], *, spare: bool) -> Consolidated:
    """The best that was found. spare: any one of the hosts that are used then may be lost, and its guests find room on
    the others."""
    bound = fewest(hosts, guests, spare=spare)
    best = emptied(hosts, guests, spare=spare)
    if len(set(best.values())) > bound:
        anew = packed(hosts, guests, spare=spare)
        if anew is not None and rank(guests, anew) < rank(guests, best):
            best = anew
    return Consolidated(best, frozenset(best.values()), bound)


def rank(guests: Sequence[Guest], assignment: Assignment) -> tuple[int, int]:
    """Fewer hosts before cheaper moves."""
    return len(set(assignment.values())), price(guests, assignment)


def emptied(hosts: Sequence[Host], guests: Sequence[Guest], *, spare: bool) -> dict[int, int]:
    """Each host that can be emptied into those that go on, as long as they may lose one of them."""
    ledger = Ledger(hosts, guests, now(guests))
    in_use = {host.id for host in hosts if ledger.guests[host.id]}
    done: list[tuple[int, dict[int, int]]] = []
    while found := next_emptied(ledger, in_use, guests, spare=spare):
        host, before = found
        in_use.discard(host)
        done.append((host, before))
    by_id = {host.id: host for host in hosts}
    assignment = ledger.assignment()
    # By the sums it does; guest by guest it may not.
    while done and spare and not survives([by_id[one] for one in sorted(in_use)], guests, assignment):
        host, assignment = done.pop()
        in_use.add(host)
    return assignment


def next_emptied(
    ledger: Ledger, in_use: set[int], guests: Sequence[Guest], *, spare: bool
) -> tuple[int, dict[int, int]] | None:
    """The next host that goes out of use, and how all was before; None where there is none."""
    for host in sorted(in_use, key=lambda one: (ledger.share(one), one)):
        others = in_use - {host}
        if not others or (spare and not may_survive((ledger.hosts[one] for one in others), guests)):
            continue
        before = ledger.assignment()
        if empty(ledger, host, others):
            return host, before
    return None


def empty(ledger: Ledger, host: int, others: Iterable[int]) -> bool:
    """Its guests go to the others, the largest first, each where the least is left after it; False, and all is as
    before, where one finds no room."""
    limit = ledger.hosts[host].limit
    there, gone = sorted(others), list[tuple[Guest, int]]()
    for guest in sorted(ledger.guests[host].values(), key=lambda one: (-share(one.load, limit), one.id)):
        fitting = [one for one in there if guest.can_be_on(one) and ledger.fits(guest, one)]
        if not fitting:
            for back, target in reversed(gone):
                ledger.take(back, target)
                ledger.put(back, host)
            return False
        target = max(fitting, key=lambda one: (one == guest.host, ledger.share(one), -guest.prices.get(one, 0), -one))
        ledger.take(guest, host)
        ledger.put(guest, target)
        gone.append((guest, target))
    return True


def packed(hosts: Sequence[Host], guests: Sequence[Guest], *, spare: bool) -> dict[int, int] | None:
    """All of them anew, host after host, each filled as far as can be: the largest hosts first, and of those alike the
    one that carries most now. None where some find no room."""
    ledger, empty_ones = Ledger(hosts, guests, now(guests)), Ledger(hosts, (), {})
    left = {guest.id: guest for guest in guests}
    weights = scarcity(hosts, guests)
    order = sorted(hosts, key=lambda one: (-weighed(one.limit, one.limit, weights), -ledger.share(one.id), one.id))
    # Those that can be in one place only take it before others do.
    for guest in guests:
        if not any(host != guest.host for host in guest.prices) and guest.host in empty_ones.hosts:
            if not empty_ones.fits(guest, guest.host):
                return None
            empty_ones.put(guest, guest.host)
            del left[guest.id]
    for host in order:
        if not left:
            break
        for guest in filled(empty_ones, host, list(left.values()), weights):
            empty_ones.put(guest, host.id)
            del left[guest.id]
    if left:
        return None
    assignment = empty_ones.assignment()
    used = [host for host in hosts if empty_ones.guests[host.id]]
    if spare and not survives(used, guests, assignment):
        # One more stands by.
        free = next((host for host in order if host not in used), None)
        if free is None or not survives([*used, free], guests, assignment):
            return None
    return assignment


def scarcity(hosts: Sequence[Host], guests: Sequence[Guest]) -> tuple[float, ...]:
    """Of each resource how much of all that there is the guests want."""
    size = len(guests[0].load) if guests else 0
    wanted, most = total((guest.load for guest in guests), size), total((host.limit for host in hosts), size)
    return tuple(want / (have or 1) for want, have in zip(wanted, most, strict=True))


def weighed(load: Sequence[int], limit: Sequence[int], weights: Sequence[float]) -> float:
    """How much of a host it is, a scarce resource counting for more."""
    return sum(weight * have / (most or 1) for weight, have, most in zip(weights, load, limit, strict=True))


def filled(ledger: Ledger, host: Host, left: Sequence[Guest], weights: Sequence[float]) -> tuple[Guest, ...]:
    """Those of them that fill the host best, of so many ways as are looked at: minimum bin slack (Gupta and Ho, 1999),
    with several resources."""
    free = [most - have for most, have in zip(host.limit, ledger.used[host.id], strict=True)]
    sizes = {guest.id: weighed(guest.load, host.limit, weights) for guest in left}
    wanted = sorted(
        (guest for guest in left if guest.can_be_on(host.id) and ledger.fits(guest, host.id)),
        key=lambda one: (-sizes[one.id], one.host != host.id, one.id),
    )
    if not wanted:
        return ()
    first = wanted[0]
    best: tuple[float, tuple[Guest, ...]] = (0.0, ())
    for chosen, size in islice(ways(wanted, sizes, free, first), WAYS):
        if size > best[0] + 1e-12:
            best = (size, chosen)
    return best[1]


def ways(
    wanted: Sequence[Guest], sizes: dict[int, float], free: Sequence[int], first: Guest
) -> Iterable[tuple[tuple[Guest, ...], float]]:
    """Sets of guests that fit together, the first among them, with how much of the host each is; greedy ones first."""
    start = [have - more for have, more in zip(free, first.load, strict=True)]
    stack: list[tuple[int, tuple[Guest, ...], list[int], frozenset[str], float]] = [
        (1, (first,), start, first.apart, sizes[first.id])
    ]
    while stack:
        number, chosen, room, apart, size = stack.pop()
        while number < len(wanted):
            guest = wanted[number]
            number += 1
            if guest.apart & apart or any(more > have for have, more in zip(room, guest.load, strict=True)):
                continue
            # Without it later, with it now; one of the same size would be no other way.
            skip = number
            while skip < len(wanted) and wanted[skip].load == guest.load and not wanted[skip].apart:
                skip += 1
            stack.append((skip, chosen, room, apart, size))
            chosen, apart, size = (*chosen, guest), apart | guest.apart, size + sizes[guest.id]
            room = [have - more for have, more in zip(room, guest.load, strict=True)]
        yield chosen, size
