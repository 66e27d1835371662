"""The one thread of a watcher that writes: short transactions, so that nobody else waits for a host's 1,300 VMs.

Every transaction first asks whether the lease still has the epoch under which the reading was made: a watcher that
was stopped for a minute and wakes up writes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from vms import live
from vms.errors import VirtError
from vms.inventory import hosts, placements
from vms.inventory.rows import Row
from vms.inventory.terms import LeaseLost, Term, hold
from vms.models import Placement
from vms.virt import HostFacts

logger = logging.getLogger(__name__)

MOST_ROWS: Final = 200
MOST_SECONDS: Final = 0.02


@dataclass
class Reading:
    """Rows to store. complete: they are all that the host has. done(stored) is called at the end, whatever it was."""

    term: Term
    rows: list[Row]
    rebooted: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    complete: bool = False
    done: Callable[[bool], None] = field(default=lambda stored: None)


class Writer:
    """Takes readings from any thread and stores them one after the other."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.thread = threading.Thread(target=self.run, name="inventory writer", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """Store what has been handed in, then end."""
        self.queue.put(None)
        self.thread.join(5)

    def read(self, reading: Reading) -> None:
        """Store VMs, soon."""
        self.queue.put(lambda: write(reading))

    def heard(self, term: Term) -> None:
        """The host has just answered."""
        self.queue.put(lambda: guarded(term, lambda: hosts.heard(term.host)))

    def silent(self, term: Term, error: VirtError) -> None:
        """The host does not answer."""
        self.queue.put(lambda: guarded(term, lambda: hosts.silent(term.host, error)))

    def facts(self, term: Term, told: HostFacts, missing: list[str]) -> None:
        """Store what the host says of itself."""
        self.queue.put(lambda: guarded(term, lambda: hosts.facts(term.host, told, missing)))

    def run(self) -> None:
        while (job := self.queue.get()) is not None:
            try:
                job()
            except LeaseLost:
                logger.warning("the lease was taken by another watcher; what was read is dropped")
            except Exception:
                logger.exception("could not store what a host said")
        connection.close()


def guarded(term: Term, job: Callable[[], set[str]]) -> None:
    """Run the job under the lease and announce what it names."""
    with transaction.atomic():
        hold(term)
        live.announce(job())


def write(reading: Reading) -> None:
    """Store a reading in as many transactions as it takes."""
    stored = False
    try:
        first = not Placement.objects.filter(host=reading.term.host).exists()
        for chunk in batched(reading.rows):
            known = placements.known(reading.term.host, [row.uuid for row in chunk])
            pending = deque(chunk)
            while pending:
                guarded(reading.term, lambda: write_some(reading, pending, known, first))  # noqa: B023 - called at once
        absent = deque(leaving(reading))
        while absent:
            guarded(reading.term, lambda: leave_some(absent))
        stored = True
    finally:
        reading.done(stored)


def batched(rows: list[Row]) -> Iterator[list[Row]]:
    """The rows, 200 at a time."""
    return (rows[at : at + MOST_ROWS] for at in range(0, len(rows), MOST_ROWS))


def write_some(reading: Reading, pending: deque[Row], known: dict[UUID, Placement], first: bool) -> set[str]:
    """Store the next rows for at most 20 ms."""
    until = time.monotonic() + MOST_SECONDS
    host = reading.term.host
    names: set[str] = set()
    while pending:
        row = pending.popleft()
        rebooted = row.uuid in reading.rebooted
        names |= placements.store(host, row, known.get(UUID(row.uuid)), rebooted=rebooted, first=first)
        if time.monotonic() > until:
            break
    return names


def leaving(reading: Reading) -> list[Placement]:
    """The placements that the host no longer shows."""
    there = Placement.objects.filter(host=reading.term.host, present=True).select_related("vm")
    if reading.complete:
        seen = {UUID(row.uuid) for row in reading.rows}
        return [placement for placement in there if placement.uuid not in seen]
    return list(there.filter(uuid__in=reading.missing)) if reading.missing else []


def leave_some(absent: deque[Placement]) -> set[str]:
    """Mark the next placements as gone."""
    names: set[str] = set()
    for _ in range(min(MOST_ROWS, len(absent))):
        names |= placements.gone(absent.popleft())
    return names
