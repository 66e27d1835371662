"""The disk of the state folder is full: it is said, what can be read is shown, nothing is broken, and it goes on."""

from __future__ import annotations

import errno
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import PROGRAMS, Dashboard
from tests.lab.test_console import Screen
from tests.lab.test_kills import row, starts
from tests.lab.web import Browser

SIZE = "16m"


@pytest.fixture
def dashboard(lab_host: LabHost) -> Iterator[Dashboard]:
    """One whose state folder lies on a small disk of its own."""
    made = Dashboard(lab_host)
    made.otherwise = ("disk", made.state, SIZE)
    made.prepare()
    made.start()
    yield made
    made.remove()


@contextmanager
def full(dashboard: Dashboard) -> Iterator[None]:
    """No byte can be written inside."""
    ballast = dashboard.own_state / "ballast"
    try:
        fill(ballast)
        yield
    finally:
        ballast.unlink()


def fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC


def look(dashboard: Dashboard, vm: int) -> ClientConnection:
    wish = dashboard.post(f"/vms/{vm}/console", {"kind": "vnc", "mode": "drive"})
    return connect(dashboard.url.replace("http", "ws") + wish.body["url"], subprotocols=[Subprotocol("binary")])


def refused(dashboard: Dashboard, vm: int) -> bool:
    """Whether the request is refused because of the disk; the log of the database may have a last free place."""
    answer = dashboard.post(f"/vms/{vm}/pause")
    assert answer.status in (202, 409, 507), answer
    return answer.status == 507 and answer.body["code"] == "disk_full"


@pytest.mark.long
def test_it_is_said_and_over_when_there_is_room(dashboard: Dashboard, guests: Guests, lab_host: LabHost) -> None:
    guest, starting = guests.make("on-a-full-disk", start=True), guests.make("started-meanwhile")
    vm, other = dashboard.vm(guest.uuid), dashboard.vm(starting.uuid)
    dashboard.await_state(vm, "running")
    browser = Browser(dashboard)
    processes = {name: dashboard.pid(name) for name in PROGRAMS}
    with look(dashboard, vm) as socket:
        assert Screen(socket).is_drawn()
        with ExitStack() as stack:
            operation = dashboard.ask(other, "start")
            eventually(lambda: row(dashboard, operation)[0] != "queued", "it is claimed", every=0.01)
            stack.enter_context(full(dashboard))
            eventually(lambda: refused(dashboard, vm), "a request is refused", within=60, every=1)
            for ask in (lambda: browser.post(f"/vms/{vm}/pause/"), lambda: Browser(dashboard)):
                with pytest.raises(urllib.error.HTTPError) as page:
                    ask()
                with page.value:
                    said = page.value.read().decode()
                assert page.value.code == 507 and "disk is full" in said and str(dashboard.state) in said
            for path in ("/", "/vms/", f"/vms/{vm}/", "/activity/"):
                assert "on-a-full-disk" in browser.page(path)
            guest.domain.suspend()
            guest.domain.resume()
            guest.wait_for_count()
        guest.domain.suspend()
        dashboard.await_state(vm, "paused", within=60)
        ended = dashboard.await_operation(operation, "succeeded", "failed", within=60)
        # Claimed before the disk was full: begun or not, the row tells which, and nothing is done twice.
        told = {("succeeded", None): 1, ("failed", "worker_died"): 0}
        assert starts(lab_host, starting.name) == told[ended["state"], (ended["error"] or {}).get("code")], ended
        dashboard.await_operation(dashboard.ask(vm, "resume"))
        socket.send(b"\x03\x01" + bytes(8))
        assert socket.recv(timeout=10)
    assert {name: dashboard.pid(name) for name in PROGRAMS} == processes, "nothing had to be started again"
    assert guest.boots() == guest.boots()[:1]
    assert dashboard.query("PRAGMA integrity_check") == [("ok",)]
