"""The wire between libvirt's client and the daemon, owned by us: cutting it frees every blocked call at once.

Closing a libvirt connection only drops a reference and leaves a blocked call blocked; a broken socket ends it. So the
client always connects to a unix socket of ours, whatever carries the bytes from there (vms.virt.reach).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vms.virt.ends import End, shut

MOST: Final = 1 << 20
# Every packet begins with its length and its program; a first answer is always the remote program's.
WORD: Final = 8
PROGRAM: Final = 0x20008086


def splice(source: socket.socket, target: socket.socket) -> None:
    """Pass all that comes until its end, within the kernel: what is uploaded goes through here. Raises OSError."""
    out, into = os.pipe()
    try:
        while came := os.splice(source.fileno(), into, MOST):
            while came:
                came -= os.splice(out, target.fileno(), came)
    finally:
        os.close(out)
        os.close(into)


class Wire:
    """A unix socket that the client connects to once, and its bytes passed to and from the far end."""

    def __init__(self, far: End) -> None:
        self.far = far
        self.downstream: socket.socket | None = None
        # Whether the far end was the first to close, and its first bytes.
        self.hung_up = False
        self.first = b""
        # Called once, before anybody is told that this wire is cut.
        self.first_cut: Callable[[], None] | None = None
        self.folder = tempfile.mkdtemp(prefix="kvmweb-")
        self.path = str(Path(self.folder) / "libvirt")
        self.door = socket.socket(socket.AF_UNIX)
        try:
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
        threading.Thread(target=self.listen, args=(self.downstream,), name="wire", daemon=True).start()
        with contextlib.suppress(OSError):
            splice(self.downstream, self.far.socket)
        self.cut()

    def listen(self, downstream: socket.socket) -> None:
        """Pass the far end's words to the client."""
        with contextlib.suppress(OSError):
            while len(self.first) < WORD and (chunk := self.far.socket.recv(WORD - len(self.first))):
                self.first += chunk
                downstream.sendall(chunk)
            splice(self.far.socket, downstream)
        self.hung_up = True
        self.cut()

    @property
    def is_other(self) -> bool:
        """Whether the far end said something that is no libvirt's."""
        return bool(self.first) and self.first[4:] != PROGRAM.to_bytes(4)

    def cut(self) -> None:
        """End it now: whoever waits on it is told that it broke. Again is nothing."""
        before, self.first_cut = self.first_cut, None
        if before:
            before()
        self.close_door()
        self.far.end()
        if self.downstream is not None:
            shut(self.downstream)

    def close_door(self) -> None:
        with contextlib.suppress(OSError):
            self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        shutil.rmtree(self.folder, ignore_errors=True)
