"""One serial device, held once and fanned out: everybody reads, one types."""

from __future__ import annotations

import json
import os
import secrets
import select
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from vms.gateways.pump import CHUNK, GONE, wants
from vms.gateways.ring import Ring


@dataclass
class Seat:
    """A viewer's end of the line; at is the place in the ring up to which he has read. since: time.monotonic() of his
    coming."""

    socket: socket.socket
    drives: bool
    at: int
    since: float


class End(NamedTuple):
    """What a viewer gets. greeting says in JSON which place of which line the socket's first byte has, so that whoever
    comes back knows what he has seen already."""

    socket: socket.socket
    greeting: bytes


class Line:
    """A thread between the device and its viewers.

    The device is always read, into the ring; a viewer who does not take costs nothing, stops nobody, and goes on
    with what the ring still has. Of what viewers say only the driver's bytes go up, and the driver is not read while
    the device does not take. The device is given back linger seconds after the last viewer left; the ring lives as
    long as the line, also over an end of the device (a VM that starts again).
    """

    def __init__(self, linger: float) -> None:
        self.linger = linger
        self.name = secrets.token_hex(8)
        self.ring = Ring()
        self.opening = threading.Lock()
        self.lock = threading.Lock()
        self.device: socket.socket | None = None
        self.to_device = b""
        self.seats: dict[int, Seat] = {}
        self.empty_since = time.monotonic()
        self.over = False
        self.knock = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.thread = threading.Thread(target=self.run, name="serial fan", daemon=True)
        self.thread.start()

    def hold(self) -> bool:
        """Whether it stands, and then it does for another while."""
        with self.lock:
            self.empty_since = time.monotonic()
            return not self.over

    def attach(self, device: socket.socket) -> None:
        """Read this device from now on."""
        device.setblocking(False)
        with self.lock:
            self.device = device
            self.to_device = b""
        self.wake()

    def seat(self, console: int, *, drives: bool) -> End | None:
        """A viewer's end, which begins with the ring; None when the line has no device (any more)."""
        with self.lock:
            if self.device is None or self.over:
                return None
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            first = self.ring.first()
            self.seats[console] = Seat(ours, drives, first, time.monotonic())
        self.wake()
        return End(theirs, json.dumps({"line": self.name, "at": first}).encode())

    def drive(self, drivers: set[int], asked_at: float) -> None:
        """These consoles type, the others do not, of those that were there when that was asked."""
        with self.lock:
            for console, seat in self.seats.items():
                if seat.since < asked_at:
                    seat.drives = console in drivers

    def end(self) -> None:
        """Give the device back and end."""
        with self.lock:
            self.over = True
        self.wake()

    def wake(self) -> None:
        with suppress(OSError):
            os.eventfd_write(self.knock, 1)

    def run(self) -> None:
        while not self.is_over():
            ready = dict(self.poller().poll(self.milliseconds()))
            with self.lock:
                self.serve(ready)
        self.lose_device()
        os.close(self.knock)

    def is_over(self) -> bool:
        with self.lock:
            self.over = self.over or (not self.seats and time.monotonic() - self.empty_since >= self.linger)
            return self.over

    def milliseconds(self) -> float | None:
        if self.seats:
            return None
        return max(0.0, 1000 * (self.empty_since + self.linger - time.monotonic()))

    def poller(self) -> select.poll:
        poller = select.poll()
        poller.register(self.knock, select.POLLIN)
        with self.lock:
            if self.device:
                poller.register(self.device, wants(read=True, write=bool(self.to_device)))
            for seat in self.seats.values():
                reads = not (seat.drives and self.to_device)
                poller.register(seat.socket, wants(read=reads, write=seat.at < self.ring.end))
        return poller

    def serve(self, ready: dict[int, int]) -> None:
        """Do what the sockets are ready for."""
        if self.knock in ready:
            os.eventfd_read(self.knock)
        if self.device and ready.get(self.device.fileno()):
            self.from_device(self.device)
        for console, seat in list(self.seats.items()):
            if ready.get(seat.socket.fileno(), 0) & (select.POLLIN | GONE):
                self.from_seat(console, seat)
        self.push()
        for console, seat in list(self.seats.items()):
            self.to_seat(console, seat)

    def from_device(self, device: socket.socket) -> None:
        try:
            data = device.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.ring.add(data)
        else:
            self.lose_device()

    def lose_device(self) -> None:
        """The device ended, or is given back: whoever looks is told by the end of his own socket."""
        if self.device:
            for console, seat in list(self.seats.items()):
                self.to_seat(console, seat)
            with suppress(OSError):
                self.device.shutdown(socket.SHUT_RDWR)
            self.device.close()
        self.device, self.to_device = None, b""
        for console in list(self.seats):
            self.leave(console)

    def from_seat(self, console: int, seat: Seat) -> None:
        try:
            data = seat.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.leave(console)
        elif seat.drives:
            self.to_device += data

    def push(self) -> None:
        """Hand to the device what it takes."""
        with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self.device and self.to_device:
                self.to_device = self.to_device[self.device.send(self.to_device) :]

    def to_seat(self, console: int, seat: Seat) -> None:
        """Hand to the viewer what he takes; what the ring lost meanwhile he does not see."""
        if seat.at < self.ring.start:
            seat.at = self.ring.first()
        try:
            while data := self.ring.read(seat.at, CHUNK):
                seat.at += seat.socket.send(data)
        except BlockingIOError:
            return
        except OSError:
            self.leave(console)

    def leave(self, console: int) -> None:
        seat = self.seats.pop(console, None)
        if seat:
            seat.socket.close()
            self.empty_since = time.monotonic()
