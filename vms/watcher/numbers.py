"""From counters to what people read: the share of its processors that a VM used since the last sample."""

from __future__ import annotations

import time
from collections.abc import Mapping

from vms import live
from vms.models import Host, Placement
from vms.virt import HostNumbers, Numbers


class Sampler:
    """Remembers the last counters of a host's running VMs, and which rows they have."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.last: dict[str, tuple[float, int]] = {}
        self.rows: dict[str, int] = {}
        self.host_last: HostNumbers | None = None

    def sample(self, told: Mapping[str, Numbers], vcpus: Mapping[str, int]) -> None:
        """Store the present numbers for the pages. vcpus: how many processors each has."""
        now = time.monotonic()
        if told.keys() - self.rows.keys():
            stored = Placement.objects.filter(host=self.host, uuid__in=list(told)).values_list("uuid", "pk")
            self.rows = {str(uuid): pk for uuid, pk in stored}
        numbers = {}
        for uuid in told.keys() & self.rows.keys():
            counters = told[uuid]
            share = self.share(uuid, counters.cpu_ns, now, vcpus.get(uuid, 1))
            numbers[str(self.rows[uuid])] = {"cpu": share, "memory_kib": float(counters.memory_kib or 0)}
        self.last = {uuid: (now, counters.cpu_ns) for uuid, counters in told.items()}
        live.store_numbers(self.host.pk, numbers)

    def share(self, uuid: str, cpu_ns: int, now: float, vcpus: int) -> float:
        """0..1; 0 for the first sample and for counters that started anew."""
        before, used = self.last.get(uuid, (now, cpu_ns))
        if now <= before or cpu_ns < used:
            return 0.0
        return round(min((cpu_ns - used) / 1e9 / (now - before) / max(vcpus, 1), 1.0), 4)

    def sample_host(self, told: HostNumbers | None) -> None:
        """Store the host's own: the share of all its processors that was used since the last sample, and its memory."""
        before, self.host_last = self.host_last, told
        if told is None:
            return
        total, idle = (told.cpu_ns - before.cpu_ns, told.idle_ns - before.idle_ns) if before else (0, 0)
        free = {str(cell): {str(size): n for size, n in sizes.items()} for cell, sizes in told.free_pages.items()}
        use = {
            "cpu": round(min(max(1 - idle / total, 0.0), 1.0), 4) if total > 0 else None,
            "memory_kib": max(told.memory_kib - told.memory_free_kib, 0),
            "of_kib": told.memory_kib,
            "pages": free,
            "free_kib": {str(cell): kib for cell, kib in told.free_kib.items()},
        }
        live.store_host_use(self.host.pk, use)
