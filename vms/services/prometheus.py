"""All numbers as Prometheus reads them (its text format 0.0.4): counters as their hosts count them.

Labels are ids, which stay when a VM is renamed or moves; kvmweb_vm_info has the names to join.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from vms import live
from vms.models import Host, StoragePool
from vms.permissions import Who, visible_hosts, visible_pools, visible_vms
from vms.services.freshness import freshness

PRIVILEGE: Final = "metrics.scrape"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
NS: Final = 1e-9
KIB: Final = 1024

# (name, type, help, field of vms.virt.Numbers, times)
OF_VMS: Final = (
    ("cpu_seconds_total", "counter", "Processor time used.", "cpu_ns", NS),
    ("cpu_steal_seconds_total", "counter", "Processor time that the host did not give.", "steal_ns", NS),
    ("cpu_wait_seconds_total", "counter", "Processor time spent waiting for input and output.", "wait_ns", NS),
    ("memory_bytes", "gauge", "Memory used, as the guest tells it, else what the process holds.", "memory_kib", KIB),
    ("memory_balloon_bytes", "gauge", "Memory that the guest has now.", "balloon_kib", KIB),
    ("memory_process_bytes", "gauge", "Memory that its process on the host holds.", "rss_kib", KIB),
    ("swap_in_bytes_total", "counter", "Read from the guest's swap.", "swap_in_kib", KIB),
    ("swap_out_bytes_total", "counter", "Written to the guest's swap.", "swap_out_kib", KIB),
)
# (name, help, place among its fields, times)
OF_DISKS: Final = (
    ("read_bytes_total", "Read.", 1, 1),
    ("written_bytes_total", "Written.", 2, 1),
    ("reads_total", "Requests to read.", 3, 1),
    ("writes_total", "Requests to write.", 4, 1),
    ("read_seconds_total", "Time that these took.", 5, NS),
    ("write_seconds_total", "Time that these took.", 6, NS),
)
OF_CARDS: Final = (
    ("receive_bytes_total", "Received by the guest.", 1, 1),
    ("transmit_bytes_total", "Sent by the guest.", 2, 1),
    ("receive_packets_total", "Packets received by the guest.", 3, 1),
    ("transmit_packets_total", "Packets sent by the guest.", 4, 1),
    ("receive_drop_total", "Packets for the guest that were dropped.", 5, 1),
    ("transmit_drop_total", "Packets of the guest that were dropped.", 6, 1),
    ("receive_errors_total", "Packets for the guest with errors.", 7, 1),
    ("transmit_errors_total", "Packets of the guest with errors.", 8, 1),
)

Sample = tuple[dict[str, Any], float]


def exposition(who: Who) -> str:
    """Everything of which he may read all numbers."""
    lines: list[str] = []
    for name, kind, about, samples in metrics_of(who):
        lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{{{named(labels)}}} {number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def metrics_of(who: Who) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    hosts = list(visible_hosts(who, PRIVILEGE).order_by("pk"))
    yield from of_hosts(hosts)
    yield from of_pools(list(visible_pools(who, PRIVILEGE).order_by("pk")))
    yield from of_vms(who, hosts)


def of_hosts(hosts: list[Host]) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    use = {host.pk: live.host_use(host.pk) for host in hosts}
    answers = {host.pk: freshness(host) == "live" for host in hosts}
    known = [({"host": host.pk, "name": host.name}, 1.0) for host in hosts]
    yield "kvmweb_host_info", "gauge", "A host and its name.", known
    up = [({"host": pk}, float(alive)) for pk, alive in answers.items()]
    yield "kvmweb_host_up", "gauge", "Whether it answers.", up
    for name, kind, about, field, times in (
        ("cpu_seconds_total", "counter", "Time of all its processors.", "cpu_ns", NS),
        ("cpu_idle_seconds_total", "counter", "Of that idle, with waiting for disks.", "idle_ns", NS),
        ("cpu_wait_seconds_total", "counter", "Of that waiting for disks.", "wait_ns", NS),
        ("memory_size_bytes", "gauge", "Its memory.", "of_kib", KIB),
        ("memory_bytes", "gauge", "Of that neither free nor held by caches.", "memory_kib", KIB),
        ("sample_period_seconds", "gauge", "Time from one sample to the next.", "period", 1),
    ):
        told = [({"host": pk}, of[field] * times) for pk, of in use.items() if of.get(field) is not None]
        yield f"kvmweb_host_{name}", kind, about, told


def of_pools(pools: list[StoragePool]) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    known = [({"pool": pool.pk, "host": pool.host_id, "name": pool.name}, 1.0) for pool in pools]
    yield "kvmweb_pool_info", "gauge", "A storage pool, its host and its name.", known
    active = [pool for pool in pools if pool.active]
    for name, about in (
        ("capacity", "Its size."),
        ("allocation", "What is taken of it."),
        ("available", "What is left of it."),
    ):
        sizes = [({"pool": pool.pk}, float(getattr(pool, f"{name}_bytes"))) for pool in active]
        yield f"kvmweb_pool_{name}_bytes", "gauge", about, sizes


def of_vms(who: Who, hosts: list[Host]) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    fields = ("pk", "name", "placement__host", "placement__state", "placement__vcpus", "placement__memory_kib")
    vms = list(visible_vms(who, PRIVILEGE).order_by("pk").values_list(*fields))
    known = [({"vm": vm, "name": name, "host": host}, 1.0) for vm, name, host, *_ in vms]
    yield "kvmweb_vm_info", "gauge", "A VM, its name and its host.", known
    runs = [({"vm": vm}, float(state == "running")) for vm, _, _, state, *_ in vms]
    yield "kvmweb_vm_up", "gauge", "Whether it runs, as far as is known.", runs
    yield "kvmweb_vm_vcpus", "gauge", "Its processors.", [({"vm": vm[0]}, float(vm[4])) for vm in vms]
    sizes = [({"vm": vm[0]}, float(vm[5] * KIB)) for vm in vms]
    yield "kvmweb_vm_memory_size_bytes", "gauge", "Its memory as it is defined.", sizes
    seen = {vm[0] for vm in vms}
    counters = sorted((vm, of) for vm, of in live.counters(host.pk for host in hosts).items() if vm in seen)
    for name, kind, about, field, times in OF_VMS:
        told = [({"vm": vm}, of[field] * times) for vm, of in counters if of[field] is not None]
        yield f"kvmweb_vm_{name}", kind, about, told
    for name, about, place, times in OF_DISKS:
        told = [({"vm": vm, "disk": disk[0]}, disk[place] * times) for vm, of in counters for disk in of["disks"]]
        yield f"kvmweb_vm_disk_{name}", "counter", about, told
    # By its place in the definition: what the host calls its end is another name after each start.
    for name, about, place, times in OF_CARDS:
        told = [
            ({"vm": vm, "card": number}, card[place] * times)
            for vm, of in counters
            for number, card in enumerate(of["cards"])
        ]
        yield f"kvmweb_vm_card_{name}", "counter", about, told


def named(labels: dict[str, Any]) -> str:
    return ",".join(f'{key}="{escaped(str(label))}"' for key, label in labels.items())


def escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 9))
