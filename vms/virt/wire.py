"""The wire between libvirt's client and the daemon, owned by us: cutting it frees every blocked call at once.

Closing a libvirt connection only drops a reference and leaves a blocked call blocked; a broken socket ends it.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from pathlib import Path

CHUNK = 65536


class Wire:
    """A unix socket that the client connects to once, and its bytes passed to and from the daemon's socket."""

    def __init__(self, daemon: str) -> None:
        """Raises OSError where the daemon's socket does not let us in."""
        self.upstream = socket.socket(socket.AF_UNIX)
        self.downstream: socket.socket | None = None
        self.folder = tempfile.mkdtemp(prefix="kvmweb-")
        self.path = str(Path(self.folder) / "libvirt")
        self.door = socket.socket(socket.AF_UNIX)
        try:
            self.upstream.connect(daemon)
            self.door.bind(self.path)
            self.door.listen(1)
        except OSError:
            self.cut()
            raise
        threading.Thread(target=self.carry, name="wire", daemon=True).start()

    def carry(self) -> None:
        """Take the client in, close the door behind it, and pass bytes until either side ends."""
        try:
            self.downstream, _ = self.door.accept()
        except OSError:
            return
        self.close_door()
        threading.Thread(target=self.pump, args=(self.upstream, self.downstream), name="wire", daemon=True).start()
        self.pump(self.downstream, self.upstream)

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK):
                target.sendall(chunk)
        self.cut()

    def cut(self) -> None:
        """End it now: whoever waits on it is told that it broke. Again is nothing."""
        self.close_door()
        for side in (self.upstream, self.downstream):
            if side is not None:
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
                side.close()

    def close_door(self) -> None:
        with contextlib.suppress(OSError):
            self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        shutil.rmtree(self.folder, ignore_errors=True)
