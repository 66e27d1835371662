"""What it costs us to watch 1,000 and 10,000 running VMs: processor, memory, disk; and what it costs libvirt."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from lxml import etree
from lxml.builder import E

from kvmweb import environment
from tests.bench.figures import Figure, ms, percentile
from tests.bench.inside import in_process
from tests.bench.processes import cpu_seconds
from tests.bench.records import record
from tests.bench.stage import MANY, Stage, raw
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from vms.demo import guest
from vms.virt.numbers import RUNNING, STATISTICS, numbers

MOST_US, MOST_MB, MOST_YEAR = 250, 150, 0.2
PERIOD = 5.0
REAL, CALLS = 20, 40


def measure(stage: Stage) -> list[Figure]:
    few, many = told(stage, 1000, 120), told(stage, 10_000, 24)
    us = {vms: of["seconds"] / vms * 1e6 for vms, of in ((1000, few), (10_000, many))}
    return [
        Figure(
            "watching 1,000 running VMs: our processor time, full records, every number changes (libvirt apart)",
            f"{us[1000]:.0f} us a VM and sample, {few['seconds'] / PERIOD:.1%} of a core",
            f"at most {MOST_US} us",
            us[1000] <= MOST_US,
        ),
        Figure(
            "the same: memory of the process",
            f"{few['memory'] / 1e6:.0f} MB",
            f"at most {MOST_MB} MB",
            few["memory"] <= MOST_MB * 1e6,
        ),
        Figure(
            "the same with 10,000 on 10 hosts",
            f"{us[10_000]:.0f} us a VM and sample, a tick {many['seconds']:.2f} s, longest {many['longest']:.2f} s; "
            f"{many['memory'] / 1e6:.0f} MB",
            f"at most {MOST_US} us, a tick within {PERIOD:.0f} s",
            us[10_000] <= MOST_US and many["longest"] <= PERIOD,
        ),
        Figure("store of numbers: written a second", f"1,000 VMs {few['written'] / 1e6:.2f} MB, 10,000 VMs "
               f"{many['written'] / 1e6:.2f} MB"),
        Figure(
            "store of numbers: a VM after two years, no number like another",
            f"{few['full'] / 1e6:.2f} MB, never more; its first year {few['growth'] / 1e6:.2f} MB, its second "
            f"{(few['full'] - few['growth']) / 1e6:.2f} MB; 1,000 VMs {few['full'] / 1e6:.1f} GB",
        ),
        Figure(
            "a year's chart of all 20 series",
            f"{ms(few['year'])}, {few['points']} points each",
            f"at most {ms(MOST_YEAR)}",
            few["year"] <= MOST_YEAR,
        ),
        libvirts_own(stage),
    ]  # fmt: skip


def told(stage: Stage, vms: int, ticks: int) -> dict[str, Any]:
    idle = stage.dashboard(stage.small_host, started=False)
    return dict(in_process(idle, "tests.bench.watching_in_process", str(vms), str(ticks)))


def libvirts_own(stage: Stage) -> Figure:
    """Of the one call for all, on a host with guests that run and many VMs that are off."""
    host = stage.full_host
    host.virsh("net-start", "default")
    several = Guests(host, guest.guest(environment.load().cache))
    try:
        made = [full_guest(several, number) for number in range(REAL)]
        for each in made:
            each.start()
        connection = raw(host)

        def told() -> list[set[str]]:
            """The names in each record that what is replayed has and it lacks."""
            found = connection.getAllDomainStats(STATISTICS, RUNNING)
            return [record(0).keys() - of.keys() for _, of in found]

        eventually(lambda: told() == [set()] * REAL, "each tells as much as what is replayed", within=60)
        libvirtd = host.pid("libvirtd")
        took, own = [], time.process_time()
        used = cpu_seconds(libvirtd)
        for _ in range(CALLS):
            began = time.perf_counter()
            assert len(numbers(connection)) == REAL
            took.append(time.perf_counter() - began)
            time.sleep(0.5)
        own = (time.process_time() - own) / CALLS
        used = (cpu_seconds(libvirtd) - used) / CALLS
        connection.close()
    finally:
        several.remove_all()
        host.virsh("net-destroy", "default")
    call = median(took)
    return Figure(
        f"libvirt's side of it: one call for {REAL} running guests with 2 disks and 2 cards each, beside {MANY:,} that "
        "are off",
        f"median {ms(call)}, p95 {ms(percentile(took, 0.95))}: {ms(call / REAL)} a guest; of the processor libvirtd "
        f"{ms(used / REAL)}, libvirt's client and our reading of it {own / REAL * 1e6:.0f} us; asked every "
        f"{max(PERIOD, 10 * call):.0f} s",
    )


def full_guest(several: Guests, number: int) -> LabGuest:
    """Two processors, two disks, two cards, and a balloon that tells of its memory."""
    made = several.make(f"real-{number:02}", network="default")
    root: Any = etree.fromstring(made.domain.XMLDesc(0))
    root.find("vcpu").text = "2"
    devices = root.find("devices")
    devices.remove(devices.find("memballoon"))
    devices.append(E.memballoon(E.stats(period="5"), model="virtio"))
    devices.append(E.interface(E.source(network="default"), E.model(type="virtio"), type="network"))
    for letter in "ab":
        devices.append(disk(several.host, f"real-{number:02}{letter}", f"vd{letter}"))
    several.host.connect().defineXML(etree.tostring(root, encoding="unicode"))
    return made


def disk(host: LabHost, name: str, target: str) -> Any:
    path = host.folder / f"{name}.raw"
    with path.open("wb") as file:
        file.truncate(16 << 20)
    driver, source = E.driver(name="qemu", type="raw"), E.source(file=str(path))
    return E.disk(driver, source, E.target(dev=target, bus="virtio"), type="file", device="disk")
