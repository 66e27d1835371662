"""Emptying hosts that are named into the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vms.planning.loss import settled
from vms.planning.values import Guest, Host, Ledger, now, share


def evacuated(hosts: Sequence[Host], guests: Sequence[Guest], away: Collection[int]) -> dict[int, int]:
    """Where the guests are when those of these hosts have gone to the others, the largest first, each where the most is
    left; who finds no room stays."""
    rest = [host for host in hosts if host.id not in away]
    limits = {host.id: host.limit for host in hosts}
    leaving = [guest for guest in guests if guest.host in away]
    leaving.sort(key=lambda one: (-share(one.load, limits[one.host]), one.id))
    found = settled(Ledger(rest, guests, now(guests)), leaving, whole=False).assignment
    return {**now(guests), **found}
