"""The one thread of a watcher that writes numbers to their store: what all hosts' threads have sampled, a few times a
minute in one go, then the roll-ups that are complete, then out with what is old."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Final

from django.db import DatabaseError, close_old_connections, connection

from vms import metrics
from vms.inventory import screens
from vms.metrics import FAMILIES, GUEST, HOST, POOL, TIERS, VM, Family, Sample, Tier
from vms.models import Host, StoragePool, VirtualMachine

logger = logging.getLogger(__name__)

# A row of another VM is another place on the disk: three samples of each in one go are a third of the writing.
HOLD: Final = 15.0
# What is sampled at the end of a bucket is stored so much later.
LATE: Final = 20
PRUNES: Final = 600.0
# Nothing is thrown away by a clock that has jumped: it may be wrong now, or have been.
STEADY: Final = 3600.0
JUMP: Final = 5.0
# Buckets in one transaction: another watcher may wait to write.
AT_ONCE: Final = 500


class Recorder:
    """Takes samples from any thread."""

    def __init__(self) -> None:
        self.inbox: SimpleQueue[tuple[Family, list[Sample]]] = SimpleQueue()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name="recorder", daemon=True)
        # By roll-up the (thing, beginning) of rows to be made.
        self.waiting: dict[tuple[Family, Tier], set[tuple[int, int]]] = {}
        self.offset = time.time() - time.monotonic()
        self.steady_since = self.pruned_at = time.monotonic()

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """Store what has been handed in, then end."""
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join(5)

    def keep(self, family: Family, samples: list[Sample]) -> None:
        """Store them, soon; what cannot be stored is lost, and is a gap."""
        self.inbox.put((family, samples))

    def run(self) -> None:
        try:
            self.work("the store of numbers is not ready", self.begin)
            while not self.stopping.wait(HOLD):
                self.work("numbers cannot be stored", self.turn)
            self.work("the last numbers cannot be stored", self.turn)
        finally:
            connection.close()
            metrics.close()

    def work(self, complaint: str, job: Callable[[], None]) -> None:
        try:
            job()
        except DatabaseError:
            logger.exception(complaint)
            close_old_connections()

    def begin(self) -> None:
        """Make the tables, and what a watcher that was killed has left undone."""
        metrics.prepare()
        for family in FAMILIES:
            for tier in TIERS[1:]:
                self.waiting.setdefault((family, tier), set()).update(metrics.left_undone(family, tier))

    def turn(self) -> None:
        """Store what came, and do what is due."""
        now, moment = time.time(), time.monotonic()
        if abs(now - moment - self.offset) > JUMP:
            self.steady_since = moment
        self.offset = now - moment
        self.store()
        for family in FAMILIES:
            for tier in TIERS[1:]:
                self.roll_up(family, tier, now)
        if moment - self.pruned_at > PRUNES and moment - self.steady_since > STEADY:
            self.pruned_at = moment
            self.prune(int(now))

    def store(self) -> None:
        several: dict[Family, list[Sample]] = {}
        try:
            while True:
                family, samples = self.inbox.get_nowait()
                several.setdefault(family, []).extend(samples)
        except Empty:
            pass
        if several:
            metrics.store(several)
        for family, samples in several.items():
            self.mark(family, TIERS[1], ((thing, t) for thing, t, _ in samples))

    def mark(self, family: Family, tier: Tier, written: Iterable[tuple[int, int]]) -> None:
        """Note that rows of the tier before it came, so that what is made of them is made again."""
        step = tier.step
        self.waiting.setdefault((family, tier), set()).update((thing, t // step * step) for thing, t in written)

    def roll_up(self, family: Family, tier: Tier, now: float) -> None:
        """Make what is complete, and what lies ahead of a clock that was put back."""
        waiting = self.waiting.get((family, tier), set())
        due = sorted(each for each in waiting if each[1] + tier.step + LATE <= now or each[1] > now)
        for first in range(0, len(due), AT_ONCE):
            part = due[first : first + AT_ONCE]
            metrics.roll_up(family, tier, part)
            waiting.difference_update(part)
            if tier is not TIERS[-1]:
                self.mark(family, TIERS[TIERS.index(tier) + 1], part)

    def prune(self, now: int) -> None:
        """Let go of what is old, and of what is nobody's any more."""
        metrics.prune(now)
        vms = set(VirtualMachine.objects.filter(deleted_at=None).values_list("pk", flat=True))
        there: dict[Family, set[int]] = {
            VM: vms,
            GUEST: vms,
            HOST: set(Host.objects.filter(removed_at=None).values_list("pk", flat=True)),
            POOL: set(StoragePool.objects.filter(host__removed_at=None).values_list("pk", flat=True)),
        }
        for family in FAMILIES:
            metrics.forget(family, set(metrics.things(family)) - there[family])
        screens.forget(datetime.fromtimestamp(now, UTC))
