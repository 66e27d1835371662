"""Watching one host: a thread with a connection of its own that reads and hands rows to the writer."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

import redis
from django.db import connection as database

from vms import live
from vms.errors import HostUnreachable, NotFound, VirtError
from vms.inventory import Reading, Row, Term, Writer, row
from vms.models import Placement
from vms.virt import (
    Connection,
    Disconnected,
    DomainChanged,
    DomainRebooted,
    Event,
    HostSpec,
    NetworkChanged,
    PoolChanged,
    connect,
    watch,
)
from vms.watcher.budget import Budget
from vms.watcher.numbers import Sampler

logger = logging.getLogger(__name__)

BEAT: Final = 5.0
SWEEP: Final = 30.0
LEASES: Final = 10.0
FACTS: Final = 60.0
NUMBERS: Final = 5.0
SLOWEST_RETRY: Final = 15.0


@dataclass(frozen=True)
class Look:
    """Somebody asks to have it read now: "vm:12" or "host:1"; answer is the key to tell it on."""

    name: str
    answer: str


@dataclass(frozen=True)
class Resync:
    """Read everything again."""


@dataclass(frozen=True)
class Stop:
    """End the thread."""


class HostWatch(threading.Thread):
    """Reads the host until it is stopped; connects again with growing pauses."""

    def __init__(self, term: Term, writer: Writer) -> None:
        super().__init__(name=f"watch {term.host.name}", daemon=True)
        self.term = term
        self.writer = writer
        self.inbox: SimpleQueue[Event | Look | Resync | Stop] = SimpleQueue()
        self.stopping = threading.Event()
        self.connection: Connection | None = None
        self.busy_since: float | None = None
        self.budget = Budget()
        self.sampler = Sampler(term.host)
        self.leases: dict[str, tuple[str, ...]] = {}
        self.known: dict[str, Row] = {}
        self.rebooted: set[str] = set()
        self.numbers_period = NUMBERS

    def stop(self) -> None:
        """Ask it to end; cuts a call that blocks."""
        self.stopping.set()
        self.inbox.put(Stop())
        if self.connection and self.busy_since:
            self.connection.cut()

    def run(self) -> None:
        pause = 1.0
        while not self.stopping.is_set():
            try:
                with connect(HostSpec(**self.term.host.spec_fields())) as connection:
                    self.connection = connection
                    pause = 1.0
                    self.serve(connection)
            except VirtError as error:
                if not self.stopping.is_set():
                    logger.warning("%s: %s %s", self.term.host.name, error.code, error.details)
                    self.writer.silent(self.term, error)
            except Exception:
                logger.exception("%s: watching it failed", self.term.host.name)
            finally:
                self.connection = self.busy_since = None
            # Many watchers of one rebooted host must not all come back in the same moment.
            self.stopping.wait(pause * random.uniform(0.7, 1.3))  # noqa: S311
            pause = min(pause * 2, SLOWEST_RETRY)
        database.close()

    def serve(self, connection: Connection) -> None:
        """Read everything, then what events, looks and clocks ask for, until stopped or disconnected."""
        with watch(connection, self.inbox.put):
            self.resync(connection)
            now = time.monotonic()
            clocks: dict[Callable[[Connection], None], float] = {
                self.beat: now,
                self.sample: now,
                self.read_leases: now + LEASES,
                self.sweep: now + SWEEP,
                self.read_facts: now + FACTS,
            }
            while not self.stopping.is_set():
                due = min([*clocks.values(), *filter(None, [self.budget.next()])])
                self.take_in(connection, max(due - time.monotonic(), 0))
                self.busy_since = time.monotonic()
                self.read_again(connection, self.budget.ready(time.monotonic()))
                for job in [job for job, due in clocks.items() if due <= time.monotonic()]:
                    job(connection)
                    clocks[job] = time.monotonic() + self.period(job)
                self.busy_since = None

    def period(self, job: Callable[[Connection], None]) -> float:
        """How long until the job's next turn."""
        periods: dict[Callable[[Connection], None], float] = {
            self.beat: BEAT,
            self.read_leases: LEASES,
            self.sweep: SWEEP,
            self.read_facts: FACTS,
        }
        return periods.get(job, self.numbers_period)

    def take_in(self, connection: Connection, timeout: float) -> None:
        """Wait for something in the inbox and note it, with everything else that is there already."""
        try:
            item = self.inbox.get(timeout=timeout)
            self.busy_since = time.monotonic()
            while True:
                self.note(connection, item)
                item = self.inbox.get_nowait()
        except Empty:
            return

    def note(self, connection: Connection, item: Event | Look | Resync | Stop) -> None:
        """Mark what an item asks to be read; looks are answered at once."""
        if isinstance(item, DomainChanged):
            self.budget.ask(item.uuid, time.monotonic())
        elif isinstance(item, DomainRebooted):
            self.rebooted.add(item.uuid)
            self.budget.ask(item.uuid, time.monotonic())
        elif isinstance(item, NetworkChanged | PoolChanged):
            self.budget.ask("facts", time.monotonic())
        elif isinstance(item, Look):
            self.look(connection, item)
        elif isinstance(item, Resync):
            self.resync(connection)
        elif isinstance(item, Disconnected) and not connection.alive():
            raise HostUnreachable("the connection ended")

    def look(self, connection: Connection, look: Look) -> None:
        """Read it now, whatever its budget says, and answer when it is stored."""
        kind, _, number = look.name.partition(":")
        if kind == "host":
            self.read_facts(connection)
            self.hand_over([], done=lambda stored: live.looked(look.answer))
            return
        placement = Placement.objects.filter(vm=int(number), host=self.term.host).values_list("uuid", flat=True).first()
        if placement:
            self.budget.took(str(placement), time.monotonic())
            self.read_again(connection, [str(placement)], done=lambda stored: live.looked(look.answer))

    def resync(self, connection: Connection) -> None:
        """Read the host, its leases and all its VMs."""
        self.busy_since = time.monotonic()
        self.writer.heard(self.term)
        self.read_facts(connection)
        self.leases = connection.leases()
        rows = [row(info, self.leases, self.known.get(info.uuid)) for info in connection.domains()]
        self.budget.forget(self.known.keys() - {seen.uuid for seen in rows})
        self.known = {seen.uuid: seen for seen in rows}
        self.hand_over(rows, complete=True)
        self.busy_since = None

    def read_again(
        self, connection: Connection, uuids: list[str], done: Callable[[bool], None] = lambda stored: None
    ) -> None:
        """Read these domains and hand them over; "facts" stands for the host itself."""
        rows, missing = [], set()
        for uuid in uuids:
            if uuid == "facts":
                self.read_facts(connection)
                continue
            try:
                rows.append(row(connection.domain(uuid).info(), self.leases, self.known.get(uuid)))
            except NotFound:
                missing.add(uuid)
        for seen in rows:
            self.known[seen.uuid] = seen
        for uuid in missing:
            self.known.pop(uuid, None)
        self.budget.forget(missing)
        if uuids:
            self.hand_over(rows, missing=frozenset(missing), done=done)

    def hand_over(
        self,
        rows: list[Row],
        *,
        complete: bool = False,
        missing: frozenset[str] = frozenset(),
        done: Callable[[bool], None] = lambda stored: None,
    ) -> None:
        """Give rows to the writer; what could not be stored is read again."""
        rebooted = frozenset(self.rebooted & {seen.uuid for seen in rows})
        self.rebooted -= rebooted

        def ended(stored: bool) -> None:
            if not stored and not self.stopping.is_set():
                self.inbox.put(Resync())
            done(stored)

        self.writer.read(Reading(self.term, rows, rebooted, missing, complete, ended))

    def beat(self, connection: Connection) -> None:
        """Hear that the host answers."""
        connection.ping()
        self.writer.heard(self.term)

    def sample(self, connection: Connection) -> None:
        """Store the running VMs' numbers; a host that needs long for them is asked less often."""
        started = time.monotonic()
        told = connection.numbers()
        self.numbers_period = max(NUMBERS, 10 * (time.monotonic() - started))
        try:
            self.sampler.sample(told)
        except redis.RedisError as error:
            logger.warning("could not store numbers: %s", error)

    def read_leases(self, connection: Connection) -> None:
        """Read again the VMs whose addresses changed; leases come without an event."""
        before, self.leases = self.leases, connection.leases()
        for uuid, seen in self.known.items():
            if any(before.get(mac) != self.leases.get(mac) for mac in seen.macs):
                self.budget.ask(uuid, time.monotonic())

    def sweep(self, connection: Connection) -> None:
        """Compare the states of all with what is known: heals an event that was lost."""
        there = connection.states()
        for uuid, (state, run_id) in there.items():
            seen = self.known.get(uuid)
            if seen is None or (seen.placement["state"], seen.placement["run_id"]) != (state, run_id):
                self.budget.ask(uuid, time.monotonic())
        for uuid in self.known.keys() - there.keys():
            self.budget.ask(uuid, time.monotonic())

    def read_facts(self, connection: Connection) -> None:
        """Read what the host says of itself."""
        self.writer.facts(self.term, connection.info(), connection.missing())
