"""A relay in this process, a VNC server that only remembers what it was told, and a raw WebSocket client."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, unix_connect
from websockets.typing import Origin

from vms import live
from vms.gateways.closing import Ended
from vms.gateways.lines import Lines
from vms.gateways.relay import Relay
from vms.gateways.screens import Opened
from vms.gateways.watching import watch
from vms.models import Console, User, VirtualMachine
from vms.permissions import Actor
from vms.services import consoles

HOST = "localhost:8000"
LINGER = 1.5


@dataclass
class Screen:
    """A VNC server's end of a socket pair; its receive buffers are small, so that what piles up can be seen."""

    ours: socket.socket
    theirs: socket.socket
    heard: bytearray = field(default_factory=bytearray)

    def hear(self) -> None:
        with suppress(OSError):
            while data := self.ours.recv(65536):
                self.heard += data

    def listen(self) -> None:
        threading.Thread(target=self.hear, daemon=True).start()

    def expect(self, data: bytes, seconds: float = 15.0) -> None:
        """The last bytes heard are these, soon."""
        eventually(lambda: bytes(self.heard).endswith(data), seconds, lambda: f"heard {bytes(self.heard)!r}")


def eventually(holds: Callable[[], bool], seconds: float = 30.0, what: Callable[[], str] = lambda: "not so") -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, what()
        time.sleep(0.01)


@dataclass
class Stage:
    """The relay and the screens that it opened, newest last."""

    relay: Relay
    path: Path
    screens: list[Screen]
    listens: bool = True
    greeted: bool = False
    devices: list[Screen] = field(default_factory=list)
    forced: list[bool] = field(default_factory=list)
    no_device: str = ""

    def open_screen(self, console: Console) -> Opened:
        screen = Screen(*socket.socketpair())
        self.screens.append(screen)
        if self.listens:
            screen.listen()
        return Opened(screen.theirs, self.greeted)

    def open_device(self, console: Console) -> socket.socket:
        """A serial device, as open_screen() is a screen."""
        self.forced.append(console.force)
        if self.no_device:
            raise Ended(self.no_device)
        device = Screen(*socket.socketpair())
        self.devices.append(device)
        if self.listens:
            device.listen()
        return device.theirs

    @contextmanager
    def connect(
        self,
        ticket: str,
        vm: int,
        *,
        cookie: str = "",
        origin: str | None = f"http://{HOST}",
        host: str = HOST,
        **options: Any,
    ) -> Iterator[ClientConnection]:
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"} if cookie else {}
        with unix_connect(
            str(self.path),
            f"ws://{host}/console/{vm}?ticket={ticket}",
            origin=Origin(origin) if origin else None,
            additional_headers=headers,
            compression=None,
            max_size=None,
            **options,
        ) as browser:
            yield browser

    def status(self, ticket: str, vm: int, **options: Any) -> int:
        """101, or the status of the refusal."""
        try:
            with self.connect(ticket, vm, **options):
                return 101
        except InvalidStatus as refusal:
            return int(refusal.response.status_code)


@pytest.fixture
def asks_every() -> float:
    """How often the relay asks who may have his console open, where nobody hurries it."""
    return 0.2


@pytest.fixture
def stage(transactional_db: None, redis: None, tmp_path: Path, asks_every: float) -> Iterator[Stage]:
    made: list[Stage] = []
    path = tmp_path / "console.sock"
    relay = Relay(
        path,
        name="test-relay",
        open_screen=lambda console: made[0].open_screen(console),
        lines=Lines(lambda console: made[0].open_device(console), LINGER),
        handshake_seconds=2.0,
        ping_every=0.5,
        pong_within=4.0,
    )
    made.append(Stage(relay, path, []))
    stop = threading.Event()
    threads = [
        threading.Thread(target=relay.serve_forever, args=(0.05,)),
        threading.Thread(target=watch, args=(relay, stop, asks_every)),
    ]
    for thread in threads:
        thread.start()
    yield made[0]
    stop.set()
    live.hurry(relay.name)
    relay.end_all("relay_ends")
    relay.shutdown()
    for thread in threads:
        thread.join()
    eventually(lambda: not relay.consoles)
    relay.server_close()
    relay.lines.end()
    for screen in made[0].screens + made[0].devices:
        screen.ours.close()


@dataclass
class Person:
    """Somebody in a browser."""

    actor: Actor

    def ticket(self, vm: VirtualMachine, mode: str = "drive", **wish: Any) -> str:
        return consoles.issue(self.actor, vm, mode=mode, **wish)[1]

    def console(self) -> int:
        """The newest of his consoles."""
        return Console.objects.filter(user=self.actor.user).latest("pk").pk

    @property
    def cookie(self) -> str:
        return self.actor.session_key


@pytest.fixture
def person(stage: Stage, alice: User, client_alice: Client) -> Person:
    return Person(Actor(alice, client_alice.session.session_key or "", address="127.0.0.1"))
