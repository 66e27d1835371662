"""The one thread of a watcher that writes: short transactions with rests between them.

SQLite has one writer, and who waits for it looks again every few milliseconds only: nobody else may wait for a host's
1,300 VMs. Every transaction first asks whether the leases still have the epochs under which the readings were made: a
watcher that was stopped for a minute and wakes up writes nothing.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from vms import live
from vms.errors import VirtError
from vms.inventory import agents, devices, hosts, networks, placements, pools, screens, troubles, volumes
from vms.inventory.rows import Row
from vms.inventory.terms import Term, held
from vms.models import Placement, Volume
from vms.virt import DeviceInfo, DomainBroke, GuestInfo, HostFacts, HostHardware, VolumeFacts

logger = logging.getLogger(__name__)

MOST_ROWS: Final = 200
# So many new ones are made in one step, which takes a few milliseconds.
MOST_NEW: Final = 10
MOST_SECONDS: Final = 0.002
# So many hosts' leases are asked for in one; more would not be worked at.
MOST_TASKS: Final = 8
# While nothing is urgent, a transaction is followed by a rest of three times its length: others find the database free
# at their next look.
REST: Final = 3
LONGEST_REST: Final = 0.012
# After so long it goes beside what is urgent.
LONGEST_WAIT: Final = 1.0

# A piece of work in a transaction; the names of what it changed.
Step = Callable[[], set[str]]


@dataclass
class Reading:
    """Rows to store. complete: they are all that the host has. done(stored) is called at the end, whatever it was."""

    term: Term
    rows: list[Row]
    rebooted: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    complete: bool = False
    done: Callable[[bool], None] = field(default=lambda stored: None)


@dataclass(eq=False)
class Task:
    """Steps under a term. plan: what they are, asked before there is a transaction and again where one failed.

    urgent: somebody may be looking at it just now; for what is not, there are rests.
    """

    term: Term
    plan: Callable[[], deque[Step]]
    done: Callable[[bool], None] = field(default=lambda stored: None)
    urgent: bool = False
    steps: deque[Step] = field(default_factory=deque)
    since: float = field(default_factory=time.monotonic)


class Writer:
    """Takes readings from any thread and stores them: those of one host one after the other, hosts side by side."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Task | None] = SimpleQueue()
        self.thread = Thread(target=self.run, name="inventory writer", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """Store what has been handed in, then end."""
        self.queue.put(None)
        self.thread.join(5)

    def read(self, reading: Reading) -> None:
        """Store VMs, soon."""
        self.queue.put(task_of(reading))

    def heard(self, term: Term) -> None:
        """The host has just answered."""
        self.note(term, lambda: hosts.heard(term.host))

    def silent(self, term: Term, error: VirtError) -> None:
        """The host does not answer."""
        self.note(term, lambda: hosts.silent(term.host, error))

    def facts(self, term: Term, told: HostFacts, missing: list[str]) -> None:
        """Store what the host says of itself."""
        stored, found = hosts.as_stored(told, missing), pools.as_stored(told.pools)
        nets, filters = networks.as_stored(told.networks), networks.filters_as_stored(told.filters)

        def steps() -> Iterator[Step]:
            if hosts.is_news(term.host, stored):
                yield partial(hosts.facts, term.host, stored)
            if pools.is_news(term.host, found):
                yield partial(pools.keep, term.host, found)
            if networks.is_news(term.host, nets):
                yield partial(networks.keep, term.host, nets)
            if networks.is_filter_news(term.host, filters):
                yield partial(networks.keep_filters, term.host, filters)

        self.queue.put(Task(term, lambda: deque(steps())))

    def volumes(
        self,
        term: Term,
        pool: str,
        before: Mapping[str, Volume],
        told: list[VolumeFacts],
        done: Callable[[bool], None] = lambda stored: None,
    ) -> None:
        """Store what the host's pool of that UUID lists; before: what was known when it was asked."""
        self.queue.put(Task(term, lambda: deque(volumes.plan(term.host, pool, before, told)), done))

    def judged(self, term: Term, volume: Volume, first: bytes | None, size: int) -> None:
        """Store what the first bytes of a volume say of it; None for one that cannot be read."""
        self.note(term, lambda: volumes.judged(volume, first, size))

    def hardware(self, term: Term, told: HostHardware, found: tuple[DeviceInfo, ...]) -> None:
        """Store what the host is made of."""
        self.queue.put(Task(term, lambda: devices.plan(term.host, told, found)))

    def told(
        self, term: Term, placement: Placement, asked_at: datetime, said: GuestInfo | None, error: str, *, show: bool
    ) -> None:
        """Store what a guest's agent told in the placement's run, or why it did not. show: somebody waits for it."""
        self.note(term, lambda: agents.store(placement, asked_at, said, error, show=show))

    def last_screen(self, term: Term, uuid: str, shot: screens.Shot) -> None:
        """Keep what stood on the screen of a VM that has crashed."""
        self.note(term, lambda: screens.keep(term.host, uuid, shot))

    def broke(self, term: Term, trouble: DomainBroke) -> None:
        """Store what went wrong in a VM."""
        self.note(term, lambda: troubles.store(term.host, trouble))

    def note(self, term: Term, step: Step) -> None:
        self.queue.put(Task(term, lambda: deque([step])))

    def run(self) -> None:
        waiting: list[Task] = []
        ends = False
        while waiting or not ends:
            try:
                task = self.queue.get(block=not waiting)
                ends = ends or task is None
                if task:
                    waiting.append(task)
                    continue
            except Empty:
                pass
            took = turn(waiting)
            if not any(task.urgent for task in waiting):
                time.sleep(min(REST * took, LONGEST_REST))
        connection.close()


def write(reading: Reading) -> None:
    """Store a reading in as many transactions as it takes."""
    waiting = [task_of(reading)]
    while waiting:
        turn(waiting)


def task_of(reading: Reading) -> Task:
    return Task(reading.term, lambda: plan(reading), reading.done, urgent=not reading.complete)


def turn(waiting: list[Task]) -> float:
    """Work in one transaction at the first task of each host, the urgent and short first; take away what is done.

    Returns the seconds that the transaction lasted.
    """
    first: dict[int, Task] = {}
    for task in waiting:
        first.setdefault(task.term.host.pk, task)
    tasks = list(first.values())
    began = time.monotonic()
    try:
        for task in tasks:
            task.steps = task.steps or task.plan()
        began = time.monotonic()
        ended = work(
            sorted(tasks, key=lambda task: (not task.urgent and task.since > began - LONGEST_WAIT, len(task.steps)))
        )
    except Exception:
        ended = {}
        for task in tasks:
            ended |= alone(task)
    took = time.monotonic() - began
    waiting[:] = [task for task in waiting if task not in ended]
    for task, stored in ended.items():
        task.done(stored)
    return took


def alone(task: Task) -> dict[Task, bool]:
    """The task's work after a transaction that failed, which was perhaps another's fault."""
    try:
        task.steps = task.plan()
        return work([task])
    except Exception:
        logger.exception("%s: could not store what it said", task.term.host.name)
        return {task: False}


def work(tasks: list[Task]) -> dict[Task, bool]:
    """{task: whether it was stored} for those that are done after a transaction of a few milliseconds."""
    ended = {task: True for task in tasks if not task.steps}
    there = [task for task in tasks if task.steps][:MOST_TASKS]
    if not there:
        return ended
    names: set[str] = set()
    with transaction.atomic():
        until = time.monotonic() + MOST_SECONDS
        ours = held(task.term for task in there)
        for task in there:
            if task.term.host.pk not in ours:
                logger.warning("%s: another watcher took the lease; what was read is dropped", task.term.host.name)
                ended[task] = False
            while task not in ended:
                names |= task.steps.popleft()()
                if not task.steps:
                    ended[task] = True
                if time.monotonic() > until:
                    break
            if time.monotonic() > until:
                break
        live.announce(names)
    return ended


def plan(reading: Reading) -> deque[Step]:
    """What there is to store of a reading: nothing where it is no news, which is most of what is read."""
    host = reading.term.host
    first: bool | None = None
    steps: deque[Step] = deque()
    for chunk in batched(reading.rows, MOST_ROWS):
        known = placements.known(host, [row.uuid for row in chunk])
        for row, placement in news(reading, chunk, known):
            steps.append(partial(placements.store, row, placement, rebooted=row.uuid in reading.rebooted))
        for new in batched([row for row in chunk if UUID(row.uuid) not in known], MOST_NEW):
            first = not Placement.objects.filter(host=host).exists() if first is None else first
            steps.append(partial(placements.create, host, new, first=first))
    steps.extend(partial(placements.gone, placement) for placement in leaving(reading))
    return steps


def batched(rows: list[Row], most: int) -> Iterator[list[Row]]:
    """The rows, so many at a time."""
    return (rows[at : at + most] for at in range(0, len(rows), most))


def news(reading: Reading, chunk: list[Row], known: dict[UUID, Placement]) -> Iterator[tuple[Row, Placement]]:
    """Those of the rows that say something new of a placement that is known."""
    for row in chunk:
        placement = known.get(UUID(row.uuid))
        if placement and placements.is_news(row, placement, rebooted=row.uuid in reading.rebooted):
            yield row, placement


def leaving(reading: Reading) -> list[Placement]:
    """The placements that the host no longer shows."""
    there = Placement.objects.filter(host=reading.term.host, present=True).select_related("vm")
    if reading.complete:
        seen = {UUID(row.uuid) for row in reading.rows}
        return [placement for placement in there if placement.uuid not in seen]
    return list(there.filter(uuid__in=reading.missing)) if reading.missing else []
