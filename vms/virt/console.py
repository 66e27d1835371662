"""A domain's serial device as a socket, on a connection of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Final

import libvirt

from vms.errors import HostUnreachable, TimedOut
from vms.virt.connection import Connection, cut_after, open_connection
from vms.virt.spec import HostSpec

CHUNK = 65536
# How long a host may take to hand out the device, once it has let us in.
ASK_SECONDS: Final = 6.0


def open_console(spec: HostSpec, uuid: str, device: str, *, force: bool = False) -> socket.socket:
    """A socket that is the serial device; it ends when the domain does, or when another takes the device by force.

    Closing it gives the device back. What it brings is to be read at once: libvirt keeps without bound what is not.
    force: throw out whoever holds the device. Raises ConsoleBusy, and what connect() raises.
    """
    connection = open_connection(spec)
    with cut_after(connection, ASK_SECONDS) as late:
        try:
            stream = connection.domain(uuid).open_console(device, force=force)
        except HostUnreachable:
            connection.close()
            if late.is_set():
                raise TimedOut(f"no answer within {ASK_SECONDS:g} s") from None
            raise
        except BaseException:
            connection.close()
            raise
    return Carrier(connection, stream).ours


class Carrier:
    """Carries bytes between the stream and a pair of sockets, a thread each way that sleeps in its call.

    The stream lives on this connection alone, so that cutting the connection's wire ends a call that would wait for
    ever.
    """

    def __init__(self, connection: Connection, stream: Any) -> None:
        self.connection = connection
        self.stream = stream
        self.ours, self.theirs = socket.socketpair()
        self.lock = threading.Lock()
        self.threads = 2
        for way in (self.down, self.up):
            threading.Thread(target=self.carry, args=(way,), name="serial line", daemon=True).start()

    def carry(self, way: Any) -> None:
        """Until either end ends; then the other way ends too, and the last one tidies up."""
        with contextlib.suppress(OSError, libvirt.libvirtError):
            way()
        with contextlib.suppress(OSError):
            self.theirs.shutdown(socket.SHUT_RDWR)
        self.connection.cut()
        with self.lock:
            self.threads -= 1
            last = not self.threads
        if last:
            self.theirs.close()
            self.connection.close()

    def down(self) -> None:
        while data := self.stream.recv(CHUNK):
            self.theirs.sendall(data)

    def up(self) -> None:
        while data := self.theirs.recv(CHUNK):
            while data:
                data = data[self.stream.send(data) :]
