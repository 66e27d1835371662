"""What it costs to watch: `python -m tests.bench.watching_in_process VMS TICKS`, inside a prepared state folder.

Full records, as libvirt tells them of a guest with two disks and two cards, are replayed where libvirt's binding would
hand them over; every number in them changes each tick, five seconds of a clock that the bench moves. What is counted
is everything of ours from there on: values, rates, Redis, store, roll-ups.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.records import record

VMS, TICKS = int(sys.argv[1]), int(sys.argv[2])
EACH = 1000
PERIOD = 5
# One VM, every tier full, of so many; and with one year in them.
FULL = 10
YEAR = 365 * 86400


class Clock:
    """In the place of the module time."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Domain:
    def __init__(self, identity: str) -> None:
        self.identity = identity

    def UUIDString(self) -> str:
        return self.identity

    def ID(self) -> int:
        return 7


class Handle:
    """A host whose VMs all work."""

    def __init__(self, identities: list[str]) -> None:
        self.records = [(Domain(identity), record(i)) for i, identity in enumerate(identities)]

    def getAllDomainStats(self, kinds: int, flags: int) -> Any:
        return self.records

    def work(self, tick: int) -> None:
        """Every number grows, each VM's in its own way; memory goes up and down."""
        for i, (_, told) in enumerate(self.records):
            for name, value in told.items():
                if isinstance(value, int):
                    told[name] = value + 1 + (i * 7919 + tick * 104_729) % 1_000_003
            for name in ("vcpu.current", "vcpu.maximum", "block.count", "net.count"):
                told[name] = 2
            told["balloon.available"] = 4 << 20
            told["balloon.usable"] = (i * 31 + tick * 977) % (4 << 20)
            told["cpu.time"] += 10**9


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    from vms import metrics
    from vms.models import Host
    from vms.virt.numbers import numbers
    from vms.watcher import numbers as sampling
    from vms.watcher import recorder as recording

    clock = Clock()
    for module in (recording, sampling):
        vars(module)["time"] = clock
    hosts = Host.objects.bulk_create(Host(name=f"kvm-{n}", address=f"kvm-{n}") for n in range(-(-VMS // EACH)))
    identities = make_vms(hosts)
    recorder = recording.Recorder()
    metrics.prepare()
    watched = [
        (Handle(identities[host.pk]), sampling.Sampler(host, recorder.keep), dict.fromkeys(identities[host.pk], 2))
        for host in hosts
    ]
    ticks = []
    written = io()
    for tick in range(TICKS):
        for handle, _, _ in watched:
            handle.work(tick)
        began = time.process_time()
        for handle, sampler, vcpus in watched:
            sampler.sample(numbers(handle), vcpus, PERIOD, clock.now, clock.now + 0.5)
        clock.now += PERIOD
        if tick % 3 == 2:
            recorder.turn()
        ticks.append(time.process_time() - began)
    told = {
        "seconds": sum(ticks[3:]) / len(ticks[3:]),
        "longest": max(ticks[3:]),
        "written": (io() - written) / TICKS / PERIOD,
        "memory": memory(),
    }
    if len(hosts) == 1:
        told |= full(metrics)
    print(json.dumps(told))


def make_vms(hosts: list[Any]) -> dict[int, list[str]]:
    """{host: UUIDs of its VMs}, with rows for all."""
    from django.utils import timezone

    from vms.models import Placement, VirtualMachine

    found: dict[int, list[str]] = {host.pk: [] for host in hosts}
    vms = VirtualMachine.objects.bulk_create(VirtualMachine(name=f"app-{n:05}") for n in range(VMS))
    placements = []
    for n, vm in enumerate(vms):
        host, identity = hosts[n // EACH], uuid.UUID(int=n + 1)
        found[host.pk].append(str(identity))
        placements.append(
            Placement(
                vm=vm, host=host, uuid=identity, name=vm.name, state="running", state_since=timezone.now(),
                read_at=timezone.now(), vcpus=2, memory_kib=4 << 20,
            )
        )  # fmt: skip
    for vm, placement in zip(vms, Placement.objects.bulk_create(placements), strict=True):
        vm.placement = placement
    VirtualMachine.objects.bulk_update(vms, ["placement"], batch_size=500)
    return found


def full(metrics: Any) -> dict[str, Any]:
    """What a VM takes of the disk when two years and when one are over, and how long its chart of a year takes."""
    from vms.metrics import TIERS, VM
    from vms.metrics.database import columns, cursor, table

    now = 1_900_000_000 // 10800 * 10800
    took = []
    for first, longest in ((10**9, 2 * YEAR), (2 * 10**9, YEAR)):
        used = size()
        with cursor() as look:
            for tier in TIERS:
                names = columns(VM, tier)
                step = tier.step or PERIOD
                rows = [
                    (first + vm, t, *[(t * 7919 + vm * 31 + i * 104_729) % 1_000_003 for i in range(len(names))])
                    for vm in range(FULL)
                    for t in range((now - min(tier.keep, longest)) // step * step, now, step)
                ]
                look.executemany(
                    f"INSERT INTO {table(VM, tier)} (thing, t, {', '.join(names)}) "
                    f"VALUES ({', '.join(['%s'] * (len(names) + 2))})",
                    rows,
                )
        took.append((size() - used) / FULL)
    times = []
    for _ in range(9):
        began = time.perf_counter()
        answer = metrics.ask(VM, 10**9, VM.names, now - YEAR, now, now)
        times.append(time.perf_counter() - began)
    return {"full": took[0], "growth": took[1], "year": median(times), "points": len(answer.points["cpu"])}


def size() -> int:
    """Of the pages in use."""
    from vms.metrics.database import reading

    with reading() as look:
        found = []
        for name in ("page_count", "freelist_count", "page_size"):
            look.execute(f"PRAGMA {name}")
            found.append(int(look.fetchone()[0]))
    return (found[0] - found[1]) * found[2]


def io() -> int:
    """Bytes that this process has had written to a disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes")))


def memory() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) * 1024


if __name__ == "__main__":
    main()
