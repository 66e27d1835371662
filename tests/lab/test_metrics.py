"""What a real guest does is what the dashboard says it did: known amounts, within a twentieth; and what interrupts the
watching makes gaps, never work that nobody did."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard, command_line
from tests.lab.test_kills import held, kill
from tests.lab.test_serial import is_at_prompt
from tests.lab.test_unedited import MOVE
from vms import virt
from vms.demo.guest import Guest

MIB = 1 << 20
# A sample is taken every 5 s and stored every 15 s.
STORED_AFTER = 22.0
# Of what was counted.
OFF_BY = 0.05


@pytest.fixture(scope="module")
def guest(lab_host: LabHost, guest_files: Guest) -> Iterator[LabGuest]:
    """It has a disk, a card, a balloon that tells of its memory, and a shell."""
    lab_host.virsh("net-start", "default")
    guests = Guests(lab_host, guest_files)
    made = guests.make("measured", network="default", shell=True)
    disk = lab_host.folder / "measured.raw"
    with disk.open("wb") as file:
        file.truncate(128 * MIB)
    root: Any = etree.fromstring(made.domain.XMLDesc(0))
    for name in ("memory", "currentMemory"):
        root.find(name).text = str(384 << 10)
    devices = root.find("devices")
    devices.remove(devices.find("memballoon"))
    devices.append(E.memballoon(E.stats(period="1"), model="virtio"))
    devices.append(
        E.disk(
            E.driver(name="qemu", type="raw"),
            E.source(file=str(disk)),
            E.target(dev="vda", bus="virtio"),
            type="file",
            device="disk",
        )
    )
    lab_host.connect().defineXML(etree.tostring(root, encoding="unicode"))
    made.start()
    yield made
    guests.remove_all()
    lab_host.virsh("net-destroy", "default")


class Shell:
    """Somebody who types on the guest's second serial line."""

    def __init__(self, guest: LabGuest) -> None:
        spec = virt.HostSpec("unix", "qemu", str(guest.host.socket), str(guest.host.uuid))
        self.line: socket.socket = virt.open_console(spec, guest.uuid, "serial1", force=True)
        # What is typed before it is there is lost.
        eventually(lambda: is_at_prompt(self.line), "a prompt", within=180)
        self.line.settimeout(120)
        self.number = 0

    def close(self) -> None:
        self.line.close()

    def until(self, text: bytes) -> bytes:
        got = b""
        while text not in got:
            piece = self.line.recv(65536)
            assert piece, got
            got += piece
        return got

    def run(self, command: str) -> None:
        """Return when it has ended, well."""
        self.number += 1
        self.line.sendall(f"{command} && echo done-$(({self.number}+0)) || echo failed-$(({self.number}+0))\r".encode())
        got = self.until(f"-{self.number}\r\n".encode())
        assert f"done-{self.number}".encode() in got, got


class Numbers:
    """What the dashboard says of the VM between two moments."""

    def __init__(self, dashboard: Dashboard, vm: int, since: float, until: float) -> None:
        path = f"/vms/{vm}/metrics?from={int(since)}&to={int(until) + 1}&step=1"
        self.series = dashboard.get(path)["series"]

    def total(self, name: str) -> float:
        """What a rate comes to from the first point on."""
        return float(sum((t - before) * (value or 0) for (before, _), (t, value) in pairwise(self.series[name])))

    def last(self, name: str) -> float:
        values: list[float] = [value for _, value in self.series[name] if value is not None]
        return values[-1]


def sampled(dashboard: Dashboard, vm: int, after: float) -> list[int]:
    """When it was sampled after that moment, of what is stored already."""
    points = Numbers(dashboard, vm, after - 60, time.time()).series["memory"]
    return [t for t, value in points if value and t > after]


def sample(dashboard: Dashboard, vm: int, after: float) -> int:
    """When it was sampled first after that moment; it is stored, which a machine with much to do does late."""
    return eventually(lambda: sampled(dashboard, vm, after), "a later sample is stored", within=120, every=1)[0]


def near(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= OFF_BY * wanted


def test_known_amounts_are_what_it_says(guest: LabGuest, dashboard: Dashboard, lab_host: LabHost) -> None:
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    guest.wait_for_line("address 192.168.122.")
    [address] = {line.split()[1] for line in guest.lines() if line.startswith("address ")}
    with closing(Shell(guest)) as shell:
        shell.run("rm -f /fill; dd if=/dev/zero of=/srv/big bs=1M count=16 2>/dev/null")
        # What is compared begins and ends at rest.
        sample(dashboard, vm, time.time() + 1)
        since, before = time.time(), guest.domain.info()[4]
        shell.run("dd if=/dev/zero of=/dev/vda bs=1M count=96 conv=fsync 2>/dev/null")
        shell.run("echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda of=/dev/null bs=1M count=64 2>/dev/null")
        fetch = "import sys, urllib.request; print(len(urllib.request.urlopen(sys.argv[1], timeout=60).read()))"
        for _ in range(2):
            got = lab_host.run("/usr/bin/python3", "-c", fetch, f"http://{address}/big")
            assert int(got) == 16 * MIB
        shell.run("timeout 25 sh -c 'while :; do :; done'; true")
        ended, after = time.time(), guest.domain.info()[4]
        last = sample(dashboard, vm, ended + 1)
        idle = (guest.domain.info()[4] - after) / (time.time() - ended)
        shell.run("dd if=/dev/zero of=/fill bs=1M count=64 2>/dev/null")
        # The guest tells of its memory once a second.
        filled = sample(dashboard, vm, time.time() + 5)
    first = max(t for t in sampled(dashboard, vm, since - 60) if t <= since)
    told = Numbers(dashboard, vm, first, last)
    worked = after - before + idle * (since - first + last - ended)
    found = {
        "cpu": told.total("cpu") / 100,
        "disk_write": told.total("disk_write") / MIB,
        "disk_read": told.total("disk_read") / MIB,
        "net_out": told.total("net_out") / MIB,
        "memory": (Numbers(dashboard, vm, last, filled).last("memory") - told.last("memory")) / MIB,
    }
    # Headers of Ethernet, IP and TCP are a twentieth of full packets, less where the guest's card takes large ones.
    wanted = {"cpu": worked / 1e9, "disk_write": 96, "disk_read": 64, "net_out": 32 * 1.0225, "memory": 64}
    print({name: (round(found[name], 2), round(wanted[name], 2)) for name in wanted})
    assert all(near(found[name], wanted[name]) for name in wanted), (found, wanted, told.series)
    assert told.total("disk_writes") > 0 and told.last("memory_balloon") == 384 * MIB


def test_what_interrupts_makes_gaps(guest: LabGuest, dashboard: Dashboard, lab_host: LabHost) -> None:
    vm = dashboard.vm(guest.uuid)
    since = time.time()
    kill(dashboard, "watcher")
    eventually(lambda: dashboard.is_ready() or None, "the watcher is back", within=60)
    time.sleep(25)
    with held(lab_host):
        time.sleep(35)
    time.sleep(20)
    guest.domain.destroy()
    time.sleep(12)
    guest.domain.create()
    guest.wait_for_boot(len(guest.boots()) + 1)
    time.sleep(12 + STORED_AFTER)
    series = Numbers(dashboard, vm, since, time.time()).series
    for name, points in series.items():
        assert all(value is None or value >= 0 for _, value in points), name
    # An idle guest: neither the pause nor the counters that began anew are work.
    assert all(value is None or value < 64 * MIB / 5 for _, value in series["disk_write"])
    assert all(value is None or value <= 100 for _, value in series["cpu"])
    gaps = [t for t, value in series["memory"] if value is None]
    assert len(gaps) >= 2, series["memory"]
    # And it goes on.
    assert series["cpu"][-1][1] is not None and time.time() - series["cpu"][-1][0] < 60


def test_a_stuck_qemu_holds_up_nobody(guests: Guests, guest: LabGuest, dashboard: Dashboard, lab_host: LabHost) -> None:
    stuck = guests.make("stuck", start=True)
    vm = dashboard.vm(guest.uuid)
    [pid] = [pid for pid in lab_host.programs() if "guest=stuck," in command_line(pid)]
    os.kill(pid, signal.SIGSTOP)
    try:
        since = time.time()

        def told() -> bool | None:
            points = Numbers(dashboard, vm, since, time.time()).series["cpu"]
            return len([value for _, value in points if value is not None]) >= 3 or None

        # The first question waits for the stuck one, in vain, and the next ones pass it over.
        eventually(told, "the other VM's numbers go on", within=180)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert stuck.is_running()


def test_a_vm_that_moves_is_counted_once(
    guests: Guests, dashboard: Dashboard, lab_host: LabHost, other_host: tuple[int, Guests], tmp_path: Path
) -> None:
    moving = guests.make("moving", start=True)
    vm = dashboard.vm(moving.uuid)
    dashboard.await_state(vm, "running")
    since = time.time()
    eventually(lambda: values(dashboard, vm, since, "cpu"), "it is counted where it is", within=90)
    there = other_host[1].host.connect()
    worked = moving.domain.info()[4] / 1e9
    moved = moving.domain.migrate3(there, {libvirt.VIR_MIGRATE_PARAM_URI: f"unix://{tmp_path}/migration"}, MOVE)
    arrived = time.time()
    try:
        eventually(
            lambda: len(values(dashboard, vm, arrived, "cpu")) >= 2 or None, "it is counted where it came", within=120
        )
        told = Numbers(dashboard, vm, since, time.time())
        cpu = [value for _, value in told.series["cpu"] if value is not None]
        assert all(0 <= value <= 100 for value in cpu), cpu
        # Each moment once, and what it had done before it came is nothing that it did there.
        times = [t for t, value in told.series["memory"] if value is not None]
        assert times == sorted(set(times))
        assert told.total("cpu") / 100 <= worked + moved.info()[4] / 1e9 + 1, told.series["cpu"]
    finally:
        moved.destroy()
        moved.undefine()
        there.close()


def values(dashboard: Dashboard, vm: int, since: float, name: str) -> list[float]:
    return [value for _, value in Numbers(dashboard, vm, since, time.time()).series[name] if value is not None]
