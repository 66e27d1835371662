"""Asking a host for its VMs' counters beside the thread that watches it.

libvirt's NOWAIT passes over a QEMU that somebody else waits for, but the first who asks a stuck one waits himself until
it moves again. So his call may hang, and the next one, which finds the stuck QEMU taken, tells of all the others.
Each has a connection to itself (docs/decisions/0126).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from vms.errors import VirtError
from vms.virt import Connection, Numbers

PATIENCE: Final = 10.0
# Each holds a connection.
MOST_HANGING: Final = 3


@dataclass(frozen=True)
class Counted:
    """What a host told of its running VMs, between two moments of time.monotonic()."""

    told: Mapping[str, Numbers]
    started: float
    ended: float

    @property
    def took(self) -> float:
        return self.ended - self.started


class Counter:
    """Asks on connections of its own, each in one thread at a time. reach: opens one. put: takes what was told, in the
    thread that asked."""

    def __init__(self, reach: Callable[[], Connection], put: Callable[[Counted], None]) -> None:
        self.reach = reach
        self.put = put
        self.asked: list[tuple[threading.Thread, float]] = []
        self.patience = PATIENCE
        self.lock = threading.Lock()
        self.open: set[Connection] = set()
        self.idle: Connection | None = None
        # How often all were closed: what was opened before is not kept.
        self.closed = 0

    def ask(self) -> None:
        """Ask, and return at once; nothing while an earlier question may still be answered."""
        now = time.monotonic()
        self.asked = [(thread, since) for thread, since in self.asked if thread.is_alive()]
        if len(self.asked) >= MOST_HANGING or any(now - since < self.patience for _, since in self.asked):
            return
        thread = threading.Thread(target=self.call, name="counting", daemon=True)
        self.asked.append((thread, now))
        thread.start()

    def call(self) -> None:
        try:
            with self.connection() as connection:
                started = time.monotonic()
                told = connection.numbers()
        except VirtError:
            # Whoever watches the host finds by himself that it does not answer.
            return
        counted = Counted(told, started, time.monotonic())
        if counted.took < self.patience:
            # A host with very many VMs may be slow without being stuck.
            self.patience = max(PATIENCE, 3 * counted.took)
            self.put(counted)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One that nobody else uses, kept for the next question while it stands."""
        with self.lock:
            connection, self.idle = self.idle, None
            closed = self.closed
        if connection is not None and not connection.alive():
            self.let_go(connection)
            connection = None
        if connection is None:
            connection = self.reach()
            with self.lock:
                self.open.add(connection)
        try:
            yield connection
        finally:
            stands = connection.alive()
            with self.lock:
                keeps = stands and self.idle is None and closed == self.closed
                if keeps:
                    self.idle = connection
            if not keeps:
                self.let_go(connection)

    def let_go(self, connection: Connection) -> None:
        with self.lock:
            self.open.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close all; a question that hangs comes back with an error. The next one opens its own again."""
        with self.lock:
            several, self.open, self.idle = self.open, set(), None
            self.closed += 1
        for connection in several:
            connection.close()
