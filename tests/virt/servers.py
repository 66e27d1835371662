"""Machines that are not what they should be, on a port of this one."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Answer = Callable[[socket.socket], None]


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """The port of a server that gives each connection to answer() and then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    side, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(side,), daemon=True).start()

        def handle(side: socket.socket) -> None:
            with side, contextlib.suppress(OSError):
                answer(side)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def hang_up(side: socket.socket) -> None:
    """Closes at once."""


def say_nothing(side: socket.socket) -> None:
    while side.recv(4096):
        pass


def speak_http(side: socket.socket) -> None:
    side.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    side.recv(4096)


def take_and_hang_up(side: socket.socket) -> None:
    side.recv(4096)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
