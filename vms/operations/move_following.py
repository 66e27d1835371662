"""What happens while a VM moves to another host: how far it is, and what its asker wished for in between."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection as database

from vms import live
from vms.errors import VirtError
from vms.kinds.migration import Migrate
from vms.models import Operation
from vms.operations.jobs import LEAVE, is_to_end, percentage
from vms.operations.transitions import HELD
from vms.operations.way import UNCERTAIN
from vms.operations.work import Work
from vms.virt import Domain, Job

logger = logging.getLogger(__name__)

LOOK: Final = 0.5
# How often the row is written: pages are told each time.
TELL: Final = 1.0
# When nothing else was wished, post-copy begins with the second pass: the first has brought what is seldom written.
SECOND: Final = 2


@dataclass
class Following:
    """late: its time was over. postcopy: it runs there already, and there is no way back."""

    work: Work
    uuid: str
    wish: Migrate
    host: str
    late: bool = False
    postcopy: bool = False
    ended: bool = False
    since: float = field(default_factory=time.monotonic)
    told_at: float = 0.0
    told: dict[str, Any] = field(default_factory=dict)

    def look(self, there: Domain, job: Job) -> None:
        """Do what is due by now."""
        if not self.postcopy:
            if not self.ended and is_to_end(self.work.operation):
                there.abort_job()
                self.ended = True
                self.work.log("ending")
            elif self.is_late and not self.late:
                self.late = True
                try:
                    self.end(there)
                except VirtError:
                    # While the target is still made ready libvirt takes nothing of this: the next look tries again.
                    self.late = False
                    raise
            elif self.wish.postcopy and not self.waits and job.passes >= SECOND:
                self.go_over(there)
        self.tell(job)

    @property
    def is_late(self) -> bool:
        return bool(self.wish.timeout_s) and time.monotonic() - self.since > self.wish.timeout_s

    @property
    def waits(self) -> bool:
        """Whether post-copy is for when the time is over."""
        return bool(self.wish.timeout_s) and self.wish.on_timeout == "postcopy"

    def end(self, there: Domain) -> None:
        """The time is over."""
        if self.wish.on_timeout == "postcopy" and self.wish.postcopy:
            self.go_over(there)
        elif self.wish.on_timeout == "pause":
            keep(self.work.operation, {"paused": True})
            there.pause()
            self.work.log("migrate_paused")
        else:
            there.abort_job()
            self.work.log("migrate_late")

    def go_over(self, there: Domain) -> None:
        """Its row says so before: from here on nothing takes it back."""
        self.postcopy = True
        keep(self.work.operation, {"postcopy": True})
        try:
            there.begin_postcopy()
        except VirtError as error:
            if not isinstance(error, UNCERTAIN):
                self.postcopy = False
                keep(self.work.operation, {"postcopy": False})
            raise
        self.work.log("migrate_postcopy", host=self.host)

    def tell(self, job: Job) -> None:
        """The figures, where they are others than the row has."""
        now, figures = time.monotonic(), numbers(job)
        if figures == self.told or now - self.told_at < TELL:
            return
        self.told, self.told_at = figures, now
        operation = self.work.operation
        if keep(operation, figures, progress=percentage(job)):
            live.announce([f"op:{operation.pk}", f"vm:{operation.target_id}"])


def numbers(job: Job) -> dict[str, Any]:
    """What pages read of it: bytes, bytes/s, seconds."""
    gain = job.speed - job.dirty
    return {
        "done_bytes": job.done, "left_bytes": job.left, "speed_bytes": job.speed, "dirty_bytes": job.dirty,
        "passes": job.passes, "downtime_ms": job.downtime_ms, "seconds": job.seconds,
        # Unknown while its guest writes faster than it goes.
        "seconds_left": -(-job.left // gain) if gain > 0 else None,
    }  # fmt: skip


def keep(operation: Operation, figures: dict[str, Any], **columns: Any) -> bool:
    """Add them to the row's result, while its worker holds it; whether it does."""
    operation.result = {**operation.result, **figures}
    held = Operation.objects.filter(
        pk=operation.pk, state__in=HELD, worker=operation.worker_id, worker__stopped_at=None
    )  # fmt: skip
    return bool(held.update(result=operation.result, **columns))


@contextmanager
def followed(work: Work, uuid: str, wish: Migrate, host: str) -> Iterator[Following]:
    """Follow the move of the VM to the host of that name while the body runs the call that does it."""
    over = threading.Event()
    following = Following(work, uuid, wish, host)
    thread = threading.Thread(
        target=follow, args=(following, over), name=f"follow {work.operation.pk}", daemon=True
    )  # fmt: skip
    thread.start()
    try:
        yield following
    finally:
        over.set()
        # It may hang in a call of its own when the host does.
        thread.join(LEAVE)


def follow(following: Following, over: threading.Event) -> None:
    """Until it is over."""
    last: tuple[int, int] | None = None
    try:
        while not over.wait(LOOK):
            try:
                with following.work.beside() as connection:
                    there = connection.domain(following.uuid)
                    job = there.job()
                    if job is None or over.is_set():
                        continue
                    # Its clock goes on also where nothing else does.
                    if (job.done, job.left) != last:
                        following.work.heard()
                        last = job.done, job.left
                    following.look(there, job)
            except VirtError as error:
                logger.info("operation %s: its move cannot be followed: %s", following.work.operation.pk, error.details)
    finally:
        database.close()
