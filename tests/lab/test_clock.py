"""The clock of the dashboard's machine is set back an hour: who is dead is found dead, who lives goes on."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from tests.lab.web import Browser

SOURCE = Path(__file__).with_name("clock.c")
HOUR = 3600


class Clock:
    """The clock of the processes that have its library loaded."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        self.library = folder / "clock.so"
        self.set(0)
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O2", f'-DCLOCK_FILE="{self.file}"', "-o", self.library, SOURCE], check=True
        )

    def set(self, seconds: int) -> None:
        """So many seconds off from now on, for all of them in the same moment."""
        self.file.touch()
        with self.file.open("r+b") as file:
            file.write(struct.pack("l", seconds))


@pytest.fixture
def stage(lab_host: LabHost) -> Iterator[tuple[Dashboard, Clock]]:
    made = Dashboard(lab_host, KVMWEB_PROCESSES="worker=2,watcher=2")
    clock = Clock(made.folder)
    made.otherwise = ("clock", clock.library)
    made.prepare()
    made.start()
    yield made, clock
    made.remove()


def lease(dashboard: Dashboard) -> int:
    """The pid of the watcher that speaks for the host."""
    [(watcher,)] = dashboard.query("SELECT watcher FROM vms_lease")
    return int(watcher.split()[-2])


@pytest.mark.long
def test_it_finds_the_dead_and_keeps_the_living(stage: tuple[Dashboard, Clock], guests: Guests) -> None:
    dashboard, clock = stage
    guest = guests.make("in-the-past", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    browser = Browser(dashboard)
    ticket = dashboard.post(f"/vms/{vm}/console", {"kind": "vnc", "mode": "view"}).body["url"]
    workers, watcher = set(dashboard.pids("worker")), lease(dashboard)

    clock.set(-HOUR)
    began = datetime.fromisoformat(dashboard.operation(dashboard.ask(vm, "pause"))["queued_at"])
    assert began < datetime.now(UTC) - timedelta(seconds=HOUR - 60), "the dashboard's clock is set back"
    dashboard.await_state(vm, "paused")
    dashboard.await_operation(dashboard.ask(vm, "resume"))
    # Redis, whose clock it is too, would keep the ticket for an hour.
    with pytest.raises(InvalidStatus):
        connect(dashboard.url.replace("http", "ws") + ticket, subprotocols=[Subprotocol("binary")])
    assert "in-the-past" in browser.page("/vms/")
    assert "in-the-past" in Browser(dashboard).page("/vms/"), "one can sign in"
    assert set(dashboard.pids("worker")) == workers, "nobody took the other for dead"

    # Who falls silent now, or fell silent before it was set back, is not believed for an hour.
    os.kill(watcher, signal.SIGSTOP)
    try:
        clock.set(-2 * HOUR)
        guest.domain.suspend()
        dashboard.await_state(vm, "paused", within=60)
        assert lease(dashboard) != watcher
    finally:
        os.kill(watcher, signal.SIGCONT)

    sleeper = workers.pop()
    os.kill(sleeper, signal.SIGSTOP)
    try:
        clock.set(-3 * HOUR)
        stopped = "SELECT 1 FROM vms_worker WHERE pid = ? AND stopped_at IS NOT NULL"
        eventually(lambda: dashboard.query(stopped, sleeper), "it is declared dead", within=60)
    finally:
        os.kill(sleeper, signal.SIGCONT)
    eventually(lambda: not Path(f"/proc/{sleeper}/cmdline").exists() or None, "it ends, declared dead", within=60)
    eventually(lambda: len(dashboard.pids("worker")) == 2, "another takes its place", within=60)

    clock.set(0)
    dashboard.await_operation(dashboard.ask(vm, "resume"))
    eventually(lambda: dashboard.get(f"/vms/{vm}")["host_answering"], "the host is live", within=60)
    assert "in-the-past" in browser.page("/vms/")
