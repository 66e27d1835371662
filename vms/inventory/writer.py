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
from typing import Any, Final
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
# So many new ones are made in a few milliseconds.
MOST_NEW: Final = 10
# SQLite has one writer: between two transactions of a long reading others get in, who look again every few ms.
MOST_SECONDS: Final = 0.004
REST_SECONDS: Final = 0.004


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
        for chunk in batched(reading.rows, MOST_ROWS):
            known = placements.known(reading.term.host, [row.uuid for row in chunk])
            pending = deque(news(reading, chunk, known))
            new = deque(batched([row for row in chunk if UUID(row.uuid) not in known], MOST_NEW))
            while pending:
                guarded(reading.term, lambda: write_some(reading, pending, known))  # noqa: B023 - called at once
                rest(pending or new)
            while new:
                guarded(reading.term, lambda: create_some(reading, new, first=first))  # noqa: B023 - called at once
                rest(new)
        absent = deque(leaving(reading))
        while absent:
            guarded(reading.term, lambda: leave_some(absent))
            rest(absent)
        stored = True
    finally:
        reading.done(stored)


def batched(rows: list[Row], most: int) -> Iterator[list[Row]]:
    """The rows, so many at a time."""
    return (rows[at : at + most] for at in range(0, len(rows), most))


def news(reading: Reading, chunk: list[Row], known: dict[UUID, Placement]) -> Iterator[Row]:
    """Those of the rows that say something new of a placement that is known."""
    for row in chunk:
        placement = known.get(UUID(row.uuid))
        if placement and placements.is_news(row, placement, rebooted=row.uuid in reading.rebooted):
            yield row


def rest(left: deque[Any]) -> None:
    """Let others write before what is left."""
    if left:
        time.sleep(REST_SECONDS)


def write_some(reading: Reading, pending: deque[Row], known: dict[UUID, Placement]) -> set[str]:
    """Store the next rows, for a few milliseconds."""
    until = time.monotonic() + MOST_SECONDS
    names: set[str] = set()
    while pending:
        row = pending.popleft()
        names |= placements.store(row, known[UUID(row.uuid)], rebooted=row.uuid in reading.rebooted)
        if time.monotonic() > until:
            break
    return names


def create_some(reading: Reading, new: deque[list[Row]], *, first: bool) -> set[str]:
    """Store the next of those that the host has not shown before."""
    return placements.create(reading.term.host, new.popleft(), first=first)


def leaving(reading: Reading) -> list[Placement]:
    """The placements that the host no longer shows."""
    there = Placement.objects.filter(host=reading.term.host, present=True).select_related("vm")
    if reading.complete:
        seen = {UUID(row.uuid) for row in reading.rows}
        return [placement for placement in there if placement.uuid not in seen]
    return list(there.filter(uuid__in=reading.missing)) if reading.missing else []


def leave_some(absent: deque[Placement]) -> set[str]:
    """Mark the next placements as gone, for a few milliseconds."""
    until = time.monotonic() + MOST_SECONDS
    names: set[str] = set()
    while absent:
        names |= placements.gone(absent.popleft())
        if time.monotonic() > until:
            break
    return names
