"""What keeps an operation where it is, from outside: a process that stands still, a database that is written to."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.lab.guests import LabGuest
from tests.lab.machine import eventually
from tests.lab.stack import Dashboard


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process stands still, unless it is killed meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        # On a busy machine its threads run on until the first of them has taken the signal.
        eventually(lambda: states(pid) <= {"T", "Z"}, f"{pid} stands still", every=0.01)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def states(pid: int) -> set[str]:
    """What the threads of the process do, each by the kernel's letter."""
    found = set()
    for file in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):
            found.add(file.read_text().rpartition(")")[2].split()[0])
    return found


def qemu(guest: LabGuest) -> int:
    """The pid of the guest's QEMU."""
    for pid in guest.host.pids():
        with suppress(OSError):
            if f"guest={guest.name}," in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
    raise AssertionError(f"{guest.name} does not run")


@contextmanager
def unwritable(dashboard: Dashboard) -> Iterator[None]:
    """Somebody is writing to the database: whoever else wants to, waits."""
    database = sqlite3.connect(dashboard.state / "db/kvmweb.sqlite3", isolation_level=None, timeout=20)
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
    finally:
        database.close()


@contextmanager
def idle(dashboard: Dashboard, pid: int) -> Iterator[None]:
    """The process stands still, and not in the middle of writing to the database, which would stop all others too."""
    with ExitStack() as hold:
        with unwritable(dashboard):
            hold.enter_context(stopped(pid))
        yield
