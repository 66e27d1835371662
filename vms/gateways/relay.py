"""The relay's server: a thread a console on one unix socket, and one thread that asks every second who still may."""

from __future__ import annotations

import logging
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vms.gateways.handler import Handler
from vms.gateways.lines import Lines
from vms.gateways.pump import Stream
from vms.gateways.screens import Opened
from vms.models import Console
from vms.services import consoles

logger = logging.getLogger(__name__)

MOST_HANDSHAKES = 100


@dataclass
class Open:
    """An open console, as its thread and the watching thread share it."""

    target: socket.socket
    stream: Stream
    reason: str = ""
    touched_at: float = field(default=0.0)


class Relay(socketserver.ThreadingUnixStreamServer):
    """Consoles of one process; name tells its rows from those of other relays."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        open_screen: Callable[[Console], Opened],
        lines: Lines,
        handshake_seconds: float = 10.0,
        ping_every: float = 15.0,
        pong_within: float = 45.0,
    ) -> None:
        self.name = name
        self.open_screen = open_screen
        self.lines = lines
        self.handshake_seconds = handshake_seconds
        self.ping_every = ping_every
        self.pong_within = pong_within
        self.lock = threading.Lock()
        self.consoles: dict[int, Open] = {}
        self.handshakes: dict[socket.socket, float] = {}
        claim(path)
        before = os.umask(0o117)
        try:
            super().__init__(str(path), Handler)
        finally:
            os.umask(before)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """No: so many knock at once that another thread would only cost memory."""
        with self.lock:
            if len(self.handshakes) >= MOST_HANDSHAKES:
                return False
            self.handshakes[request] = time.monotonic()
        return True

    def shutdown_request(self, request: Any) -> None:
        with self.lock:
            self.handshakes.pop(request, None)
        super().shutdown_request(request)

    def handshake_done(self, handler: Handler) -> None:
        with self.lock:
            self.handshakes.pop(handler.connection, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that leaves in the middle of its request is no error."""
        logger.debug("a request ended early", exc_info=True)

    def has_room(self) -> bool:
        with self.lock:
            return len(self.consoles) < consoles.MOST

    def register(self, console: int, target: socket.socket, stream: Stream) -> None:
        with self.lock:
            self.consoles[console] = Open(target, stream)

    def why(self, console: int) -> str:
        """Why others ended it, "" when nobody did."""
        with self.lock:
            entry = self.consoles.get(console)
        return entry.reason if entry else ""

    def unregister(self, console: int) -> None:
        """It is over and its row says so; a relay that ends waits for this."""
        with self.lock:
            self.consoles.pop(console, None)

    def end(self, console: int, reason: str) -> None:
        """Wake the console's thread by cutting its screen; it says the reason to the browser."""
        with self.lock:
            entry = self.consoles.get(console)
            if entry is None or entry.reason:
                return
            entry.reason = reason
            with suppress(OSError):
                entry.target.shutdown(socket.SHUT_RDWR)

    def end_all(self, reason: str) -> None:
        for console in list(self.consoles):
            self.end(console, reason)

    def end_slow_handshakes(self) -> None:
        with self.lock:
            for request, since in self.handshakes.items():
                if since < time.monotonic() - self.handshake_seconds:
                    with suppress(OSError):
                        request.shutdown(socket.SHUT_RDWR)

    def acted(self, every: float = 60.0) -> list[int]:
        """The consoles in which somebody typed or pointed since the last time, each at most once a minute."""
        now = time.monotonic()
        found = []
        with self.lock:
            for console, entry in self.consoles.items():
                if entry.stream.acted and entry.touched_at < now - every:
                    entry.stream.acted, entry.touched_at = False, now
                    found.append(console)
        return found


def claim(path: Path) -> None:
    """Take the socket's place from a relay that died; OSError when one lives there."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            path.unlink(missing_ok=True)
            return
    raise OSError(f"another relay listens on {path}")
