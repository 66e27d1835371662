"""Uploads, as the transfer process does them: one writer a file, the offset moves when the host has said that a piece
is written and nowhere else, and whatever dies, the rows say where to go on.

A worker claims none of them and settles none: what has begun waits for its sender, also where the process that held it
is gone, and whichever transfer process is asked next takes it over.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Final

from django.db import IntegrityError, close_old_connections, transaction
from django.db.models.functions import Now
from django.utils import timezone

from vms import headers, live
from vms.errors import (
    HostUnreachable,
    NameTaken,
    NotFound,
    OperationLost,
    TimedOut,
    UploadOver,
    UploadStrange,
    VirtError,
    VmsError,
)
from vms.inventory.volumes import moment
from vms.libvirtxml import volume_document
from vms.models import Host, Operation, OperationLog, OperationState, Reservation, StoragePool, Upload, Volume, Worker
from vms.operations.afar import Afar
from vms.operations.claim import check_ours, check_rights, ours
from vms.operations.images import charge, system
from vms.operations.imports import look_into
from vms.operations.transitions import HELD, fail, move, succeed
from vms.services import archives, images, volumes
from vms.services.operations import refuse_silent
from vms.services.uploads import LIVES, require_still_in
from vms.virt import Connection, HostSpec, open_connection
from vms.virt import Upload as Way
from vms.virt import Volume as Target

logger = logging.getLogger(__name__)

# How much the host is given at least in one stream, of a large file which part, and for how many seconds at least and
# at most: the longer, the less there is between two, and the more a killed process has to be sent again.
PIECE: Final = 16 << 20
SHARE: Final = 25
LEAST: Final = 0.2
LONGEST: Final = 5.0
# How much of the next stream the host is given before the last one ends.
AHEAD: Final = 4 << 20
# When nobody waits for the host.
NOBODY: Final = math.inf
# Of these it is read at once what is in them.
PACKED: Final = ("ova", "vmdk")


def take(found: Upload, worker: Worker) -> Upload:
    """The upload, running and this process's, as its row is now. Raises UploadOver where it has ended, or another
    process that lives holds it."""
    with transaction.atomic():
        free = Operation.objects.filter(pk=found.operation_id)
        first = free.filter(state=OperationState.QUEUED).update(
            state=OperationState.RUNNING, worker=worker, started_at=Now()
        )
        if first:
            OperationLog.objects.create(operation=found.operation, code="claimed", params={"worker": worker.name})
            tell(found.operation)
        elif not adopt(found.operation, worker) and not free.filter(state__in=HELD, worker=worker).exists():
            raise UploadOver(reason="held" if free.filter(state__in=HELD).exists() else "ended")
    return read(found.pk)


def adopt(operation: Operation, worker: Worker) -> bool:
    """Whether it was held by a process that is gone, and is this one's now."""
    left = Operation.objects.filter(pk=operation.pk, state__in=HELD, worker__stopped_at__isnull=False)
    return bool(left.update(worker=worker))


def read(pk: int) -> Upload:
    """The row with all that its work needs."""
    loaded = ("operation__pool", "operation__host", "operation__worker", "operation__actor_user")
    return Upload.objects.select_related(*loaded, "operation__actor_token", "volume").get(pk=pk)


def check_allowed(operation: Operation) -> None:
    """Nothing, or NotAllowed: it goes on with the rights of this moment, and as long as who asked is signed in."""
    require_still_in(operation)
    check_rights(operation)


def reached(operation: Operation) -> tuple[Host, StoragePool]:
    """Where it is written to. Raises NotFound where pool or host are gone from the dashboard."""
    if operation.host is None or operation.pool is None:
        raise NotFound(operation.target_name)
    return operation.host, operation.pool


class Stretch:
    """What the host is given in one stream; least: so many bytes, unless they come slowly."""

    def __init__(self, way: Way, least: int) -> None:
        self.way = way
        self.least = least
        self.began = time.monotonic()
        self.sent = 0

    def send(self, part: bytes) -> None:
        self.way.send(part)
        self.sent += len(part)

    @property
    def is_long(self) -> bool:
        """Whether the next part begins another."""
        lasted = time.monotonic() - self.began
        return lasted > LONGEST or (lasted > LEAST and self.sent >= self.least)

    def may_end(self, last: Stretch, *, waits: bool) -> bool:
        """Whether the host has enough to do without it: the last of them has begun, or nobody has (waits) more."""
        return waits and self.is_long if last is self else waits or last.sent >= AHEAD


class Writer:
    """The one that writes a file now; in one thread at a time, except cut()."""

    def __init__(self, found: Upload, worker: Worker) -> None:
        self.upload = found
        self.worker = worker
        self.offset = found.offset_bytes
        # What a guest would see of it, where its beginning says that; a small file can be a large disk.
        self.capacity = found.size_bytes
        # Where the row is: behind, while a sum over several pieces is still to be compared.
        self.noted = found.offset_bytes
        self.connection: Connection | None = None
        self.target: Target | None = None
        self.since = NOBODY

    def host(self) -> Connection:
        """The connection, opened at the first call. Raises VirtError, HostSilent."""
        if self.connection is None:
            host, _ = reached(self.upload.operation)
            refuse_silent(host)
            self.connection = open_connection(HostSpec(**host.spec_fields()))
        return self.connection

    def write(self, parts: Iterable[bytes], *, note: bool = True) -> None:
        """Return when the host has written them all; where note, the row says of each stretch when that is so. A part
        b"" says that none is there just now.

        Raises RefusedImage for a beginning that no image of its format may have, OverQuota for a disk that is larger
        than its owner may have, UploadStrange for one that is too short to be judged: nothing of it was sent. Raises
        UploadStrange for more bytes than were said: the last of them do not count. Raises OperationLost, HostSilent,
        VirtError.
        """
        left = iter(parts)
        if self.offset == 0:
            left = chain(self.judged(left), left)
        # The last one takes what comes; the one before it ends meanwhile, so that the host is never without.
        stretches: list[Stretch] = []
        at = self.offset
        try:
            while (part := self.next_of(left)) is not None:
                if part:
                    if len(part) > self.upload.size_bytes - at:
                        raise UploadStrange(reason="length")
                    if not stretches or stretches[-1].is_long:
                        stretches.append(self.begin(at))
                    stretches[-1].send(part)
                    at += len(part)
                while stretches and stretches[0].may_end(stretches[-1], waits=not part):
                    self.end(stretches[0], note=note)
                    stretches.pop(0)
            while stretches:
                self.end(stretches[0], note=note)
                stretches.pop(0)
        finally:
            self.since = NOBODY
            for stretch in stretches:
                stretch.way.abort()

    def next_of(self, parts: Iterator[bytes]) -> bytes | None:
        """The next part, whenever it comes; None after the last."""
        self.since = NOBODY
        part = next(parts, None)
        self.since = time.monotonic()
        return part

    @property
    def is_whole(self) -> bool:
        return self.offset == self.upload.size_bytes

    def judged(self, parts: Iterator[bytes]) -> list[bytes]:
        """Those that it begins with, accepted."""
        wanted, found = min(headers.ENOUGH, self.upload.size_bytes), []
        while wanted > 0 and (part := next(parts, None)) is not None:
            found.append(part)
            wanted -= len(part)
        if found:
            self.capacity = judge(self.upload, b"".join(found))
        return found

    def begin(self, at: int) -> Stretch:
        """From there on. Raises OperationLost, HostSilent, VirtError."""
        # This can take hours, and a connection to the database does not stand so long by itself.
        close_old_connections()
        operation = self.upload.operation
        _, pool = reached(operation)
        check_ours(operation, self.worker)
        if at == 0:
            self.make()
        # Each question to the host would wait behind what is on its way.
        if self.target is None:
            self.target = self.host().volume(str(pool.uuid), self.upload.name)
        size = self.upload.size_bytes
        return Stretch(self.target.upload(at, size - at), max(PIECE, size // SHARE))

    def end(self, stretch: Stretch, *, note: bool) -> None:
        """Return when the host has written it."""
        stretch.way.finish(short=True)
        self.offset += stretch.sent
        if note:
            self.note()

    def make(self) -> None:
        """The volume, once: on the host after our row, which is what its room is charged by from here on."""
        _, pool = reached(self.upload.operation)
        host, first = self.host(), self.upload.volume is None
        row = self.upload.volume or self.claim_name(pool)
        self.upload.volume = row
        # Asked for by a process that was killed, it may be there.
        if not first and there(host, pool, row.name):
            return
        format = "raw" if pool.type in volumes.FILES else ""
        document = volume_document(row.name, self.upload.size_bytes, format, whole=False)
        try:
            made = host.create_volume(str(pool.uuid), document, name=row.name).facts()
        except (HostUnreachable, TimedOut):
            # Nobody knows whether it was made.
            raise
        except VmsError:
            self.upload.volume = None
            Volume.objects.filter(pk=row.pk).delete()
            raise
        Volume.objects.filter(pk=row.pk).update(present=True, path=made.path, kind=made.kind)

    def claim_name(self, pool: StoragePool) -> Volume:
        """The volume's row, in the place of what was reserved."""
        found = self.upload
        try:
            with transaction.atomic():
                Volume.objects.filter(storage=pool.storage_id, name=found.name, present=False).delete()
                charge(found.operation, self.capacity)
                made = Volume.objects.create(
                    storage_id=pool.storage_id, name=found.name, state=Volume.State.INCOMPLETE,
                    format="raw" if found.format in headers.PLAIN else found.format,
                    capacity_bytes=self.capacity, owner=found.operation.actor_user, present=False,
                )  # fmt: skip
                Upload.objects.filter(pk=found.pk).update(volume=made)
                Reservation.objects.filter(operation=found.operation).delete()
                if not ours(found.operation, self.worker).update(before={"volume": made.pk}):
                    raise OperationLost
        except IntegrityError:
            raise NameTaken(name=found.name) from None
        return made

    def note(self) -> None:
        """What the host has written is the offset now, if it was where this writer began. Raises OperationLost."""
        mine = Upload.objects.filter(
            pk=self.upload.pk, offset_bytes=self.noted, operation__worker=self.worker,
            operation__state=OperationState.RUNNING,
        )  # fmt: skip
        if not mine.update(offset_bytes=self.offset, expires_at=timezone.now() + LIVES):
            raise OperationLost
        self.noted = self.offset
        progress(self.upload.operation, self.offset, 2 * self.upload.size_bytes)

    def forget(self) -> None:
        """What was written since the last note() does not count."""
        self.offset = self.noted

    def hear(self, come: int) -> None:
        """The host has moved."""
        self.since = time.monotonic()

    def cut_when_silent(self, seconds: float) -> None:
        """Free the thread that waits for a host which has not moved for so long."""
        if self.connection and time.monotonic() - self.since > seconds:
            self.connection.cut()

    def close(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None


def there(host: Connection, pool: StoragePool, name: str) -> bool:
    """Whether the host has the volume."""
    try:
        host.volume(str(pool.uuid), name)
    except NotFound:
        return False
    return True


def judge(found: Upload, first: bytes) -> int:
    """How many bytes it can become; RefusedImage where it does not begin as an image of its format may. Raises
    UploadStrange where that cannot be told from so few bytes."""
    if len(first) < min(headers.ENOUGH, found.size_bytes):
        raise UploadStrange(reason="first")
    headers.require(first[: headers.ENOUGH], found.format, size=found.size_bytes)
    return max(found.size_bytes, headers.capacity(first[: headers.ENOUGH], size=found.size_bytes))


def progress(operation: Operation, done: int, of: int) -> None:
    """The percentage, when it is another than the row has."""
    percent = min(100 * done // max(of, 1), 99)
    if Operation.objects.filter(pk=operation.pk, state__in=HELD).exclude(progress=percent).update(progress=percent):
        tell(operation)


def tell(operation: Operation) -> None:
    live.announce([f"op:{operation.pk}", f"pool:{operation.target_id}"])


def complete(found: Upload, worker: Worker, hold: Callable[[Writer], None]) -> None:
    """Read all of it back: its beginning is judged once more, its sum is kept; then the volume is ready.

    hold is given what can be cut. Raises RefusedImage, RefusedArchive, OperationLost, HostSilent, VirtError.
    """
    operation, volume = found.operation, found.volume
    _, pool = reached(operation)
    if volume is None:
        raise NotFound(found.name)
    reader = Writer(found, worker)
    reader.since = time.monotonic()
    hold(reader)
    try:
        sum_ = hashlib.sha256()
        first, done = b"", 0
        whole = reader.host().volume(str(pool.uuid), found.name)
        for data in whole.blocks(0, found.size_bytes):
            reader.since = time.monotonic()
            sum_.update(data)
            done += len(data)
            if len(first) < headers.ENOUGH:
                first += data
            if done % PIECE < len(data):
                check_ours(operation, worker)
                progress(operation, found.size_bytes + done, 2 * found.size_bytes)
        capacity = judge(found, first)
        facts = whole.facts()
        packed = look_into(Afar(whole, found.size_bytes, reader.hear), volume) if found.format in PACKED else None
    finally:
        reader.close()
    with transaction.atomic():
        Volume.objects.filter(pk=volume.pk).update(
            state=Volume.State.READY, sha256=sum_.hexdigest(), present=True, capacity_bytes=capacity,
            known_bytes=facts.capacity, known_at=moment(facts.mtime), changed_at=moment(facts.mtime),
        )  # fmt: skip
        volume.refresh_from_db()
        if packed:
            archives.keep(volume, packed)
        if found.format != "ova":
            images.learn(
                volume, sum_.hexdigest(), format=found.format, size=found.size_bytes, **system(first, volume.name)
            )
        result = {"volume": volume.pk, "sha256": sum_.hexdigest(), "size_bytes": found.size_bytes}
        if not succeed(operation, worker, result=result, since=(OperationState.RUNNING,)):
            raise OperationLost
    look(operation)


def look(operation: Operation) -> None:
    if operation.host_id:
        live.look(operation.host_id, f"pool:{operation.target_id}")


def cancelled(found: Upload, worker: Worker) -> None:
    """End it as somebody asked; nothing of it stays."""
    take_away(found)
    move(found.operation, OperationState.CANCELLED, by=worker, since=(OperationState.CANCELLING,), log="removed")
    look(found.operation)


def failed(found: Upload, worker: Worker, error: VmsError) -> None:
    """End it for that reason; nothing of it stays."""
    take_away(found)
    fail(found.operation, worker, error)
    look(found.operation)


def take_away(found: Upload) -> bool:
    """Whether nothing of it is left: neither on the host nor in our rows. What a silent host still has is asked again
    (see left_behind)."""
    current = read(found.pk)
    volume, operation = current.volume, current.operation
    if volume is None or volume.state != Volume.State.INCOMPLETE:
        return True
    try:
        host, pool = reached(operation)
        refuse_silent(host)
        connection = open_connection(HostSpec(**host.spec_fields()))
        try:
            with suppress(NotFound):
                connection.volume(str(pool.uuid), current.name).delete()
        finally:
            connection.close()
    except NotFound:
        # Its pool is gone from the dashboard, and with it whatever we could say of it.
        pass
    except (VirtError, VmsError) as error:
        logger.warning("upload %s: its volume is still there: %s %s", found.pk, error.code, error.details)
        return False
    Volume.objects.filter(pk=volume.pk, state=Volume.State.INCOMPLETE).delete()
    return True


def left_behind(node: str) -> list[Upload]:
    """Uploads that have ended, and whose half a volume is still there."""
    left = Upload.objects.filter(volume__state=Volume.State.INCOMPLETE, operation__node__in=("", node))
    return list(left.exclude(operation__state__in=(OperationState.QUEUED, *HELD)).select_related("operation"))
