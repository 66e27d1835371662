"""The same question put to HiGHS, a solver of mixed integer programs, where it is small enough to be answered in
seconds; its answer is taken where it is better than what is known already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from vms.planning.consolidate import rank
from vms.planning.loss import survives
from vms.planning.values import Assignment, Guest, Host, total

# So many guests times hosts at most.
LARGEST: Final = 6000
SECONDS: Final = 8.0
# What is left of an improvement is not looked for below this part of the whole.
GAP: Final = 0.005


def improved(hosts: Sequence[Host], guests: Sequence[Guest], known: Assignment, *, spare: bool) -> Assignment:
    """One with fewer hosts or cheaper moves, else the known one. An answer that the clock cut short is not taken, so
    that the same question has the same answer."""
    if not guests or len(hosts) * len(guests) > LARGEST:
        return known
    found = solved(hosts, guests, known, spare=spare)
    if found is None or rank(guests, found) >= rank(guests, known):
        return known
    used = set(found.values())
    return found if not spare or survives([host for host in hosts if host.id in used], guests, found) else known


def solved(hosts: Sequence[Host], guests: Sequence[Guest], known: Assignment, *, spare: bool) -> Assignment | None:
    """What HiGHS says, None where it came to no end."""
    # numpy comes with it: only who plans needs to load that.
    import highspy

    class Silent(highspy.Highs):
        """Its own name, which it tells when it is made, would be all that the log has of it."""

        def enableCallbacks(self) -> None:
            self.silent()
            super().enableCallbacks()  # type: ignore[no-untyped-call]

    model: Any = Silent()  # type: ignore[no-untyped-call]
    options = {"threads": 1, "random_seed": 1, "time_limit": SECONDS, "mip_rel_gap": GAP}
    for name, value in options.items():
        model.setOptionValue(name, value)
    # One host less is worth more than all moves together.
    worth = 1 + sum(max(guest.prices.values(), default=0) for guest in guests)
    used = {host.id: model.addBinary(obj=worth) for host in hosts}
    on = {
        (guest.id, host.id): model.addBinary(obj=0 if host.id == guest.host else guest.prices[host.id])
        for guest in guests
        for host in hosts
        if guest.can_be_on(host.id)
    }
    for guest in guests:
        model.addConstr(sum(on[guest.id, host.id] for host in hosts if (guest.id, host.id) in on) == 1)
    for host in hosts:
        there = [guest for guest in guests if (guest.id, host.id) in on]
        for number, limit in enumerate(host.limit):
            if there:
                load = sum(guest.load[number] * on[guest.id, host.id] for guest in there)
                model.addConstr(load - limit * used[host.id] <= 0)
        for word in sorted(frozenset().union(*(guest.apart for guest in there))):
            model.addConstr(sum(on[guest.id, host.id] for guest in there if word in guest.apart) <= 1)
    if spare:
        keep_room(model, hosts, guests, used)
    model.setSolution(hint(highspy, hosts, on, known))
    model.run()
    if model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    values = model.getSolution().col_value
    return {guest: host for (guest, host), variable in on.items() if values[variable.index] > 0.5}


def keep_room(model: Any, hosts: Sequence[Host], guests: Sequence[Guest], used: dict[int, Any]) -> None:
    """Without any one of them, those that are used hold all, by the sums."""
    wanted = total((guest.load for guest in guests), len(guests[0].load))
    for lost in hosts:
        for number, want in enumerate(wanted):
            model.addConstr(sum(host.whole[number] * used[host.id] for host in hosts if host is not lost) >= want)


def hint(highspy: Any, hosts: Sequence[Host], on: dict[tuple[int, int], Any], known: Assignment) -> Any:
    """What is known already, from where it begins."""
    solution = highspy.HighsSolution()
    in_use = set(known.values())
    solution.col_value = [
        *(float(host.id in in_use) for host in hosts), *(float(known[guest] == host) for guest, host in on)
    ]  # fmt: skip
    return solution
