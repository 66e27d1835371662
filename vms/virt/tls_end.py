"""The far end of a wire by TLS: plain bytes on our side, encrypted ones on the other."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Final

from vms.errors import VirtError
from vms.virt.ends import shut

CHUNK: Final = 65536


class Tls:
    """One thread alone touches the encrypted socket, because OpenSSL takes no reading and writing at once."""

    def __init__(self, channel: ssl.SSLSocket) -> None:
        self.socket, self.inner = socket.socketpair()
        self.channel = channel
        threading.Thread(target=self.carry, name="tls", daemon=True).start()

    def stands(self) -> None:
        pass

    def end(self) -> None:
        # The thread sees it on its side and closes the rest.
        shut(self.socket)

    def why(self) -> VirtError | None:
        return None

    def carry(self) -> None:
        self.channel.setblocking(False)
        self.inner.setblocking(False)
        with contextlib.suppress(OSError):
            self.pass_bytes()
        self.channel.close()
        shut(self.inner)

    def pass_bytes(self) -> None:
        """Until either side ends."""
        inward, outward = b"", b""
        while True:
            waits = Waits()
            if not inward:
                with waits.unless_ready(self.channel):
                    inward = self.channel.recv(CHUNK)
                    if not inward:
                        return
            if not outward:
                with waits.unless_ready(self.inner):
                    outward = self.inner.recv(CHUNK)
                    if not outward:
                        return
            if inward:
                with waits.unless_ready(self.inner, select.POLLOUT):
                    inward = inward[self.inner.send(inward) :]
            if outward:
                with waits.unless_ready(self.channel):
                    outward = outward[self.channel.send(outward) :]
            waits.wait()


class Waits:
    """What one round could not do, and for what it must wait; a round in which anything was done waits for nothing."""

    def __init__(self) -> None:
        self.events: dict[int, int] = {}
        self.done = False

    @contextlib.contextmanager
    def unless_ready(self, side: socket.socket, event: int = select.POLLIN) -> Iterator[None]:
        try:
            yield
            self.done = True
        except ssl.SSLWantReadError:
            self.note(side, select.POLLIN)
        except ssl.SSLWantWriteError:
            self.note(side, select.POLLOUT)
        except BlockingIOError:
            self.note(side, event)

    def note(self, side: socket.socket, event: int) -> None:
        self.events[side.fileno()] = self.events.get(side.fileno(), 0) | event

    def wait(self) -> None:
        if self.done:
            return
        poll = select.poll()
        for descriptor, events in self.events.items():
            poll.register(descriptor, events)
        poll.poll()
