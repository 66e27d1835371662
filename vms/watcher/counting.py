"""Asking a host for its VMs' counters beside the thread that watches it.

libvirt's NOWAIT passes over a QEMU that somebody else waits for, but the first who asks a stuck one waits himself until
it moves again. So his call may hang, and the next one, which finds the stuck QEMU taken, tells of all the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vms.errors import VirtError
from vms.virt import Connection, Numbers

PATIENCE: Final = 10.0
# libvirt answers five requests of a connection at once.
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
    """put: takes what was told, in the thread that asked."""

    def __init__(self, put: Callable[[Counted], None]) -> None:
        self.put = put
        self.asked: list[tuple[threading.Thread, float]] = []
        self.patience = PATIENCE

    def ask(self, connection: Connection) -> None:
        """Ask, and return at once; nothing while an earlier question may still be answered."""
        now = time.monotonic()
        self.asked = [(thread, since) for thread, since in self.asked if thread.is_alive()]
        if len(self.asked) >= MOST_HANGING or any(now - since < self.patience for _, since in self.asked):
            return
        thread = threading.Thread(target=self.call, args=(connection,), name="counting", daemon=True)
        self.asked.append((thread, now))
        thread.start()

    def call(self, connection: Connection) -> None:
        started = time.monotonic()
        try:
            told = connection.numbers()
        except VirtError:
            # Whoever watches the host finds by himself that it does not answer.
            return
        counted = Counted(told, started, time.monotonic())
        if counted.took < self.patience:
            # A host with very many VMs may be slow without being stuck.
            self.patience = max(PATIENCE, 3 * counted.took)
            self.put(counted)
