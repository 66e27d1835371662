"""The console from the front to a real QEMU, by a client that speaks the protocols itself."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from tests.lab.web import Browser

SHIFT = 0xFFE1
SHIFTED = set(">S")
SYMBOLS = {"\n": 0xFF0D}


class Screen:
    """A VNC client on a WebSocket, shaken hands with; its frames end anywhere."""

    def __init__(self, connection: ClientConnection) -> None:
        self.socket = connection
        self.buffer = b""
        version = self.read(12)
        self.send(version)
        types = self.read(self.read(1)[0])
        assert 1 in types
        self.send(b"\x01")
        assert self.read(4) == bytes(4)
        # Not shared: without the relay this would throw the others out.
        self.send(b"\x00")
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.read(int(struct.unpack(">I", self.read(4))[0]))

    def read(self, length: int) -> bytes:
        while len(self.buffer) < length:
            self.buffer += self.socket.recv(timeout=10, decode=False)
        piece, self.buffer = self.buffer[:length], self.buffer[length:]
        return piece

    def send(self, data: bytes) -> None:
        for at in range(0, len(data), 5):
            self.socket.send(data[at : at + 5])

    def is_drawn(self) -> bool:
        """Whether a picture comes when it is asked for."""
        self.send(struct.pack(">BBHHHH", 3, 0, 0, 0, 16, 16))
        return self.read(1) == b"\x00"


def key(symbol: int, down: bool) -> bytes:
    return struct.pack(">BBxxI", 4, down, symbol)


def typed(text: str) -> bytes:
    keys = b""
    for character in text:
        symbol = SYMBOLS.get(character, ord(character))
        stroke = key(symbol, True) + key(symbol, False)
        keys += key(SHIFT, True) + stroke + key(SHIFT, False) if character in SHIFTED else stroke
    return keys


def pointed(x: int, y: int) -> bytes:
    return struct.pack(">BBHH", 5, 1, x, y) + struct.pack(">BBHH", 5, 0, x, y)


CLIPBOARD = b"\x06\x00\x00\x00" + struct.pack(">I", 12) + b"typed\nagain\n"


@contextmanager
def opened(dashboard: Dashboard, vm: int, mode: str) -> Iterator[Screen]:
    """By the administrator's token, as a script does it: no cookie, no Origin."""
    answer = dashboard.post(f"/vms/{vm}/console", {"kind": "vnc", "mode": mode})
    assert answer.status == 200, answer
    address = dashboard.url.replace("http", "ws") + answer.body["url"]
    with connect(address, compression=None, max_size=None) as connection:
        yield Screen(connection)


def test_a_viewers_keys_pointer_and_clipboard_never_arrive_and_a_drivers_do(
    dashboard: Dashboard, guests: Guests
) -> None:
    guest = guests.make("watched", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    data = pointed(100, 100) + CLIPBOARD + typed("echo typed > /dev/ttyS0\n") + pointed(300, 200)

    def said(word: str) -> int:
        return guest.lines().count(word)

    with opened(dashboard, vm, "view") as viewer:
        viewer.send(data)
        assert viewer.is_drawn()
        time.sleep(3)
        guest.wait_for_count()
        assert (said("typed"), said("pointer")) == (0, 0)
        with opened(dashboard, vm, "drive") as driver:
            driver.send(data)
            eventually(lambda: said("typed") == 1 and said("pointer"), "keys and pointer arrive", within=30)
            # The driver asked to have the screen alone.
            assert viewer.is_drawn()


def cut(text: str) -> bytes:
    """The text as the desk's clipboard."""
    return b"\x06\x00\x00\x00" + struct.pack(">I", len(text)) + text.encode("latin-1")


def test_a_drivers_clipboard_reaches_the_guest_and_a_viewers_does_not(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make("pasted", clipboard=True, start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    with opened(dashboard, vm, "view") as viewer:
        viewer.send(cut("from a viewer"))
        assert viewer.is_drawn()
        time.sleep(2)
        guest.wait_for_count()
        assert not [line for line in guest.lines() if line.startswith("clipboard")]
        with opened(dashboard, vm, "drive") as driver:
            driver.send(cut("from a driver"))
            guest.wait_for_line("clipboard from a driver")
    assert not any("viewer" in line for line in guest.lines())


def refusal(address: str, **headers: str) -> int:
    """The status instead of the 101."""
    origin = headers.pop("Origin", None)
    with pytest.raises(InvalidStatus) as refused:
        connect(address, origin=Origin(origin) if origin else None, additional_headers=headers)
    return int(refused.value.response.status_code)


@pytest.fixture
def running_vm(dashboard: Dashboard, guests: Guests) -> int:
    guest = guests.make("guarded")
    guest.domain.create()
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    return vm


def test_the_front_lets_in_a_session_or_a_fresh_ticket_of_a_script(dashboard: Dashboard, running_vm: int) -> None:
    wanted = dashboard.post(f"/vms/{running_vm}/console", {}).body["url"]
    address = dashboard.url.replace("http", "ws")
    with connect(address + wanted, compression=None) as connection:
        Screen(connection)
    assert refusal(address + wanted) == 401
    assert refusal(f"{address}/console/{running_vm}?ticket={'a' * 43}") == 401

    browser = Browser(dashboard)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.jar)
    assert refusal(f"{address}/console/{running_vm}?ticket={'a' * 43}", Cookie=cookies, Origin=dashboard.url) == 403
    wanted = dashboard.post(f"/vms/{running_vm}/console", {}).body["url"]
    assert refusal(address + wanted, Cookie=cookies, Origin="http://evil.example") == 403


def test_a_ticket_is_in_no_log(dashboard: Dashboard, running_vm: int) -> None:
    answer = dashboard.post(f"/vms/{running_vm}/console", {}).body
    with connect(dashboard.url.replace("http", "ws") + answer["url"], compression=None) as connection:
        Screen(connection)
    refusal(dashboard.url.replace("http", "ws") + answer["url"])
    logs = [path.read_text(errors="replace") for path in (dashboard.state / "logs").iterdir() if path.is_file()]
    assert f"/console/{running_vm}" in "".join(logs)
    assert answer["ticket"] not in "".join([*logs, dashboard.output.read_text()])


@pytest.mark.long
def test_no_time_out_ends_an_idle_console(lab_host: LabHost, guests: Guests) -> None:
    guest = guests.make("idle-screen")
    guest.domain.create()
    stack = Dashboard(lab_host, KVMWEB_PROXY_TIMEOUT="5")
    try:
        stack.prepare()
        stack.start()
        hold(stack, guest)
    finally:
        stack.remove()


def hold(stack: Dashboard, guest: LabGuest) -> None:
    """For 60 s nobody asks for a picture, then there is one."""
    vm = stack.vm(guest.uuid)
    stack.await_state(vm, "running")
    with opened(stack, vm, "view") as screen:
        time.sleep(60)
        assert screen.is_drawn()


def answers(dashboard: Dashboard) -> bool:
    """Whether a relay listens: its ready key outlives it by seconds."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(dashboard.state / "run/console.sock")) == 0


def test_a_relay_that_ends_says_so_and_one_that_was_killed_leaves_no_open_row(
    dashboard: Dashboard, running_vm: int
) -> None:
    def last_reason() -> str:
        query = "select close_reason from vms_console where opened_at is not null order by id desc limit 1"
        return str(dashboard.query(query)[0][0])

    for how, word in ((signal.SIGTERM, "relay_ends"), (signal.SIGKILL, "relay_ended")):
        relay = dashboard.pid("console")
        with opened(dashboard, running_vm, "drive") as screen:
            os.kill(relay, how)
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    screen.socket.recv(timeout=20)
        if how == signal.SIGTERM:
            assert closed.value.rcvd and (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, word)
        eventually(lambda word=word: last_reason() == word, f"the row says {word}")  # type: ignore[misc]
        gone = Path(f"/proc/{relay}")
        eventually(lambda gone=gone: not gone.exists(), "the relay is gone")  # type: ignore[misc]
        eventually(lambda: answers(dashboard), "the next relay is there", within=40)
        with opened(dashboard, running_vm, "view") as screen:
            assert screen.is_drawn()
