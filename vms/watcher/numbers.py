"""From counters to what people read: the present numbers for pages, samples for the store, counters for Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from uuid import UUID

from vms import live
from vms.kinds.agent import READ_ONLY
from vms.metrics import GUEST, HOST, POOL, VM, Family, Sample
from vms.models import Host, Placement, StoragePool
from vms.virt import GuestInfo, HostNumbers, Numbers, PoolInfo
from vms.watcher.rates import host_rates, rates, until_whole

# What was not heard for so many periods was away: what it did meanwhile is no number of this moment.
AWAY: Final = 3
SHORTEST: Final = 5.0
# A VM that has moved is another row's from then on.
KNOWN_FOR: Final = 60.0
# A guest may tell anything.
LARGEST: Final = 2**62
# What is so much a second, or a share of it, and no state of a moment.
FLOWS: Final = [series.unit not in ("bytes", "s") for series in VM.series]
# What a VM's page tells beside processors and memory.
MOVED: Final = {name: VM.names.index(name) for name in ("disk_read", "disk_write", "net_in", "net_out")}

Keep = Callable[[Family, list[Sample]], None]


class Sampler:
    """Remembers the last counters of a host's running VMs, and which rows they have. keep: takes the samples."""

    def __init__(self, host: Host, keep: Keep) -> None:
        self.host = host
        self.keep = keep
        self.at = 0.0
        # The same moment in seconds since 1970, and what was done a second until then.
        self.wall = 0.0
        self.rates: dict[str, list[float | None]] = {}
        self.last: dict[str, Numbers] = {}
        # By UUID the placement and the VM, None for one that counts elsewhere: while it moves, two hosts have it.
        self.rows: dict[str, tuple[int, int | None]] = {}
        self.looked_at = 0.0
        self.host_at = 0.0
        self.host_last: HostNumbers | None = None

    def sample(
        self, told: Mapping[str, Numbers], vcpus: Mapping[str, int], period: float, at: float, wall: float
    ) -> None:
        """Take in the counters of all at a moment of time.monotonic(), which was wall seconds after 1970 began. vcpus:
        how many processors each has; period: seconds from one sample to the next."""
        seconds, t = at - self.at, int(wall)
        if seconds < 1 and t == int(self.wall):
            # The store has one sample a second: the next one tells of both.
            return
        before = self.last if seconds <= AWAY * max(period, SHORTEST) else {}
        early, late = self.wall % 1, wall % 1
        self.last, self.at, self.wall = dict(told), at, wall
        was, self.rates = self.rates if before else {}, {}
        self.know(told, at)
        samples: list[Sample] = []
        numbers, counters = {}, {}
        for uuid, now in told.items():
            placement, vm = self.rows.get(uuid, (None, None))
            if placement is None:
                continue
            values = self.rates[uuid] = rates(before.get(uuid), now, seconds, vcpus.get(uuid, 1))
            numbers[str(placement)] = {
                "cpu": round((values[0] or 0.0) / 100, 4),
                "memory_kib": float(now.memory_kib or 0),
                **{name: round(value) for name, place in MOVED.items() if (value := values[place]) is not None},
            }
            if vm is not None:
                samples.append((vm, t, until_whole(was.get(uuid), values, early, seconds - late, FLOWS)))
                counters[vm] = now
        if samples:
            self.keep(VM, samples)
        live.store_numbers(self.host.pk, numbers)
        live.store_counters(self.host.pk, json.dumps({"names": Numbers._fields, "vms": counters}))

    def know(self, told: Mapping[str, Numbers], at: float) -> None:
        """Look again which rows they have, where one is new, moves, or was not asked for a while."""
        if at - self.looked_at < KNOWN_FOR and all(self.rows.get(uuid, (0, None))[1] is not None for uuid in told):
            return
        stored = Placement.objects.filter(host=self.host, uuid__in=list(told))
        self.rows = {
            str(uuid): (pk, vm if pk == counts else None)
            for uuid, pk, vm, counts in stored.values_list("uuid", "pk", "vm_id", "vm__placement_id")
        }
        self.looked_at = at

    def sample_host(self, told: HostNumbers | None, period: float, at: float) -> None:
        """Take in the host's own counters; None: it has none."""
        before, self.host_last = self.host_last, told
        if at - self.host_at > AWAY * max(period, SHORTEST):
            before = None
        self.host_at = at
        if told is None:
            live.store_host_use(self.host.pk, {"period": period})
            return
        values = host_rates(before, told)
        self.keep(HOST, [(self.host.pk, int(time.time()), values)])
        free = {str(cell): {str(size): n for size, n in sizes.items()} for cell, sizes in told.free_pages.items()}
        use = {
            "cpu": None if values[0] is None else round(values[0] / 100, 4),
            "memory_kib": max(told.memory_kib - told.memory_free_kib, 0),
            "of_kib": told.memory_kib,
            "pages": free,
            "free_kib": {str(cell): kib for cell, kib in told.free_kib.items()},
            "period": period,
            "cpu_ns": told.cpu_ns,
            "idle_ns": told.idle_ns,
            "wait_ns": told.wait_ns,
        }
        live.store_host_use(self.host.pk, use)

    def sample_pools(self, told: Iterable[PoolInfo]) -> None:
        """Take in how full the active pools are that have a row already."""
        rows = dict(StoragePool.objects.filter(host=self.host).values_list("uuid", "pk"))
        t = int(time.time())
        active = [(rows.get(UUID(pool.uuid)), pool) for pool in told if pool.active]
        self.keep(POOL, [(pk, t, (pool.allocation, pool.capacity)) for pk, pool in active if pk is not None])


def sample_guest(placement: Placement, said: GuestInfo, keep: Keep) -> None:
    """Take in how full a guest's file systems are, as it tells, of those that can be written to."""
    known = [
        (min(each.used_bytes, each.total_bytes), each.total_bytes)
        for each in said.file_systems
        if each.type not in READ_ONLY and each.used_bytes is not None and each.total_bytes
    ]
    if known and placement.vm.placement_id == placement.pk:
        fullest = max(100 * used / size for used, size in known)
        used, size = (min(sum(column), LARGEST) for column in zip(*known, strict=True))
        keep(GUEST, [(placement.vm_id, int(time.time()), (fullest, used, size))])
