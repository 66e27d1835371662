"""What becomes of guests whose host is lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vms.planning.values import Assignment, Guest, Host, Ledger, share, total


@dataclass(frozen=True)
class Lost:
    """assignment: of those that find another host. homeless: those that do not, in their order."""

    assignment: Assignment
    homeless: tuple[int, ...]


def after_loss(hosts: Sequence[Host], guests: Sequence[Guest], assignment: Assignment, lost: int) -> Lost:
    """Where the guests of that host would start, the largest first, each where the most is left."""
    rest = [host for host in hosts if host.id != lost]
    limit = next(host.whole for host in hosts if host.id == lost)
    mine = [guest for guest in guests if assignment[guest.id] == lost]
    mine.sort(key=lambda one: (-share(one.load, limit), one.id))
    return settled(Ledger(rest, guests, assignment), mine, whole=True)


def added(hosts: Sequence[Host], guests: Sequence[Guest], assignment: Assignment, more: Sequence[Guest]) -> Lost:
    """Where more of them would go, in their order, each where the most is left."""
    return settled(Ledger(hosts, guests, assignment), more, whole=False)


def settled(ledger: Ledger, more: Iterable[Guest], *, whole: bool) -> Lost:
    """They go where there is room, one after the other. whole: as when another host is lost."""
    found: dict[int, int] = {}
    homeless = []
    for guest in more:
        fitting = [
            host for host in ledger.hosts if guest.can_be_on(host) and ledger.fits(guest, host, whole=whole)
        ]  # fmt: skip
        if not fitting:
            homeless.append(guest.id)
            continue
        target = min(fitting, key=lambda host: (ledger.share(host), host))
        ledger.put(guest, target)
        found[guest.id] = target
    return Lost(found, tuple(homeless))


def survives(hosts: Sequence[Host], guests: Sequence[Guest], assignment: Assignment) -> bool:
    """Whether each host that carries something may be lost. hosts: those that are in use, or stand by for that."""
    return all(
        not after_loss(hosts, guests, assignment, host).homeless for host in sorted(set(assignment.values()))
    )  # fmt: skip


def may_survive(hosts: Iterable[Host], guests: Sequence[Guest]) -> bool:
    """By the sums alone, which is quick: False where no arrangement on these hosts does."""
    there = list(hosts)
    if not guests:
        return True
    size = len(guests[0].load)
    wanted, whole = total((guest.load for guest in guests), size), total((host.whole for host in there), size)
    largest = [max((host.whole[number] for host in there), default=0) for number in range(size)]
    return all(need <= have - most for need, have, most in zip(wanted, whole, largest, strict=True))
