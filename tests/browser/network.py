"""A network of its own for one browser: so slow that there is a middle, and what is sent into it is counted."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

BLOCK: Final = 1 << 18


class Network:
    """SOCKS 5 without a password, by which a browser reaches 127.0.0.1. sent: the bytes that came from it so far, over
    all connections; speed: how many a second it takes from one."""

    def __init__(self, speed: int) -> None:
        self.speed = speed
        self.sent = 0
        self.lock = threading.Lock()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.open: set[socket.socket] = {self.door}

    @property
    def address(self) -> str:
        return f"socks5://127.0.0.1:{self.door.getsockname()[1]}"

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                browser, _ = self.door.accept()
                threading.Thread(target=self.serve, args=(browser,), daemon=True).start()

    def serve(self, browser: socket.socket) -> None:
        """One connection of the browser, to its end on either side."""
        with closing(browser), suppress(OSError), self.kept(browser):
            exactly(browser, exactly(browser, 2)[1])
            browser.sendall(b"\5\0")
            # Version, command, nothing, kind of address (a name, with Chromium), its length; the name; the port.
            exactly(browser, exactly(browser, 5)[4])
            port = int.from_bytes(exactly(browser, 2))
            try:
                there = socket.create_connection(("127.0.0.1", port))
            except ConnectionRefusedError:
                browser.sendall(b"\5\5\0\1" + bytes(6))
                return
            with closing(there), self.kept(there):
                browser.sendall(b"\5\0\0\1" + bytes(6))
                threading.Thread(target=self.carry, args=(there, browser), daemon=True).start()
                self.carry(browser, there, count=True)

    def carry(self, source: socket.socket, goal: socket.socket, *, count: bool = False) -> None:
        """Until either closes; then both are closed."""
        with suppress(OSError):
            while data := source.recv(BLOCK):
                if count:
                    with self.lock:
                        self.sent += len(data)
                    time.sleep(len(data) / self.speed)
                goal.sendall(data)
        for end in (source, goal):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def kept(self, end: socket.socket) -> Iterator[None]:
        """close() ends it too."""
        with self.lock:
            self.open.add(end)
        try:
            yield
        finally:
            with self.lock:
                self.open.discard(end)

    def close(self) -> None:
        with self.lock:
            ends = list(self.open)
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.door.close()


def exactly(end: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := end.recv(size - len(data))):
            raise ConnectionResetError
        data += more
    return data


@contextmanager
def network(speed: int) -> Iterator[Network]:
    made = Network(speed)
    threading.Thread(target=made.accept, daemon=True).start()
    try:
        yield made
    finally:
        made.close()
