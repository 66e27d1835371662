"""The right to speak for a host, asked again in every transaction that writes what it said."""

from __future__ import annotations

from collections.abc import Iterable
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


def held(terms: Iterable[Term]) -> set[int]:
    """The hosts of those terms that are still held; one query. The rows stay locked until the transaction ends."""
    epochs = {(term.host.pk, term.watcher): term.epoch for term in terms}
    leases = Lease.objects.select_for_update().filter(host__in={host for host, _ in epochs}).order_by("pk")
    found = leases.values_list("host", "watcher", "epoch")
    return {host for host, watcher, epoch in found if epochs.get((host, watcher)) == epoch}


def hold(term: Term) -> None:
    """Nothing, or LeaseLost. The row stays locked until the transaction ends."""
    if not held([term]):
        raise LeaseLost
