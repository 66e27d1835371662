"""Reading one host and handing rows to the writer: everything, or what somebody or something has named."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import redis

from vms import live
from vms.errors import NotFound
from vms.inventory import Reading, Row, Term, Writer, row
from vms.models import Placement
from vms.virt import Connection
from vms.watcher.budget import Budget
from vms.watcher.numbers import Sampler

logger = logging.getLogger(__name__)

NUMBERS: Final = 5.0
# A hundred hosts that come back together would be read at once, and the one thread that writes wait for each of them
# to let Python go. A host that hangs keeps the others waiting for so many seconds, once.
reading = threading.BoundedSemaphore(2)
TURN: Final = 2.0
computing = threading.Lock()


@contextmanager
def turn() -> Iterator[None]:
    """One of a few that read everything just now, or one that has waited long enough."""
    ours = reading.acquire(timeout=TURN)
    try:
        yield
    finally:
        if ours:
            reading.release()


@dataclass(frozen=True)
class Look:
    """Somebody asks to have it read now: "vm:12", "host:1" or "pool:3"; answer is the key to tell it on."""

    name: str
    answer: str


class Reader:
    """What is known of a host, over all its connections. not_stored: called where rows could not be stored."""

    def __init__(self, term: Term, writer: Writer, not_stored: Callable[[], None]) -> None:
        self.term = term
        self.writer = writer
        self.not_stored = not_stored
        self.budget = Budget()
        self.sampler = Sampler(term.host)
        self.leases: dict[str, tuple[str, ...]] = {}
        self.known: dict[str, Row] = {}
        self.rebooted: set[str] = set()
        self.numbers_period = NUMBERS
        self.huge_pages: dict[int, tuple[int, ...]] = {}

    def look(self, connection: Connection, look: Look) -> None:
        """Read it now, whatever its budget says, and answer when it is stored; what is no VM is read with its host."""
        kind, _, number = look.name.partition(":")
        if kind != "vm":
            self.read_facts(connection)
            if kind == "host":
                self.read_hardware(connection)
            self.hand_over([], done=lambda stored: live.looked(look.answer))
            return
        placement = Placement.objects.filter(vm=int(number), host=self.term.host).values_list("uuid", flat=True).first()
        if placement:
            self.budget.took(str(placement), time.monotonic())
            self.read_again(connection, [str(placement)], done=lambda stored: live.looked(look.answer))

    def resync(self, connection: Connection) -> None:
        """Read the host, its leases and all its VMs."""
        self.writer.heard(self.term)
        with turn():
            self.read_facts(connection)
            self.leases = connection.leases()
            told = connection.domains()
            with computing:
                rows = [row(info, self.leases, self.known.get(info.uuid)) for info in told]
        self.budget.forget(self.known.keys() - {seen.uuid for seen in rows})
        self.known = {seen.uuid: seen for seen in rows}
        self.hand_over(rows, complete=True)
        self.read_hardware(connection)

    def read_again(
        self, connection: Connection, uuids: list[str], done: Callable[[bool], None] = lambda stored: None
    ) -> None:
        """Read these domains and hand them over; "facts" stands for the host itself, "devices" for what
        it is made of."""
        rows, missing = [], set()
        for uuid in uuids:
            if uuid == "facts":
                self.read_facts(connection)
                continue
            if uuid == "devices":
                self.read_hardware(connection)
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
            if not stored:
                self.not_stored()
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
        own = connection.host_numbers(self.huge_pages)
        try:
            self.sampler.sample(told, {uuid: seen.placement["vcpus"] for uuid, seen in self.known.items()})
            self.sampler.sample_host(own)
        except redis.RedisError as error:
            logger.warning("could not store numbers: %s", error)

    def read_leases(self, connection: Connection) -> None:
        """Read again the VMs whose addresses changed; leases come without an event."""
        before, self.leases = self.leases, connection.leases()
        for uuid, seen in self.known.items():
            if any(before.get(mac) != self.leases.get(mac) for mac in seen.macs):
                self.budget.ask(uuid, time.monotonic())

    def sweep(self, connection: Connection) -> None:
        """Compare the states of all with what is known, and what has no event: heals what was lost."""
        there, starting = connection.states(), connection.starting_with_host()
        for uuid, (state, run_id) in there.items():
            seen = self.known.get(uuid)
            now = {"state": state, "run_id": run_id, "autostart": uuid in starting}
            if seen is None or any(seen.placement[name] != value for name, value in now.items()):
                self.budget.ask(uuid, time.monotonic())
        for uuid in self.known.keys() - there.keys():
            self.budget.ask(uuid, time.monotonic())

    def read_facts(self, connection: Connection) -> None:
        """Read what the host says of itself."""
        self.writer.facts(self.term, connection.info(), connection.missing())

    def read_hardware(self, connection: Connection) -> None:
        """Read what the host is made of."""
        told = connection.hardware()
        self.huge_pages = {cell.id: tuple(kept.size_kib for kept in cell.pages) for cell in told.cells if cell.pages}
        self.writer.hardware(self.term, told, connection.devices())
