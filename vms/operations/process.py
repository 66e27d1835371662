"""The worker process: its row and beat, what it runs, and the clocks that make up for lost knocks and lost workers."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from typing import Final

import redis
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from vms import live
from vms.chain import sealer
from vms.errors import WorkerDied, WorkerLost
from vms.kinds import MAKING
from vms.kinds.migration import MIGRATE
from vms.models import Operation, OperationState, Worker
from vms.operations import TRANSFERS, host_plan_runs, maintenance
from vms.operations.alerting import Alerter
from vms.operations.claim import anything_open, claim, waiting_in_line
from vms.operations.connections import Connections
from vms.operations.evidence import settle, settle_late
from vms.operations.run import Running, run
from vms.operations.sending import Sender
from vms.operations.thawing import Thawer
from vms.operations.transitions import HELD
from vms.operations.waiting import end_what_is_seen, end_what_waited_in_vain
from vms.services import failures, schedule_runs, seeds, trash

logger = logging.getLogger(__name__)

BEAT: Final = 2.0
CLAIM: Final = 2.0
CONTROL: Final = 0.5
# A worker whose beat stands still for so many looks, one each BEAT, is dead: 10 s.
DEAD_AFTER: Final = 5
THREADS: Final = 16
QUEUES: Final = ("quick", "slow", "guest")
FAILURES: Final = 5.0
TRASH: Final = 60.0
THAW: Final = 1.0
SEEDS: Final = 60.0
PLANS: Final = 1.0
ALERTS: Final = 5.0
SINKS: Final = 2.0
SCHEDULES: Final = 5.0
GRACE: Final = 10.0
# Later nobody but a person says what became of a move.
DECIDED_WITHIN: Final = timedelta(hours=1)


class WorkerProcess:
    """Claims and runs operations of its node until stop(); one a process."""

    def __init__(self, node: str = "", name: str = "") -> None:
        self.node = node or settings.ENVIRONMENT.node
        self.name = name or self.node
        self.connections = Connections()
        self.running: dict[int, Running] = {}
        # What this process has claimed or is claiming, and what of its rows it knew nothing of at the last look.
        self.mine: set[int] = set()
        self.mine_lock = threading.Lock()
        self.forgotten: set[int] = set()
        self.beats: dict[int, tuple[datetime, int]] = {}
        self.stopping = threading.Event()
        self.alerter = Alerter()
        self.sender = Sender()
        self.thawer = Thawer(self.node, self.connections)
        self.pool = ThreadPoolExecutor(THREADS, "operation")
        self.sealer = sealer.Sealer(settings.ENVIRONMENT.audit_keys, settings.STATE.audit_heads)
        self.worker = self.sign_on()

    def sign_on(self) -> Worker:
        """This process's row. Its predecessor of the same name is declared dead at once when its process is gone."""
        for before in Worker.objects.filter(name=self.name, node=self.node, stopped_at=None):
            if not is_running(before.pid):
                Worker.objects.filter(pk=before.pk).update(stopped_at=Now())
        return Worker.objects.create(
            name=self.name, node=self.node, pid=os.getpid(), started_at=Now(), beat_at=Now()
        )  # fmt: skip

    def start(self) -> None:
        """Start the clocks: the beat, the claims, what is waiting, what dead workers left, and the audit's."""
        for job, period in (
            (self.beat, BEAT), (self.claim_all, CLAIM), (self.control, CONTROL), (self.reconcile, BEAT),
            (self.seal, sealer.EVERY), (self.write_failures_down, FAILURES),
            (self.empty_trash, TRASH), (self.thaw, THAW), (self.take_seeds_away, SEEDS),
            (self.alert, ALERTS), (self.tell_alerts, SINKS), (self.run_schedules, SCHEDULES),
            (self.go_on_with_plans, PLANS),
        ):  # fmt: skip
            threading.Thread(target=self.repeat, args=(job, period), name=job.__name__, daemon=True).start()

    def repeat(self, job: Callable[[], None], period: float) -> None:
        """Run the job at once and after each pause, until stopped; a failure waits for the next turn."""
        while True:
            try:
                job()
            except (DatabaseError, redis.RedisError):
                logger.exception("%s failed", job.__name__)
                close_old_connections()
            if self.stopping.wait(period):
                break
        connection.close()

    def take(self, pk: int) -> None:
        """Run this operation, if it is to be had, and then whatever is in line, in this thread."""
        self.run(pk)
        # What has a place has changed with each.
        while any(self.run(each) for each in waiting_in_line(self.node)):
            pass

    def run(self, pk: int) -> bool:
        """Run this operation, if it is to be had; whether it was."""
        operation = None if self.stopping.is_set() else self.claim(pk)
        if operation:
            self.do(operation)
        return operation is not None

    def claim(self, pk: int) -> Operation | None:
        """The operation, noted as this process's from before its row says so until it has been done."""
        with self.mine_lock:
            if pk in self.mine:
                return None
            self.mine.add(pk)
        operation = None
        try:
            operation = claim(pk, self.worker)
        finally:
            if operation is None:
                self.mine.discard(pk)
        return operation

    def do(self, operation: Operation) -> None:
        running = self.running[operation.pk] = Running(operation)
        try:
            run(running, self.worker, self.connections)
        finally:
            del self.running[operation.pk]
            self.mine.discard(operation.pk)

    def beat(self) -> None:
        """Say that this process lives. Declared dead by others, it ends: they have settled what it held."""
        if not Worker.objects.filter(pk=self.worker.pk, stopped_at=None).update(beat_at=Now()):
            logger.error("this worker was declared dead; it ends")
            os._exit(1)
        live.connection().set(live.key("ready", "worker"), 1, ex=10)

    def claim_all(self) -> None:
        """Claim what no knock has reached."""
        if not anything_open():
            return
        for pk in waiting_in_line(self.node):
            if self.stopping.is_set() or len(self.running) >= THREADS:
                return
            operation = self.claim(pk)
            if operation:
                self.pool.submit(self.in_pool, operation)

    def in_pool(self, operation: Operation) -> None:
        try:
            self.do(operation)
            self.claim_all()
        except Exception:
            logger.exception("operation %s was given up", operation.pk)
        finally:
            connection.close()

    def control(self) -> None:
        """Cut what is silent for too long; end what waits for a guest and is seen, or waited too long for a host."""
        for running in list(self.running.values()):
            running.cut_when_silent()
        if anything_open():
            end_what_is_seen(self.node)
            end_what_waited_in_vain(self.node)

    def seal(self) -> None:
        """Seal what people did since the last turn."""
        self.sealer.turn()

    def write_failures_down(self) -> None:
        """Put into the audit what was counted in the minutes that are over."""
        failures.write_down()

    def empty_trash(self) -> None:
        """Ask for the purge of what has been in the trash for long enough."""
        trash.purge_due()

    def thaw(self) -> None:
        """Thaw the guests whose time is over."""
        self.thawer.turn()

    def take_seeds_away(self) -> None:
        """Ask for the end of the discs that first boots have read."""
        seeds.drop_due()

    def go_on_with_plans(self) -> None:
        """Ask for the next moves of hosts that are emptied, or get their VMs back, and of plans for several hosts."""
        if anything_open():
            maintenance.turn(self.node)
            host_plan_runs.turn(self.node)

    def alert(self) -> None:
        """Begin and end alerts."""
        self.alerter.turn()

    def tell_alerts(self) -> None:
        """Send what is due to sinks."""
        self.sender.turn()

    def run_schedules(self) -> None:
        """Begin what is due, and bring on what has been begun."""
        schedule_runs.turn()

    def reconcile(self) -> None:
        """Settle what dead workers held of this node's work, and of that which belongs to no node, by evidence, and
        what this one could not end; let go of hosts that are to be left alone."""
        self.connections.leave()
        Worker.objects.filter(pk__in=self.silent(), stopped_at=None).update(stopped_at=Now())
        dead = Q(node__in=("", self.node), worker__stopped_at__isnull=False)
        left = Operation.objects.filter(dead | Q(pk__in=self.lost()), state__in=HELD).exclude(kind__in=TRANSFERS)
        for operation in left.select_related("worker", "host", "vm__placement"):
            logger.warning("operation %s lost its worker", operation.pk)
            settle(operation, operation.worker, self.connections, WorkerLost(), undone=WorkerDied())
        for operation in self.half_made():
            settle_late(operation, self.connections)

    def half_made(self) -> list[Operation]:
        """What was to be made on hosts that fell silent meanwhile and answer again; and what was to be moved then, as
        long as nobody did anything else with it."""
        heard = Q(host__error_code="", host__left_alone=False, node__in=("", self.node))
        newer = Operation.objects.filter(vm=OuterRef("vm"), pk__gt=OuterRef("pk"))
        moved = Q(kind=MIGRATE.name, ended_at__gt=timezone.now() - DECIDED_WITHIN) & ~Exists(newer)
        rows = Operation.objects.filter(
            heard, Q(kind__in=MAKING) | moved, state=OperationState.UNKNOWN, vm__isnull=False
        )  # fmt: skip
        return list(rows.select_related("worker", "host", "vm__placement", "actor_user")[:10])

    def lost(self) -> set[int]:
        """This worker's rows that it knew nothing of, now and at the last look: the database failed while it wanted to
        write how they ended, or it was restored to an earlier moment."""
        held = Operation.objects.filter(state__in=HELD, worker=self.worker)
        unknown = set(held.values_list("pk", flat=True)) - self.mine
        lost, self.forgotten = unknown & self.forgotten, unknown
        return lost

    def silent(self) -> list[int]:
        """The other workers whose beat has stood still. No clock is asked: one that is set forwards would make the
        living look dead, one that is set back the dead alive; and a machine that slept has not looked meanwhile."""
        others = Worker.objects.filter(stopped_at=None).exclude(pk=self.worker.pk)
        last, self.beats = self.beats, {}
        for pk, beat in others.values_list("pk", "beat_at"):
            before, looks = last.get(pk, (beat, -1))
            self.beats[pk] = (beat, looks + 1 if beat == before else 0)
        return [pk for pk, (_, looks) in self.beats.items() if looks >= DEAD_AFTER]

    def stop(self) -> None:
        """Claim nothing more and wait 10 s for what runs; what is left is settled by whoever starts next."""
        self.stopping.set()
        until = time.monotonic() + GRACE
        while self.running and time.monotonic() < until:
            time.sleep(0.05)
        Worker.objects.filter(pk=self.worker.pk).update(stopped_at=Now())
        logger.info("stopped with %s operations left", len(self.running))


def is_running(pid: int) -> bool:
    """Whether a process of that number exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@cache
def current() -> WorkerProcess:
    """This process's worker, started at the first call."""
    process = WorkerProcess()
    process.start()
    return process
