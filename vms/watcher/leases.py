"""Which watcher speaks for a host, by the database's clock."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from vms.inventory import Term
from vms.models import Host, Lease

LENGTH: Final = Lease.LENGTH


def name(node: str) -> str:
    """This process as leases know it: node, process and when that started, so that its death can be told."""
    return f"{node} {os.getpid()} {started(os.getpid())}"


def started(pid: int) -> str:
    """When the process started, in the kernel's ticks; "" for one that does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_dead(watcher: str, node: str) -> bool:
    """Whether that watcher certainly is no more: only a process of this node can be asked."""
    where, _, process = watcher.rpartition(" ")[0].rpartition(" ")
    since = watcher.rpartition(" ")[2]
    return where == node and process.isdigit() and started(int(process)) != since


def take(host: Host, watcher: str, node: str) -> Term | None:
    """The lease with a new epoch, or None while another living watcher has it."""
    holder = Lease.objects.filter(host=host).first()
    if holder is None:
        try:
            lease = Lease.objects.create(host=host, watcher=watcher, until=Now() + LENGTH)
        except IntegrityError:
            return None
        return Term(host, watcher, lease.epoch)
    free = ~Lease.standing()
    if holder.watcher == watcher or is_dead(holder.watcher, node):
        free |= Q(watcher=holder.watcher)
    taken = Lease.objects.filter(free, pk=holder.pk, epoch=holder.epoch).update(
        watcher=watcher, epoch=F("epoch") + 1, until=Now() + LENGTH
    )
    return Term(host, watcher, holder.epoch + 1) if taken else None


def share(hosts: int, watchers: int) -> int:
    """How many hosts a watcher takes, so that all of them are watched when each takes as many."""
    return -(-hosts // max(watchers, 1))


def overdue(hosts: Collection[int]) -> set[int]:
    """Those that nobody has watched for as long as a lease: whoever sees them takes them. One query, or none."""
    late = Q(until__lt=Now() - LENGTH) | Q(until__gt=Now() + LENGTH)
    found = Lease.objects.filter(late, host__in=hosts)
    return set(found.values_list("host", flat=True)) if hosts else set()


def renew(terms: Iterable[Term]) -> set[int]:
    """The hosts whose leases are still ours, now for another 10 s; one UPDATE for those of the same epoch."""
    alike: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for term in terms:
        alike[term.watcher, term.epoch].append(term.host.pk)
    ours: set[int] = set()
    with transaction.atomic():
        for (watcher, epoch), hosts in alike.items():
            held = Lease.objects.filter(watcher=watcher, epoch=epoch, host__in=hosts)
            if held.update(until=Now() + LENGTH) == len(hosts):
                ours.update(hosts)
            else:
                ours.update(held.values_list("host", flat=True))
    return ours


def release(term: Term) -> None:
    """Let another watcher take the host at once; nothing more is written under this term."""
    held = Lease.objects.filter(host=term.host, watcher=term.watcher, epoch=term.epoch)
    held.update(until=Now(), epoch=F("epoch") + 1)
