"""What the transfer process knows of itself: its row and beat, what is on its way through it, and the clock that ends
what may not go on, finishes what has come, and takes away what nobody wants any more."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

import redis
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connections
from django.db.models import F, Q
from django.db.models.functions import Now

from vms import live
from vms.errors import (
    HostLeftAlone,
    HostSilent,
    HostUnreachable,
    NotAllowed,
    OperationLost,
    TimedOut,
    TooManyTransfers,
    UploadExpired,
    VmsError,
)
from vms.kinds.uploads import UPLOAD
from vms.models import OperationState, Upload, Worker
from vms.operations import uploads
from vms.operations.claim import anything_open
from vms.operations.transitions import HELD

logger = logging.getLogger(__name__)

BEAT: Final = 2.0
TURN: Final = 0.5
# How often it is asked whether somebody still may.
ASK: Final = 2.0
READY_SECONDS: Final = 10
MOST: Final = 24
MOST_OF_A_USER: Final = 6
THREADS: Final = MOST + 8
# Between two tries at what a silent host has to take away.
AGAIN: Final = 10.0
T = TypeVar("T")


def this_task() -> Callable[[threading.Event], None]:
    """What ends the calling task from any thread, unless its way is over when that reaches it."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def wake(over: threading.Event) -> None:
        if task is not None:
            loop.call_soon_threadsafe(lambda: over.is_set() or task.cancel())

    return wake


def go_on() -> None:
    """The calling task was woken, and knows."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


class Carrier(Protocol):
    """What waits for a host."""

    def cut_when_silent(self, seconds: float) -> None: ...


@dataclass
class Way:
    """Bytes on their way now. check: raises NotAllowed where they may not go on. wake: ends it, from any thread."""

    user: int
    check: Callable[[], None]
    wake: Callable[[threading.Event], None]
    carrier: Carrier | None = None
    reason: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def end(self, reason: str) -> None:
        """Once; why is what its own side says."""
        if not self.reason:
            self.reason = reason
            self.wake(self.over)


class Transfers:
    """One a process."""

    def __init__(self, name: str) -> None:
        self.node = settings.ENVIRONMENT.node
        self.name = f"{name} {self.node}"[:255]
        self.lock = threading.Lock()
        self.ways: dict[Any, Way] = {}
        self.threads = ThreadPoolExecutor(THREADS, "transfer")
        self.finishing: dict[int, uploads.Writer | None] = {}
        self.stopping = threading.Event()
        self.woken = threading.Event()
        self.asked_at = self.tidied_at = 0.0
        self.worker = self.sign_on()

    def sign_on(self) -> Worker:
        """This process's row; its predecessor of the same name is gone, since it had the socket."""
        Worker.objects.filter(name=self.name, node=self.node, stopped_at=None).update(stopped_at=Now())
        return Worker.objects.create(name=self.name, node=self.node, pid=os.getpid(), started_at=Now(), beat_at=Now())

    def start(self) -> None:
        for job, period in ((self.beat, BEAT), (self.turn, TURN)):
            threading.Thread(target=self.repeat, args=(job, period), name=job.__name__, daemon=True).start()

    def repeat(self, job: Callable[[], None], period: float) -> None:
        """The job at once and after each pause, until stop(); a failure waits for the next turn."""
        while not self.stopping.is_set():
            try:
                job()
            except (DatabaseError, redis.RedisError):
                logger.exception("%s failed", job.__name__)
            finally:
                close_old_connections()
            self.woken.wait(period) if job == self.turn else self.stopping.wait(period)
            self.woken.clear()
        connections.close_all()

    def beat(self) -> None:
        """Say that this process lives. Declared dead by others, it ends: another may hold what it held."""
        if not Worker.objects.filter(pk=self.worker.pk, stopped_at=None).update(beat_at=Now()):
            logger.error("this process was declared dead; it ends")
            os._exit(1)
        with suppress(redis.RedisError):
            live.connection().set(live.key("ready", "transfer"), 1, ex=READY_SECONDS)

    def run(self, call: Callable[..., T], *args: Any) -> T:
        """The call in this thread, whose database connection it leaves as a request would."""
        try:
            return call(*args)
        finally:
            close_old_connections()

    def enter(self, key: Any, way: Way) -> None:
        """Note it. Raises TooManyTransfers."""
        with self.lock:
            if len(self.ways) >= MOST:
                raise TooManyTransfers(limit=MOST)
            if sum(each.user == way.user for each in self.ways.values()) >= MOST_OF_A_USER:
                raise TooManyTransfers(limit=MOST_OF_A_USER)
            self.ways[key] = way

    def leave(self, key: Any, way: Way) -> None:
        with self.lock:
            if self.ways.get(key) is way:
                del self.ways[key]
        way.over.set()
        self.woken.set()

    def way(self, key: Any) -> Way | None:
        with self.lock:
            return self.ways.get(key)

    def end_former(self, key: Any, within: float) -> bool:
        """Whether nothing of that key is on its way any more; what was is ended by whoever comes after it."""
        former = self.way(key)
        if former is None:
            return True
        former.end("newer")
        return former.over.wait(within)

    def turn(self) -> None:
        """End what may not go on or was cancelled, finish what has come, tidy up."""
        with self.lock:
            ways = dict(self.ways)
        for way in ways.values():
            if way.carrier:
                way.carrier.cut_when_silent(UPLOAD.silence_seconds)
        for reader in list(self.finishing.values()):
            if reader:
                reader.cut_when_silent(UPLOAD.silence_seconds)
        if time.monotonic() - self.asked_at > ASK:
            self.asked_at = time.monotonic()
            self.ask(ways)
        for upload in self.due():
            way = ways.get(("upload", upload.pk))
            if way:
                # Who sent its last byte a moment ago is on the way to being told so.
                way.end("whole" if upload.operation.state == OperationState.RUNNING and upload.is_whole else "over")
            elif upload.pk not in self.finishing:
                self.finishing[upload.pk] = None
                self.threads.submit(self.conclude, upload.pk)
        if time.monotonic() - self.tidied_at > AGAIN:
            self.tidied_at = time.monotonic()
            for upload in uploads.left_behind(self.node):
                self.threads.submit(self.run, uploads.take_away, upload)

    def ask(self, ways: dict[Any, Way]) -> None:
        """End the ways of those who may no longer."""
        for way in ways.values():
            try:
                way.check()
            except NotAllowed:
                way.end("right_gone")

    def due(self) -> list[Upload]:
        """The uploads of which the next step is not their sender's: whole, cancelled or too late; this process's, or
        left by one that is gone."""
        if not anything_open():
            return []
        held = Q(operation__worker=self.worker) | Q(operation__worker__stopped_at__isnull=False)
        whole = Q(offset_bytes=F("size_bytes"), operation__state=OperationState.RUNNING)
        ended = Q(operation__state=OperationState.CANCELLING) | Q(expires_at__lte=Now())
        mine = Upload.objects.filter(held, whole | ended, operation__state__in=HELD)
        never = Upload.objects.filter(operation__state=OperationState.QUEUED, expires_at__lte=Now())
        found = (mine | never).filter(operation__node__in=("", self.node))
        return list(found.select_related("operation"))

    def conclude(self, pk: int) -> None:
        """Its last step, which whoever is killed in it leaves to the next process."""
        try:
            upload = uploads.take(uploads.read(pk), self.worker)
            self.conclude_mine(upload)
        except (VmsError, DatabaseError) as error:
            logger.warning("upload %s: its end is tried again: %r", pk, error)
            self.stopping.wait(1)
        except Exception as error:
            logger.exception("upload %s", pk)
            self.give_up(uploads.read(pk), VmsError(repr(error)))
        finally:
            self.finishing.pop(pk, None)
            connections.close_all()

    def conclude_mine(self, upload: Upload) -> None:
        state = upload.operation.state
        if state == OperationState.CANCELLING:
            uploads.cancelled(upload, self.worker)
        elif not upload.is_whole:
            uploads.failed(upload, self.worker, UploadExpired(name=upload.name))
        else:
            try:
                uploads.complete(upload, self.worker, lambda reader: self.finishing.__setitem__(upload.pk, reader))
            except (OperationLost, *NOT_NOW):
                raise
            except VmsError as error:
                uploads.failed(upload, self.worker, error)

    def give_up(self, upload: Upload, error: VmsError) -> None:
        """It can't go on, and its room is given back."""
        uploads.failed(upload, self.worker, error)

    def stop(self) -> None:
        """What is on its way ends; what has begun is this name's next process's."""
        self.stopping.set()
        self.woken.set()
        Worker.objects.filter(pk=self.worker.pk).update(stopped_at=Now())
        with suppress(redis.RedisError):
            live.connection().delete(live.key("ready", "transfer"))


# After these the same may work in a moment, so that nothing is decided.
NOT_NOW: Final = (HostUnreachable, HostSilent, HostLeftAlone, TimedOut)
