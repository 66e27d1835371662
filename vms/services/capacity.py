"""What hosts and pools have, what of it is given to VMs, and what is used: as far as somebody sees them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Case, Count, F, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from vms import metrics
from vms.metrics import HOST, TIERS, Total
from vms.metrics.tiers import DAY
from vms.models import Host, StoragePool
from vms.permissions import Who, visible_hosts, visible_pools, visible_vms, visible_volumes
from vms.services import operations
from vms.services.freshness import Freshness, freshness
from vms.services.placing import TAKES_MEMORY
from vms.services.top import NOW

RAW, _, QUARTER, _ = TIERS
KIB: Final = 1024


@dataclass(frozen=True)
class Part:
    """Processors, or bytes of memory, of a host. whole: what it has, 0 where that is not known. given: what running VMs
    may use; promised: what all of its VMs may. used: now; day: on the average of the last day; None where nothing was
    measured."""

    whole: int
    given: int
    promised: int
    used: float | None = None
    day: float | None = None

    @property
    def over(self) -> int:
        """How much more is given than there is."""
        return max(self.given - self.whole, 0) if self.whole else 0


@dataclass(frozen=True)
class HostLine:
    """One host, with the VMs of it that he sees."""

    host: Host
    fresh: Freshness
    cpus: Part
    memory: Part
    vms: int
    running: int


@dataclass(frozen=True)
class StorageLine:
    """One storage. pools: by which hosts have it, the first the one that is asked. growing: the bytes by which what he
    sees in it can still grow; volumes: how many these are."""

    pools: list[StoragePool]
    fresh: Freshness
    growing: int
    volumes: int

    @property
    def pool(self) -> StoragePool:
        return self.pools[0]

    @property
    def known(self) -> bool:
        return self.pool.active and self.pool.capacity_bytes > 0

    @property
    def taken(self) -> int:
        """Also by what is beside the pool on the same disk."""
        return max(self.pool.capacity_bytes - self.pool.available_bytes, 0)

    @property
    def over(self) -> int:
        """How much more is promised than there is room for."""
        return max(self.growing - self.pool.available_bytes, 0) if self.known else 0


@dataclass(frozen=True)
class Sums:
    """Over all hosts that he sees, or of all VMs that he sees where he sees no host. memory in bytes."""

    hosts: int
    cpus: Part
    memory: Part
    vms: int
    running: int


Given = tuple[int, int, int, int, int, int]
NOTHING: Final[Given] = (0, 0, 0, 0, 0, 0)


def given(who: Who) -> dict[int, Given]:
    """{host: (VMs, running ones, processors of all, of running ones, KiB of all, of running ones)}; one query."""
    takes = Q(placement__state__in=TAKES_MEMORY)
    rows = visible_vms(who).filter(placement__present=True, templated_at=None).order_by().values("placement__host_id")
    found = rows.annotate(
        vms=Count("pk"), running=Count("pk", filter=takes),
        cpus=Coalesce(Sum("placement__vcpus"), 0), cpus_on=Coalesce(Sum("placement__vcpus", filter=takes), 0),
        kib=Coalesce(Sum("placement__memory_kib"), 0), kib_on=Coalesce(Sum("placement__memory_kib", filter=takes), 0),
    )  # fmt: skip
    names = ("placement__host_id", "vms", "running", "cpus", "cpus_on", "kib", "kib_on")
    return {host: tuple(numbers) for host, *numbers in found.values_list(*names)}


def used(hosts: Iterable[int]) -> tuple[dict[int, Total], dict[int, Total]]:
    """What the hosts used of processors, in percent, and of memory, in bytes: now, and over the last day."""
    pks, now = list(hosts), int(time.time())
    end = now // QUARTER.step * QUARTER.step
    names = ("cpu", "memory")
    return (
        metrics.totals(HOST, pks, names, now - NOW, now + 1, RAW),
        metrics.totals(HOST, pks, names, end - DAY, end, QUARTER),
    )


def host_lines(who: Who, hosts: Sequence[Host], on: dict[int, Given]) -> list[HostLine]:
    """In the same order. on: what given() told."""
    at_present, over_day = used(host.pk for host in hosts)
    return [line(host, on.get(host.pk, NOTHING), at_present.get(host.pk), over_day.get(host.pk)) for host in hosts]


def line(host: Host, on: Given, at_present: Total | None, over_day: Total | None) -> HostLine:
    fresh = freshness(host)
    vms, running, cpus, cpus_on, kib, kib_on = on
    whole = int(host.facts.get("cpus") or 0)
    shares = [total.mean(0) if total else None for total in (at_present, over_day)]
    used, day = (None if share is None else share * whole / 100 for share in shares)
    return HostLine(
        host=host,
        fresh=fresh,
        cpus=Part(whole, cpus_on, cpus, used, day),
        memory=Part(
            int(host.facts.get("memory_kib") or 0) * KIB, kib_on * KIB, kib * KIB,
            at_present.mean(1) if at_present else None, over_day.mean(1) if over_day else None,
        ),
        vms=vms,
        running=running,
    )  # fmt: skip


def sums(hosts: Iterable[Host], on: dict[int, Given]) -> Sums:
    """Of these hosts; where there are none, of all VMs."""
    several = list(hosts)
    of = [on.get(host.pk, NOTHING) for host in several] if several else list(on.values())
    vms, running, cpus, cpus_on, kib, kib_on = (sum(column) for column in zip(*of, strict=True)) if of else NOTHING
    whole = sum(int(host.facts.get("cpus") or 0) for host in several)
    memory = sum(int(host.facts.get("memory_kib") or 0) for host in several) * KIB
    return Sums(len(several), Part(whole, cpus_on, cpus), Part(memory, kib_on * KIB, kib * KIB), vms, running)


def find_hosts(who: Who) -> QuerySet[Host]:
    """Those that he sees, by name."""
    return visible_hosts(who).defer("hardware", "sealed").order_by("name", "pk")


def storage_lines(who: Who, most: int | None = None) -> list[StorageLine]:
    """Those of the pools that he may use, each storage once: first where more is promised than fits, then the fullest;
    two queries."""
    by_storage: dict[int, list[StoragePool]] = {}
    unread = ("document", "host__hardware", "host__facts", "host__sealed")
    for pool in operations.by_reach(visible_pools(who)).defer(*unread):
        by_storage.setdefault(pool.storage_id, []).append(pool)
    # What takes more than it holds, such as a qcow2 with its own tables, does not grow.
    grows = Case(
        When(capacity_bytes__gt=F("allocation_bytes"), then=F("capacity_bytes") - F("allocation_bytes")), default=0
    )  # fmt: skip
    rows = visible_volumes(who).filter(present=True, storage__in=list(by_storage)).order_by().values("storage")
    promised = {
        storage: (growing or 0, number)
        for storage, growing, number in rows.annotate(growing=Sum(grows), number=Count("pk")).values_list(
            "storage", "growing", "number"
        )
    }
    lines = [
        StorageLine(pools, freshness(pools[0].host), *promised.get(storage, (0, 0)))
        for storage, pools in by_storage.items()
    ]  # fmt: skip
    return sorted(lines, key=lambda one: (not one.over, -fullness(one), one.pool.name, one.pool.pk))[:most]


def fullness(one: StorageLine) -> float:
    return one.taken / one.pool.capacity_bytes if one.known else 0.0
