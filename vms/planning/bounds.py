"""What no plan can go below."""

from __future__ import annotations

from collections.abc import Sequence

from vms.planning.values import Guest, Host, total


def fewest(hosts: Sequence[Host], guests: Sequence[Guest], *, spare: bool) -> int:
    """So many hosts are needed at least: by the sums of what the guests use, the largest hosts first, and by those that
    a guest cannot leave. spare: one of them may be lost."""
    if not guests:
        return 0
    size = len(guests[0].load)
    wanted = total((guest.load for guest in guests), size)
    needed = 1
    for number in range(size):
        needed = max(needed, count(sorted((host.limit[number] for host in hosts), reverse=True), wanted[number]))
        if spare:
            # The largest that is used may be the one that is lost.
            largest, *others = sorted((host.whole[number] for host in hosts), reverse=True) or [0]
            needed = max(needed, 1 + count(others or [largest], wanted[number]))
    stuck = {guest.host for guest in guests if not any(host != guest.host for host in guest.prices)}
    return min(max(needed, len(stuck)), len(hosts))


def count(limits: Sequence[int], wanted: int) -> int:
    """So many of them, from the first on, hold what is wanted; all where they do not."""
    held = 0
    for number, limit in enumerate(limits):
        if held >= wanted:
            return number
        held += limit
    return len(limits)
