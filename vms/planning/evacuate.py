"""Emptying hosts that are named into the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vms.planning.values import Guest, Host, Ledger, now, share


def evacuated(hosts: Sequence[Host], guests: Sequence[Guest], away: Collection[int]) -> dict[int, int]:
    """Where the guests are when those of these hosts have gone to the others, the largest first, each where that costs
    least, then where the most is left after it; who finds no room stays."""
    limits = {host.id: host.limit for host in hosts}
    where = now(guests)
    ledger = Ledger([host for host in hosts if host.id not in away], guests, where)
    leaving = [guest for guest in guests if guest.host in away]
    leaving.sort(key=lambda one: (-share(one.load, limits[one.host]), one.id))
    for guest in leaving:
        fitting = [host for host in ledger.hosts if guest.can_be_on(host) and ledger.fits(guest, host)]
        ranked = [(guest.prices[host], ledger.share(host, guest), host) for host in fitting]
        if ranked:
            *_, target = min(ranked)
            ledger.put(guest, target)
            where[guest.id] = target
    return where
