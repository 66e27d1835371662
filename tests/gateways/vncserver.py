"""A VNC server that says what the test wishes, in the order of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Server:
    """heard: what it was told, piece by piece. says: what it sends before it waits for each piece."""

    says: list[bytes]
    wants: list[int]
    heard: list[bytes] = field(default_factory=list)
    stays: bool = True

    def serve(self, side: socket.socket) -> None:
        with suppress(OSError):
            for index, words in enumerate(self.says):
                side.sendall(words)
                if index < len(self.wants):
                    self.heard.append(side.recv(self.wants[index], socket.MSG_WAITALL))
            while self.stays and side.recv(4096):
                pass
        side.close()


@contextmanager
def served(server: Server) -> Iterator[socket.socket]:
    """Our end of a connection to it."""
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=server.serve, args=(theirs,), daemon=True)
    thread.start()
    try:
        yield ours
    finally:
        ours.close()
        thread.join(5)
