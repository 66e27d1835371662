"""All children together: start, restart with back-off, clean stop. One thread, driven by signals."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence

from kvmweb.supervisor.child import Child
from kvmweb.supervisor.leftovers import Register
from kvmweb.supervisor.proc import identify, members

STOP = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
REGISTER_EVERY = 5.0


def block_signals() -> None:
    """From here on signals wait until Family.wait takes them. A SIGHUP that nohup ignores stays ignored."""
    wanted = {signal.SIGCHLD, *STOP}
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        wanted.discard(signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)


class Family:
    """The children in the order of their start; died(child, exit code) is told of each end that nobody asked for."""

    def __init__(
        self, children: Sequence[Child], register: Register, died: Callable[[Child, int], None] = lambda *_: None
    ) -> None:
        self.children = children
        self.register = register
        self.died = died
        self.registered = 0.0
        self.guest: Child | None = None

    @property
    def everybody(self) -> list[Child]:
        return [*self.children, *([self.guest] if self.guest else [])]

    def invite(self, child: Child) -> None:
        """Start a child that is not started again when it ends; one at a time."""
        self.guest = child
        self.start(child)

    def start(self, child: Child) -> None:
        child.start()
        self.note(now=True)

    def note(self, *, now: bool = False) -> None:
        """Write down who lives, every few seconds: what a killed supervisor leaves must be found by the next."""
        if now or time.monotonic() - self.registered > REGISTER_EVERY:
            groups = members({child.pid for child in self.everybody if child.pid})
            # A child that has not called setsid yet is in no group of its own.
            leaders = [identify(child.pid) for child in self.everybody if child.pid]
            processes = {one for group in groups.values() for one in group} | {one for one in leaders if one}
            # A full disk is no reason to end what runs; it is tried again with the next turn.
            with contextlib.suppress(OSError):
                self.register.write(processes)
            self.registered = time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Let time pass, restarting what ended; True as soon as somebody asked to stop."""
        until = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            due = [child.due for child in self.children if not child.pid and child.due]
            left = max(0.0, min([until, self.registered + REGISTER_EVERY, *due]) - now)
            caught = signal.sigtimedwait({signal.SIGCHLD, *STOP}, left)
            if caught and caught.si_signo in STOP:
                return True
            for child, code in self.collect():
                if child is not self.guest:
                    self.died(child, code)
            for one in self.children:
                if not one.pid and one.due and one.due <= time.monotonic():
                    self.start(one)
            self.note()
            if time.monotonic() >= until:
                return False

    def collect(self) -> list[tuple[Child, int]]:
        """Collect all dead children, adopted ones too; ours with their exit codes."""
        ended: list[tuple[Child, int]] = []
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return ended
            if found is None:
                return ended
            child = next((one for one in self.everybody if one.pid == found.si_pid), None)
            if child is None:
                os.waitpid(found.si_pid, 0)
            else:
                ended.append((child, child.reap()))

    def stop(self) -> None:
        """End all: the last started, then those between together, then the first; nothing of ours runs afterwards."""
        guests = [self.guest] if self.guest else []
        for batch in ([*guests, *self.children[-1:]], self.children[1:-1], self.children[:1]):
            self.end([child for child in batch if child.pid])
        with contextlib.suppress(OSError):
            self.register.write([])

    def end(self, batch: Sequence[Child]) -> None:
        """Ask them to end, each with its grace; then make them."""
        for child in batch:
            child.signal(signal.SIGTERM)
        began = time.monotonic()
        for child in sorted(batch, key=lambda one: one.program.grace):
            self.await_end(child, began + child.program.grace)
            if child.pid:
                child.signal(signal.SIGKILL)
                self.await_end(child, time.monotonic() + 5.0)

    def await_end(self, child: Child, until: float) -> None:
        while child.pid and time.monotonic() < until:
            signal.sigtimedwait({signal.SIGCHLD}, max(0.0, until - time.monotonic()))
            self.collect()
