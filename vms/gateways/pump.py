"""Bytes between a browser and a screen: neither side is read faster than the other takes."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import Protocol

from websockify.websocket import WebSocketWantReadError

from vms.gateways.closing import Ended
from vms.gateways.framing import BINARY, PING, BrowserSocket, FrameTooBig
from vms.gateways.rfb import BadStream

CHUNK = 65536
GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


def wants(*, read: bool, write: bool) -> int:
    return (select.POLLIN if read else 0) | (select.POLLOUT if write else 0)


class Stream(Protocol):
    """acted: something was typed or pointed at. let_go: what the target is told when nobody is there any more."""

    acted: bool

    def feed(self, data: bytes) -> bytes: ...

    def let_go(self) -> bytes: ...


class Typed:
    """What a browser types into a serial line. It goes on as it is: the line itself knows whose bytes count."""

    def __init__(self) -> None:
        self.acted = False

    def feed(self, data: bytes) -> bytes:
        self.acted = self.acted or bool(data)
        return data

    def let_go(self) -> bytes:
        return b""


class Pump:
    """One console's loop, in a thread of its own.

    At most one chunk waits in each direction: a side that does not take stops the other and costs no memory. A
    browser that does not answer a ping within pong_within seconds, or takes nothing for so long, is left.
    """

    def __init__(
        self,
        browser: BrowserSocket,
        target: socket.socket,
        stream: Stream,
        *,
        ping_every: float = 15.0,
        pong_within: float = 45.0,
    ) -> None:
        self.browser = browser
        self.target = target
        self.stream = stream
        self.ping_every = ping_every
        self.pong_within = pong_within
        self.to_target = memoryview(b"")
        self.ping_at = time.monotonic() + ping_every
        self.pong_by: float | None = None

    def run(self) -> None:
        """Pump until one side ends or breaks a rule; always raises Ended."""
        try:
            self.carry()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """QEMU lifts the keys of a client that leaves, and not its mouse buttons: the next one could only click.

        It does not read what comes together with the end, so it is given a moment to read this first.
        """
        words = b"" if self.to_target else self.stream.let_go()
        if not words:
            return
        until = time.monotonic() + 1.0
        with suppress(OSError):
            self.target.settimeout(1.0)
            self.target.sendall(words)
            self.target.shutdown(socket.SHUT_WR)
            while self.target.recv(CHUNK) and time.monotonic() < until:
                pass

    def carry(self) -> None:
        self.browser.setblocking(False)
        self.target.setblocking(False)
        browser, target = self.browser.fileno(), self.target.fileno()
        poller = select.poll()
        poller.register(browser)
        poller.register(target)
        armed = None
        while True:
            if armed != (armed := (self.browser.blocked, bool(self.to_target))):
                # Read from one side only while the other has taken everything.
                browser_waits, target_waits = armed
                poller.modify(browser, wants(read=not target_waits, write=browser_waits))
                poller.modify(target, wants(read=not browser_waits, write=target_waits))
            ready = dict(poller.poll(self.milliseconds()))
            try:
                self.serve(ready.get(browser, 0), ready.get(target, 0))
            except OSError:
                raise Ended("browser_left") from None
            except FrameTooBig:
                raise Ended("too_big") from None
            except BadStream:
                raise Ended("bad_stream") from None
            self.beat()

    def milliseconds(self) -> float:
        until = self.ping_at if self.pong_by is None else min(self.ping_at, self.pong_by)
        return max(0.0, 1000 * (until - time.monotonic()))

    def serve(self, browser: int, target: int) -> None:
        """Do what the two sockets are ready for."""
        if browser & select.POLLOUT:
            self.browser.flush()
        if target & select.POLLOUT:
            self.push()
        if browser & (select.POLLIN | GONE):
            self.from_browser()
        if target & select.POLLIN:
            self.from_target()
        elif target & GONE:
            raise Ended("target_closed")

    def from_browser(self) -> None:
        """Read what one recv gives, all frames of it."""
        pieces = []
        while True:
            try:
                message = self.browser.recvmsg()
            except WebSocketWantReadError:
                break
            if message is None:
                raise Ended("browser_left")
            pieces.append(self.stream.feed(message))
            if not self.browser.pending():
                break
        if self.browser.ending:
            raise Ended("bad_stream")
        self.to_target = memoryview(b"".join((self.to_target, *pieces)))
        self.push()

    def push(self) -> None:
        """Hand to the target what it takes."""
        try:
            while self.to_target:
                self.to_target = self.to_target[self.target.send(self.to_target) :]
        except BlockingIOError:
            return
        except OSError:
            raise Ended("target_closed") from None

    def from_target(self) -> None:
        try:
            data = self.target.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            raise Ended("target_closed") from None
        if not data:
            raise Ended("target_closed")
        self.browser.say(BINARY, data)

    def beat(self) -> None:
        """Ping when it is time; Ended when the pong is late."""
        now = time.monotonic()
        if self.browser.pongs:
            self.browser.pongs, self.pong_by = 0, None
        if self.pong_by is not None and now >= self.pong_by:
            raise Ended("no_pong")
        if now >= self.ping_at:
            self.ping_at = now + self.ping_every
            self.pong_by = self.pong_by or now + self.pong_within
            self.browser.say(PING, b"kvmweb")
