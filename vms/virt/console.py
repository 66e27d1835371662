"""A domain's serial device as a socket, on a connection of its own."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import weakref
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
    """Carries bytes between the stream and a pair of sockets, in one thread that sleeps until either has something.

    All calls to the stream are that thread's: with one that waits in recv() beside one that sends, libvirt's client
    forgets now and then to wake the former, and what came is read when the next key is pressed (docs/decisions/0126).
    The stream lives on this connection alone, so that cutting the connection's wire ends a call that would wait for
    ever.
    """

    def __init__(self, connection: Connection, stream: Any) -> None:
        self.connection = connection
        self.stream = stream
        self.ours, self.theirs = socket.socketpair()
        self.knock = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.lock = threading.Lock()
        self.over = False
        threading.Thread(target=self.run, name="serial line", daemon=True).start()

    def run(self) -> None:
        """Until either end ends; then the other one does, too."""
        with contextlib.suppress(OSError, libvirt.libvirtError):
            self.begin()
            self.carry()
        with self.lock:
            self.over = True
            os.close(self.knock)
            # The binding keeps it for good together with its callback (a kilobyte or two); what is libvirt's goes now.
            self.stream.__del__()
        self.connection.cut()
        self.theirs.close()
        self.connection.close()

    def begin(self) -> None:
        handle = self.connection.handle
        with contextlib.suppress(libvirt.libvirtError):
            handle.unregisterCloseCallback()
        handle.registerCloseCallback(self.broke, None)
        self.stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE, came, weakref.ref(self))

    def broke(self, conn: Any, reason: int, opaque: Any) -> None:
        self.connection.broken.set()
        self.wake()

    def wake(self) -> None:
        with self.lock:
            if not self.over:
                # Its loop calls again and again while there is something: once is enough.
                with contextlib.suppress(libvirt.libvirtError):
                    self.stream.eventUpdateCallback(0)
                os.eventfd_write(self.knock, 1)

    def carry(self) -> None:
        poller = select.poll()
        poller.register(self.theirs, select.POLLIN)
        poller.register(self.knock, select.POLLIN)
        while not self.connection.broken.is_set():
            ready = dict(poller.poll())
            if self.knock in ready:
                os.eventfd_read(self.knock)
                # Nothing yet is told by a number.
                while isinstance(data := self.stream.recv(CHUNK), bytes):
                    if not data:
                        return
                    self.theirs.sendall(data)
                self.stream.eventUpdateCallback(libvirt.VIR_STREAM_EVENT_READABLE)
            if self.theirs.fileno() in ready:
                data = self.theirs.recv(CHUNK)
                if not data:
                    return
                while data:
                    # libvirt's client waits in send() all the same.
                    data = data[max(self.stream.send(data), 0) :]


def came(stream: Any, events: int, carrier: weakref.ref[Carrier]) -> None:
    """Called by libvirt's loop when the stream has something."""
    if there := carrier():
        there.wake()
