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
from vms.errors import HostUnreachable, NotFound, VirtError
from vms.headers import ENOUGH
from vms.inventory import Reading, Row, Term, Writer, known, row, unread
from vms.models import Placement, StoragePool, Volume
from vms.virt import Connection, DomainBroke, HostSpec, open_connection
from vms.watcher.budget import Budget
from vms.watcher.counting import Counted, Counter
from vms.watcher.numbers import Keep, Sampler

logger = logging.getLogger(__name__)

NUMBERS: Final = 5.0
# A host spends at most a tenth of its time on telling numbers.
PAUSE: Final = 10
# A hundred hosts that come back together would be read at once, and the one thread that writes wait for each of them
# to let Python go. A host that hangs keeps the others waiting for so many seconds, once.
reading = threading.BoundedSemaphore(2)
TURN: Final = 2.0
# libvirt tells nobody of a definition that was changed for the next boot alone (virsh attach-device --config): in each
# sweep that part of the VMs is read again whole which was not for the longest.
A_PART: Final = 10
AT_LEAST: Final = 10
# So many volumes' beginnings are read in one go, between two other things.
MOST_UNREAD: Final = 8
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
    """Somebody asks to have it read now: "vm:12", "host:1" or "pool:3"; answer is the key to tell it on. "hardware:1",
    what a host is made of, is many questions: it is read soon, however many ask, and answered by nothing, as are
    "agent:12", whose guest may not answer, and "screens:12,13", whose pictures come to live.store_picture()."""

    name: str
    answer: str


class Reader:
    """What is known of a host, over all its connections. not_stored: called where rows could not be stored. keep: takes
    the samples of numbers. counted: takes what is told beside the host's thread, which hands it to count()."""

    def __init__(
        self, term: Term, writer: Writer, not_stored: Callable[[], None], keep: Keep, counted: Callable[[Counted], None]
    ) -> None:
        self.term = term
        self.writer = writer
        self.not_stored = not_stored
        self.budget = Budget()
        self.sampler = Sampler(term.host, keep)
        self.counter = Counter(self.reach, counted)
        self.leases: dict[str, tuple[str, ...]] = {}
        self.known: dict[str, Row] = {}
        self.rebooted: set[str] = set()
        # What went wrong in them since they were read: a disk may fail a thousand times a second, in the same way.
        self.broke: dict[str, set[DomainBroke]] = {}
        self.numbers_period = NUMBERS
        # The active pools by name, and whether there may be volumes whose beginning is to be looked at.
        self.pools: dict[str, str] = {}
        self.quarantined = False
        # By pool, that what it listed last is stored: the next list is compared with that.
        self.listings: dict[str, threading.Event] = {}
        self.huge_pages: dict[int, tuple[int, ...]] = {}

    def look(self, connection: Connection, look: Look) -> None:
        """Read it now, whatever its budget says, and answer when it is stored; what is no VM is read with its host."""
        kind, _, number = look.name.partition(":")
        if kind == "hardware":
            self.budget.ask("facts", time.monotonic())
            self.budget.ask("devices", time.monotonic())
            return
        if kind in ("pool", "volume"):
            self.look_at_pool(connection, kind, int(number), look.answer)
            return
        if kind != "vm":
            self.read_facts(connection)
            self.hand_over([], done=lambda stored: live.looked(look.answer))
            return
        if uuid := self.uuid_of(look.name):
            self.budget.took(uuid, time.monotonic())
            self.read_again(connection, [uuid], done=lambda stored: live.looked(look.answer))

    def uuid_of(self, name: str) -> str:
        """The UUID here of the VM of "vm:12" or "agent:12", "" where it is not on this host."""
        vm = int(name.partition(":")[2])
        return str(Placement.objects.filter(vm=vm, host=self.term.host).values_list("uuid", flat=True).first() or "")

    def uuids_of(self, name: str) -> list[str]:
        """The UUIDs of those VMs of "screens:12,13" that are on this host."""
        vms = [int(word) for word in name.partition(":")[2].split(",")]
        return [
            str(uuid)
            for uuid in Placement.objects.filter(vm__in=vms, host=self.term.host).values_list("uuid", flat=True)
        ]

    def look_at_pool(self, connection: Connection, kind: str, pk: int, answer: str) -> None:
        """Read the pool, or the one that the volume is in, with what lies there."""
        self.read_facts(connection)
        ours = StoragePool.objects.filter(host=self.term.host, present=True)
        pools = ours.filter(pk=pk) if kind == "pool" else ours.filter(storage__volumes=pk)
        uuid = str(pools.values_list("uuid", flat=True).first() or "")
        if uuid not in self.pools.values() or not self.read_pool(connection, uuid, lambda stored: live.looked(answer)):
            self.hand_over([], done=lambda stored: live.looked(answer))

    def resync(self, connection: Connection) -> None:
        """Read the host, its leases, all its VMs and what is in its pools."""
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
        self.read_pools(connection)
        self.read_hardware(connection)

    def read_again(
        self, connection: Connection, uuids: list[str], done: Callable[[bool], None] = lambda stored: None
    ) -> None:
        """Read these domains and hand them over; "facts" stands for the host itself, "devices" for what it is made of,
        "pool:NAME" for what is in one."""
        rows, missing = [], set()
        # A pool that has just been started is known by the host's facts.
        for uuid in sorted(uuids, key=lambda name: name != "facts"):
            if uuid == "facts":
                self.read_facts(connection)
                continue
            if uuid.startswith("pool:"):
                name = uuid.removeprefix("pool:")
                if name not in self.pools:
                    # After many events the host's facts are read later than what is in the pool.
                    self.read_facts(connection)
                if pool := self.pools.get(name):
                    self.read_pool(connection, pool)
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
        for uuid in uuids:
            for trouble in self.broke.pop(uuid, ()):
                self.writer.broke(self.term, trouble)
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

    def reach(self) -> Connection:
        """Another connection to the host."""
        return open_connection(HostSpec(**self.term.host.spec_fields()))

    def beat(self, connection: Connection) -> None:
        """Hear that the host answers."""
        connection.ping()
        self.writer.heard(self.term)

    def sample(self, connection: Connection) -> None:
        """Ask for the running VMs' numbers, which come beside, and take in the host's."""
        self.counter.ask()
        own = connection.host_numbers(self.huge_pages)
        try:
            self.sampler.sample_host(own, self.numbers_period, time.monotonic())
        except redis.RedisError as error:
            logger.warning("could not tell the present numbers: %s", error)

    def count(self, counted: Counted) -> None:
        """Take in the running VMs' numbers; a host that needs long for them is asked less often."""
        self.numbers_period = max(NUMBERS, PAUSE * counted.took)
        vcpus = {uuid: seen.placement["vcpus"] for uuid, seen in self.known.items()}
        try:
            at = (counted.started + counted.ended) / 2
            self.sampler.sample(counted.told, vcpus, self.numbers_period, at, time.time() - (time.monotonic() - at))
        except redis.RedisError as error:
            logger.warning("could not tell the present numbers: %s", error)

    def read_leases(self, connection: Connection) -> None:
        """Read again the VMs whose addresses changed, and the networks that gave them; leases come without an event."""
        before, self.leases = self.leases, connection.leases()
        if before != self.leases:
            self.budget.ask("facts", time.monotonic())
        for uuid, seen in self.known.items():
            if any(before.get(mac) != self.leases.get(mac) for mac in seen.macs):
                self.budget.ask(uuid, time.monotonic())

    def sweep(self, connection: Connection) -> None:
        """Compare the states of all with what is known, and what has no event, and read some again: heals what was lost
        and finds what nothing tells of."""
        there, starting = connection.states(), connection.starting_with_host()
        for uuid, (state, run_id) in there.items():
            seen = self.known.get(uuid)
            now = {"state": state, "run_id": run_id, "autostart": uuid in starting}
            if seen is None or any(seen.placement[name] != value for name, value in now.items()):
                self.budget.ask(uuid, time.monotonic())
        for uuid in self.known.keys() - there.keys():
            self.budget.ask(uuid, time.monotonic())
        longest = sorted(self.known, key=lambda uuid: self.budget.last.get(uuid, 0.0))
        for uuid in longest[: max(len(longest) // A_PART, AT_LEAST)]:
            self.budget.ask(uuid, time.monotonic())

    def read_facts(self, connection: Connection) -> None:
        """Read what the host says of itself."""
        told = connection.info()
        self.pools = {pool.name: pool.uuid for pool in told.pools if pool.active}
        self.writer.facts(self.term, told, connection.missing())
        self.sampler.sample_pools(told.pools)

    def read_pools(self, connection: Connection) -> None:
        """Read what is in the active pools; nothing tells of a file that was put there by hand."""
        for uuid in self.pools.values():
            self.read_pool(connection, uuid)

    def read_pool(self, connection: Connection, uuid: str, done: Callable[[bool], None] = lambda stored: None) -> bool:
        """Read what is in the pool; False where the host cannot tell, as of one that was stopped in this moment."""
        if last := self.listings.pop(uuid, None):
            last.wait(TURN)
        before = known(self.term.host, uuid)
        try:
            told = connection.volumes(uuid)
        except HostUnreachable:
            raise
        except VirtError as error:
            logger.info("%s: a pool cannot be listed: %s", self.term.host.name, error.details)
            return False

        listing = self.listings[uuid] = threading.Event()

        def ended(stored: bool) -> None:
            self.quarantined = True
            listing.set()
            done(stored)

        self.writer.volumes(self.term, uuid, before, told, ended)
        return True

    def read_beginnings(self, connection: Connection) -> None:
        """Look at the beginnings of some volumes that are in quarantine."""
        if not self.quarantined:
            return
        self.quarantined = False
        found = unread(self.term.host, MOST_UNREAD + 1)
        for volume, pool in found[:MOST_UNREAD]:
            try:
                self.read_beginning(connection, volume, str(pool.uuid))
            except HostUnreachable:
                raise
            except VirtError as error:
                logger.info("%s: %s cannot be read: %s", self.term.host.name, volume.name, error.details)
                self.writer.judged(self.term, volume, None, 0)
        if len(found) > MOST_UNREAD:
            self.quarantined = True

    def read_beginning(self, connection: Connection, volume: Volume, pool: str) -> None:
        there = connection.volume(pool, volume.name)
        size = there.facts().physical
        first = b""
        if size:
            way = there.download(0, min(size, ENOUGH))
            try:
                first = b"".join(iter(way.read, b""))
                way.finish()
            finally:
                way.abort()
        self.writer.judged(self.term, volume, first, size)

    def read_hardware(self, connection: Connection) -> None:
        """Read what the host is made of."""
        told = connection.hardware()
        self.huge_pages = {cell.id: tuple(kept.size_kib for kept in cell.pages if kept.total) for cell in told.cells}
        self.writer.hardware(self.term, told, connection.devices())
