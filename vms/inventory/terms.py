"""The right to speak for a host, asked again in every transaction that writes what it said."""

from __future__ import annotations

from dataclasses import dataclass

from vms.models import Host, Lease


@dataclass(frozen=True)
class Term:
    """The host's lease as it was taken."""

    host: Host
    watcher: str
    epoch: int


class LeaseLost(Exception):
    """Another watcher speaks for the host by now, or nobody may."""


def hold(term: Term) -> None:
    """Nothing, or LeaseLost. The row stays locked until the transaction ends."""
    lease = Lease.objects.select_for_update().filter(host=term.host, watcher=term.watcher, epoch=term.epoch)
    if not lease.exists():
        raise LeaseLost
