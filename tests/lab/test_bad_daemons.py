"""Daemons that take a connection and say nothing, that close it in the middle, that end twenty times in a row."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually, own_folder
from tests.lab.stack import Dashboard

MANY = 20
ADD = """
import json, uuid
from django.conf import settings
from vms.models import Document, Host, Placement, VirtualMachine
host = Host.objects.create(name={name!r}, transport='unix', socket={socket!r}, node=settings.ENVIRONMENT.node)
vms = []
for number in range({many}):
    vm = VirtualMachine.objects.create(name=f'there-{{number}}')
    vm.placement = Placement.objects.create(
        vm=vm, host=host, uuid=uuid.uuid4(), name=vm.name, state='running', run_id=1)
    Document.objects.create(placement=vm.placement)
    vm.save()
    vms.append(vm.pk)
print('added', json.dumps([host.pk, vms]))
"""
REMOVE = """
from vms.models import Host, VirtualMachine
Host.objects.filter(pk={0}).delete()
VirtualMachine.objects.filter(pk__in={1}).delete()
"""


class BadDaemon:
    """Says nothing, or what the real one says up to a number of bytes."""

    def __init__(self, real: Path | None = None, most: int = 0) -> None:
        self.folder = own_folder("kvmweb-bad-")
        self.path = self.folder / "libvirt"
        self.real, self.most = real, most
        self.taken: list[socket.socket] = []
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(str(self.path))
        self.door.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                taken, _ = self.door.accept()
                self.taken.append(taken)
                if self.real:
                    threading.Thread(target=self.speak, args=(taken, self.real), daemon=True).start()

    def speak(self, taken: socket.socket, real: Path) -> None:
        """Pass both ways until so many bytes have been said, then hang up."""
        with socket.socket(socket.AF_UNIX) as daemon, taken, suppress(OSError):
            daemon.connect(str(real))
            threading.Thread(target=self.hear, args=(taken, daemon), daemon=True).start()
            left = self.most
            while left > 0 and (said := daemon.recv(min(left, 4096))):
                taken.sendall(said)
                left -= len(said)
            taken.shutdown(socket.SHUT_RDWR)

    def hear(self, taken: socket.socket, daemon: socket.socket) -> None:
        with suppress(OSError):
            while heard := taken.recv(4096):
                daemon.sendall(heard)

    def stop(self) -> None:
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        for taken in self.taken:
            taken.close()
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


@pytest.fixture(params=["mute", "hangs up"])
def bad(request: pytest.FixtureRequest, dashboard: Dashboard, lab_host: LabHost) -> Iterator[tuple[int, list[int]]]:
    """Such a host with twenty VMs, in the dashboard: its id and theirs."""
    daemon = BadDaemon() if request.param == "mute" else BadDaemon(lab_host.socket, 3000)
    code = ADD.format(name=f"bad {request.param}", socket=str(daemon.path), many=MANY)
    told: Any = json.loads(dashboard.do(code).split("added ")[-1])
    yield told[0], told[1]
    dashboard.do(REMOVE.format(*told))
    daemon.stop()


@pytest.mark.long
def test_it_drains_no_thread(dashboard: Dashboard, guests: Guests, bad: tuple[int, list[int]]) -> None:
    good = guests.make("beside-a-bad-daemon")
    elsewhere = dashboard.vm(good.uuid)
    asked = []
    for vm in bad[1]:
        answer = dashboard.post(f"/vms/{vm}/pause", {"when_silent": "wait"})
        assert answer.status == 202
        asked.append(answer.body["operation"]["id"])
    for verb, state in (("start", "running"), ("pause", "paused"), ("resume", "running")):
        began = time.monotonic()
        dashboard.await_operation(dashboard.ask(elsewhere, verb))
        dashboard.await_state(elsewhere, state)
        assert time.monotonic() - began < 20

    def said() -> bool:
        return not dashboard.get(f"/hosts/{bad[0]}")["answering"]

    eventually(said, "the host is said to be silent", within=60)

    def settled() -> bool:
        states = {dashboard.operation(pk)["state"] for pk in asked}
        return states <= {"failed", "unknown", "refused", "queued"}

    eventually(settled, "none is under way for ever", within=120, every=1)
    dashboard.await_operation(dashboard.ask(elsewhere, "pause"))


def held_by(pid: int) -> tuple[int, int]:
    """(descriptors, threads) of the process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), len(list(Path(f"/proc/{pid}/task").iterdir()))


@pytest.mark.long
def test_one_that_ends_twenty_times_leaves_the_truth_and_nothing_else(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost
) -> None:
    guest = guests.make("under-a-dying-daemon", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    pids = {name: dashboard.pid(name) for name in ("watcher", "worker")}

    def change(number: int) -> None:
        verb, state = (("pause", "paused"), ("resume", "running"))[number % 2]

        def asked() -> int | None:
            answer = dashboard.post(f"/vms/{vm}/{verb}")
            return int(answer.body["operation"]["id"]) if answer.status == 202 else None

        operation = eventually(asked, f"{verb} may be asked", within=60)
        ended = dashboard.await_operation(operation, "succeeded", "failed", "unknown", "refused", within=60)
        if ended["state"] != "succeeded":
            change(number)
            return
        dashboard.await_state(vm, state, within=60)

    before: dict[str, tuple[int, int]] = {}
    for number in range(20):
        lab_host.restart_libvirtd(signal.SIGKILL)
        if number % 4 in (2, 3):
            change(number)
        if number == 7:
            before = {name: held_by(pid) for name, pid in pids.items()}
    guest.wait_for_count()
    assert {name: dashboard.pid(name) for name in pids} == pids
    assert len(guest.boots()) == 1

    def grown() -> dict[str, tuple[int, int]]:
        now = {name: held_by(pid) for name, pid in pids.items()}
        return {
            name: (now[name][0] - before[name][0], now[name][1] - before[name][1])
            for name in pids
            if now[name][0] > before[name][0] + 4 or now[name][1] > before[name][1] + 8
        }

    eventually(lambda: not grown(), f"nothing is left of them: {grown()}", within=60)
