"""Taking pictures of VMs' screens, apart from everything else that is read of a host.

To draw one is work for its QEMU, and one that hangs answers never. So a few threads a host ask, on connections of their
own: for whoever looks, at most once in a while for each VM, however many look; and, one after the other, for the case
that it crashes, since then there is nobody left to ask.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import redis
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from vms import live
from vms.errors import HostUnreachable, InvalidState, NotFound, TimedOut, VirtError
from vms.inventory import Row, Shot, Term, Writer
from vms.inventory.pictures import MOST_BYTES, made_anew
from vms.models import Placement
from vms.services.abilities import shows_screens
from vms.virt import Connection, cut_after
from vms.watcher.line import Line

logger = logging.getLogger(__name__)

# One VM's screen, however many look at it.
APART: Final = 2.0
# After a failure, twice as long with each further one.
AGAIN: Final = 15.0
LONGEST_AGAIN: Final = 900.0
# One picture; then the wire is cut.
LONGEST: Final = 5.0
# While nobody looks: one VM of the host in so many seconds, each of them no more often than that.
ROUND: Final = 15.0
EACH: Final = 60.0
# What is kept of one host's screens; the oldest go first.
MOST_KEPT: Final = 16 << 20
# What is no fault of the screen, and is no news.
OFF: Final = (NotFound, InvalidState)


@dataclass
class Turn:
    """A VM's screen: not to be taken before due, as time.monotonic() counts."""

    due: float = 0.0
    failures: int = 0
    waiting: bool = False


class Screens:
    """The screens of one host's VMs, over all its connections."""

    def __init__(self, term: Term, writer: Writer) -> None:
        self.term = term
        self.writer = writer
        self.turns: dict[str, Turn] = {}
        self.kept: dict[str, Shot] = {}
        self.crashed: set[str] = set()
        # Of these the next picture is the last one.
        self.final: set[str] = set()
        self.lock = threading.Lock()
        self.line = Line(term.host, "screens", self.take)
        self.round_at = time.monotonic() + ROUND

    def ask(self, uuids: Iterable[str]) -> None:
        """Somebody looks at them: have those taken that were not just now."""
        now = time.monotonic()
        with self.lock:
            for uuid in uuids:
                self.put(uuid, now)
        self.line.begin()

    def put(self, uuid: str, now: float) -> None:
        turn = self.turns.setdefault(uuid, Turn())
        if not turn.waiting and turn.due <= now:
            turn.waiting = True
            self.line.put(uuid)

    def plan(self, known: Mapping[str, Row]) -> None:
        """What the clock asks for. known: the host's VMs as last read."""
        crashed = {uuid for uuid, row in known.items() if has_crashed(row)}
        with self.lock:
            for uuid in self.turns.keys() - known.keys():
                del self.turns[uuid]
            new, self.crashed = crashed - self.crashed, crashed
            last = {uuid: self.kept.pop(uuid) for uuid in new & self.kept.keys()}
            # Of those that stand still, their QEMU is there to be asked.
            still = {uuid for uuid in new if known[uuid].placement["run_id"] is not None}
            self.final = (self.final | still) & crashed
            for uuid in [uuid for uuid, shot in self.kept.items() if not is_of_run(shot, known.get(uuid))]:
                del self.kept[uuid]
            # Each time until it is there: one that was taken just before, or could not be, is not taken at once.
            final = list(self.final)
        for uuid, shot in last.items():
            self.writer.last_screen(self.term, uuid, shot)
        if wanted := [*final, *self.due(known)]:
            self.ask(wanted)

    def due(self, known: Mapping[str, Row]) -> list[str]:
        """The one whose screen was not taken for the longest, when it is time for one."""
        now = time.monotonic()
        if now < self.round_at or not shows_screens(self.term.host.driver):
            return []
        self.round_at = now + ROUND
        since = timezone.now().timestamp() - EACH
        taken = {
            uuid: self.kept[uuid].taken_at.timestamp() if uuid in self.kept else 0.0
            for uuid, row in known.items()
            if row.placement["state"] == "running" and row.placement["graphics"] and self.may_be_asked(uuid, now)
        }
        first = min(taken, key=lambda uuid: taken[uuid], default=None)
        return [first] if first is not None and taken[first] < since else []

    def may_be_asked(self, uuid: str, now: float) -> bool:
        turn = self.turns.get(uuid)
        return turn is None or turn.due <= now

    def stop(self) -> None:
        """End the threads, also those that wait for a picture."""
        self.line.stop()

    def take(self, uuid: str, connection: Connection | None) -> Connection | None:
        """Take it and tell it; the connection for the next one."""
        failed = False
        try:
            placement = (
                Placement.objects.filter(host=self.term.host, uuid=uuid, present=True).only("vm", "run_id").first()
            )
            if placement is None or placement.run_id is None:
                return connection
            connection = self.line.reached(connection)
            try:
                shot = self.shot(connection, uuid, placement.run_id)
            except OFF:
                return connection
            except VirtError as error:
                failed = True
                live.store_no_picture(placement.vm_id, error.code)
                return connection
            self.keep(uuid, shot)
            live.store_picture(placement.vm_id, shot.png, shot.taken_at.timestamp())
        except DatabaseError:
            logger.exception("%s: could not look up a VM", self.term.host.name)
            close_old_connections()
        except redis.RedisError as error:
            logger.warning("%s: a picture could not be told: %s", self.term.host.name, error)
        except VirtError as error:
            failed = True
            logger.info("%s: no way to its screens: %s", self.term.host.name, error.code)
        except Exception:
            failed = True
            logger.exception("%s: taking a screen failed", self.term.host.name)
        finally:
            self.note(uuid, failed=failed)
        return connection

    def shot(self, connection: Connection, uuid: str, run_id: int) -> Shot:
        """The picture; what looks as it did is not made anew. Raises TimedOut where it did not come in time."""
        with cut_after(connection, LONGEST) as late:
            try:
                data = connection.domain(uuid).screenshot(MOST_BYTES)
            except HostUnreachable:
                if late.is_set():
                    raise TimedOut("no picture in time") from None
                raise
        seen = sha256(data).digest()
        before = self.kept.get(uuid)
        png = before.png if before is not None and before.seen == seen else made_anew(data)
        return Shot(timezone.now(), run_id, png, seen)

    def keep(self, uuid: str, shot: Shot) -> None:
        """Remember it for the case that it is the last."""
        with self.lock:
            final, crashed = uuid in self.final, uuid in self.crashed
            self.final.discard(uuid)
            if not crashed:
                self.kept.pop(uuid, None)
                self.kept[uuid] = shot
                size = sum(len(each.png) for each in self.kept.values())
                while size > MOST_KEPT:
                    size -= len(self.kept.pop(next(iter(self.kept))).png)
        if final:
            self.writer.last_screen(self.term, uuid, shot)

    def note(self, uuid: str, *, failed: bool) -> None:
        now = time.monotonic()
        with self.lock:
            turn = self.turns.get(uuid)
            if turn is None:
                return
            turn.failures = turn.failures + 1 if failed else 0
            pause = min(AGAIN * 2 ** min(turn.failures - 1, 10), LONGEST_AGAIN) if failed else APART
            turn.due, turn.waiting = now + pause, False


def has_crashed(row: Row) -> bool:
    """Whether it ended, or stands still, because its guest or its QEMU broke."""
    state, reason = row.placement["state"], row.placement["state_reason"]
    return bool(state == "crashed" or (state == "shut_off" and reason == "crashed"))


def is_of_run(shot: Shot, row: Row | None) -> bool:
    """Whether it shows the VM's present run."""
    return row is not None and row.placement["run_id"] == shot.run_id
