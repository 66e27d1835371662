"""Watching one host: a thread with a connection of its own that reads and hands rows to the writer."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from queue import Empty, SimpleQueue
from typing import Final

from django.db import connection as database

from vms.errors import HostUnreachable, SameMachine, VirtError
from vms.inventory import LeaseLost, Term, Writer, recognise
from vms.virt import (
    Connection,
    DevicesChanged,
    Disconnected,
    DomainBroke,
    DomainChanged,
    DomainRebooted,
    Event,
    HostSpec,
    NetworkChanged,
    PoolChanged,
    SecretChanged,
    connect,
    watch,
)
from vms.watcher.agents import Agents
from vms.watcher.counting import Counted
from vms.watcher.numbers import Keep
from vms.watcher.reader import Look, Reader
from vms.watcher.screens import Screens

logger = logging.getLogger(__name__)

BEAT: Final = 5.0
SWEEP: Final = 30.0
LEASES: Final = 10.0
FACTS: Final = 60.0
VOLUMES: Final = 300.0
AGENTS: Final = 1.0
SCREENS: Final = 1.0
BEGINNINGS: Final = 2.0
HARDWARE: Final = 600.0
# A device that is plugged in is several events, and reading them all a question for each.
SETTLED: Final = 2.0
SLOWEST_RETRY: Final = 15.0
# What could not be stored is read again, but not in a circle: the disk may be full for hours.
AGAIN: Final = 5.0


@dataclass(frozen=True)
class Resync:
    """Read everything again, soon."""


@dataclass(frozen=True)
class Stop:
    """End the thread."""


class HostWatch(threading.Thread):
    """Reads the host until it is stopped; connects again with growing pauses. keep: takes the samples of numbers."""

    def __init__(self, term: Term, writer: Writer, keep: Keep) -> None:
        super().__init__(name=f"watch {term.host.name}", daemon=True)
        self.term = term
        self.writer = writer
        self.inbox: SimpleQueue[Event | Look | Resync | Stop | Counted] = SimpleQueue()
        self.stopping = threading.Event()
        self.connection: Connection | None = None
        self.busy_since: float | None = None
        # The host that this machine is already: it is not asked again before one of the two is changed.
        self.twin: int | None = None
        self.said = ""
        self.again_at = inf
        self.reader = Reader(term, writer, self.read_all_again, keep, self.inbox.put)
        self.agents = Agents(term, writer, keep)
        self.screens = Screens(term, writer)

    def stop(self) -> None:
        """Ask it to end; cuts a call that blocks."""
        self.stopping.set()
        self.inbox.put(Stop())
        self.agents.stop()
        self.screens.stop()
        if self.connection and self.busy_since:
            self.connection.cut()

    def read_all_again(self) -> None:
        if not self.stopping.is_set():
            self.inbox.put(Resync())

    def run(self) -> None:
        try:
            self.keep_watching()
        finally:
            database.close()

    def keep_watching(self) -> None:
        pause = 1.0
        while not self.stopping.is_set():
            try:
                with connect(HostSpec(**self.term.host.spec_fields())) as connection:
                    self.connection = connection
                    if self.stopping.is_set():
                        return
                    recognise(self.term, connection)
                    pause, self.said = 1.0, ""
                    self.serve(connection)
            except LeaseLost:
                return
            except SameMachine as error:
                self.twin = int(error.params["host_id"])
                self.say(error)
                return
            except VirtError as error:
                if not self.stopping.is_set():
                    self.say(error)
            except Exception:
                logger.exception("%s: watching it failed", self.term.host.name)
            finally:
                self.connection = self.busy_since = None
                self.reader.counter.close()
            # Many watchers of one rebooted host must not all come back in the same moment.
            self.stopping.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(pause * 2, SLOWEST_RETRY)

    def say(self, error: VirtError) -> None:
        """Store why the host is silent; the log hears it once, however often it is tried."""
        if error.code != self.said:
            logger.warning("%s: %s %s", self.term.host.name, error.code, error.details)
        self.said = error.code
        self.writer.silent(self.term, error)

    def serve(self, connection: Connection) -> None:
        """Read everything, then what events, looks and clocks ask for, until stopped or disconnected."""
        reader = self.reader
        with watch(connection, self.inbox.put):
            self.busy_since = time.monotonic()
            self.again_at = inf
            reader.resync(connection)
            self.busy_since = None
            jobs = (
                reader.beat, reader.sample, reader.read_leases, reader.sweep, reader.read_facts, reader.read_pools,
                reader.read_beginnings, reader.read_hardware, self.plan_agents,
                self.plan_screens,
            )  # fmt: skip
            # A hundred hosts that were met in one moment must not all be asked in one moment ever after.
            clocks = {job: time.monotonic() + self.period(job) * random.random() for job in jobs}  # noqa: S311
            while not self.stopping.is_set():
                due = min([*clocks.values(), self.again_at, *filter(None, [reader.budget.next()])])
                self.take_in(connection, max(due - time.monotonic(), 0))
                self.busy_since = time.monotonic()
                if self.again_at <= time.monotonic():
                    self.again_at = inf
                    reader.resync(connection)
                reader.read_again(connection, reader.budget.ready(time.monotonic()))
                for job in [job for job, due in clocks.items() if due <= time.monotonic()]:
                    job(connection)
                    clocks[job] = time.monotonic() + self.period(job)
                self.busy_since = None

    def plan_agents(self, connection: Connection) -> None:
        """Have those guests' agents asked whose turn it is; nothing is asked on this connection."""
        known = self.reader.known
        self.agents.plan(known, [uuid for uuid, seen in known.items() if seen.documents.agent])

    def plan_screens(self, connection: Connection) -> None:
        """Have a screen taken now and then, and keep those of VMs that have crashed; asked on no connection of ours."""
        self.screens.plan(self.reader.known)

    def period(self, job: Callable[[Connection], None]) -> float:
        """How long until the job's next turn."""
        periods: dict[Callable[[Connection], None], float] = {
            self.reader.beat: BEAT,
            self.reader.read_leases: LEASES,
            self.reader.sweep: SWEEP,
            self.reader.read_facts: FACTS,
            self.reader.read_pools: VOLUMES,
            self.reader.read_beginnings: BEGINNINGS,
            self.reader.read_hardware: HARDWARE,
            self.plan_agents: AGENTS,
            self.plan_screens: SCREENS,
        }
        return periods.get(job, self.reader.numbers_period)

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

    def note(self, connection: Connection, item: Event | Look | Resync | Stop | Counted) -> None:
        """Mark what an item asks to be read; looks are answered at once."""
        if isinstance(item, DomainChanged):
            self.reader.budget.ask(item.uuid, time.monotonic())
        elif isinstance(item, DomainBroke):
            self.reader.broke.setdefault(item.uuid, set()).add(item)
            self.reader.budget.ask(item.uuid, time.monotonic())
        elif isinstance(item, DomainRebooted):
            self.reader.rebooted.add(item.uuid)
            self.reader.budget.ask(item.uuid, time.monotonic())
        elif isinstance(item, NetworkChanged | PoolChanged | SecretChanged):
            self.reader.budget.ask("facts", time.monotonic())
            if isinstance(item, PoolChanged):
                self.reader.budget.ask(f"pool:{item.name}", time.monotonic())
        elif isinstance(item, DevicesChanged):
            for what in ("facts", "devices"):
                self.reader.budget.ask(what, time.monotonic() + SETTLED)
        elif isinstance(item, Look) and item.name.startswith("agent:"):
            self.agents.hurry(self.reader.uuid_of(item.name))
        elif isinstance(item, Look) and item.name.startswith("screens:"):
            self.screens.ask(self.reader.uuids_of(item.name))
        elif isinstance(item, Look):
            self.reader.look(connection, item)
        elif isinstance(item, Counted):
            self.reader.count(item)
        elif isinstance(item, Resync):
            self.again_at = min(self.again_at, time.monotonic() + AGAIN)
        elif isinstance(item, Disconnected) and not connection.alive():
            raise HostUnreachable("the connection ended")
