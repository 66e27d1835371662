"""In which order moves are made, and which at the same time, so that no host is ever overfilled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vms.planning.values import Guest, Host, Ledger, Move, now


@dataclass(frozen=True)
class Ordered:
    """waves: moves that are made at the same time, one wave after the other. left: those for which there was never
    room, each of which would have had to wait for another of them."""

    waves: tuple[tuple[Move, ...], ...]
    left: tuple[Move, ...]


def ordered(hosts: Sequence[Host], guests: Sequence[Guest], moves: Sequence[Move], *, parallel: int) -> Ordered:
    """While it moves a guest counts on both hosts. parallel: so many at most come to or leave a host at a time."""
    ledger = Ledger(hosts, guests, now(guests))
    by_id = {guest.id: guest for guest in guests}
    left, waves = list(moves), []
    while left:
        wave: list[Move] = []
        busy: dict[int, int] = {}
        for move in left:
            guest = by_id[move.guest]
            if max(busy.get(move.source, 0), busy.get(move.target, 0)) < parallel and ledger.fits(guest, move.target):
                ledger.put(guest, move.target)
                wave.append(move)
                for host in (move.source, move.target):
                    busy[host] = busy.get(host, 0) + 1
        if not wave:
            break
        for move in wave:
            ledger.take(by_id[move.guest], move.source)
        waves.append(tuple(wave))
        gone = set(wave)
        left = [move for move in left if move not in gone]
    return Ordered(tuple(waves), tuple(left))
