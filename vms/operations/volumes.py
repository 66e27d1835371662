"""Volumes: made, grown, copied, wiped and deleted on the host that speaks for their storage."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Greatest

from vms import live
from vms.errors import (
    Aborted,
    HostLeftAlone,
    HostSilent,
    HostUnreachable,
    InvalidState,
    NameTaken,
    NotFound,
    TimedOut,
    VirtError,
    VolumeUsed,
)
from vms.headers import ENOUGH, require
from vms.inventory.volumes import moment
from vms.kinds import volumes as kinds
from vms.libvirtxml import BadXML, DomainXML, How, sources, volume_document
from vms.models import Host, Operation, Reservation, StoragePool, User, Volume
from vms.operations.jobs import is_to_end, tell
from vms.operations.power import cannot_be_told
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work
from vms.permissions import Actor
from vms.permissions import require as require_right
from vms.services import volumes as services
from vms.services.operations import refuse_silent
from vms.virt import Connection, Download, HostSpec, Job, Upload, VolumeFacts, connect
from vms.virt import Volume as There

BLOCK: Final = 1 << 20
# How often a copy tells how far it is and looks whether it is to end.
LOOK: Final = 0.5
# The log's line of a volume that an operation makes on its way to something else.
ARRIVES: Final = "image_arrives"
State = Volume.State


def pool_of(operation: Operation) -> StoragePool:
    """The pool in which it works; NotFound where the dashboard knows it no more."""
    if operation.pool is None:
        raise NotFound(operation.target_name)
    return operation.pool


def pool_here(operation: Operation, pk: int, name: str) -> StoragePool:
    """The pool in which something of that name is to be; NotFound where the operation's host has it no more."""
    pool = StoragePool.objects.filter(pk=pk, host=operation.host_id, present=True).first()
    if pool is None:
        raise NotFound(name)
    return pool


def target_pool(operation: Operation) -> StoragePool:
    """The pool into which a copy goes."""
    pool = StoragePool.objects.filter(pk=operation.params["pool"], present=True).select_related("host").first()
    if pool is None:
        raise NotFound(operation.params["name"])
    return pool


def volume_of(work: Work) -> Volume:
    """The row as it is now; NotFound where it is no more."""
    row = Volume.objects.filter(operations=work.operation).first()
    if row is None:
        raise NotFound(work.operation.target_name)
    return row


def create(work: Work) -> None:
    pool, params = pool_of(work.operation), work.operation.params
    with being_made(work, pool) as row:
        there = make_empty(work, pool, params["name"], params["size_bytes"], params["format"])
        keep(row, there.facts(), params["format"], of=work.operation)


def make_empty(work: Work, pool: StoragePool, name: str, size: int, format: str) -> There:
    """A new volume of so many bytes, in which nothing is left of what was there before. Raises NameTaken, VirtError."""
    files = pool.type in services.FILES
    document = volume_document(name, size, format if files else "", whole=not files)
    there = work.connection.create_volume(str(pool.uuid), document, name=name)
    work.log("volume_made", name=name)
    if pool.type in services.RESIDUE:
        there.wipe()
        work.log("volume_zeroed", name=name)
    return there


def new_row(
    pool: StoragePool, name: str, owner: User | None, *, format: str = "", private: bool = False,
    backing: int | None = None,
) -> Volume:  # fmt: skip
    """A row for what is going to be made, nobody's to touch until keep(). backing: the volume that it is to lie over.
    Raises NameTaken."""
    try:
        with transaction.atomic():
            # One that its pool has lost left its row behind.
            Volume.objects.filter(storage=pool.storage_id, name=name, present=False).exclude(
                state=State.INCOMPLETE
            ).delete()
            return Volume.objects.create(
                storage_id=pool.storage_id, name=name, format=format, state=State.INCOMPLETE, present=False,
                owner=owner, private=private, backing_id=backing,
            )  # fmt: skip
    except IntegrityError:
        raise NameTaken(name=name) from None


@contextmanager
def being_made(
    work: Work, pool: StoragePool, connection: Connection | None = None, name: str = ""
) -> Iterator[Volume]:  # fmt: skip
    """A row for what is made inside, nobody's to touch until keep(); where that fails nothing is left of it.
    connection: to the pool's host, where it is another than the operation's. name: of what the operation makes besides,
    told in its log (unplace)."""
    besides, actor = bool(name), work.operation.actor_user
    name = name or work.operation.params["name"]
    with transaction.atomic():
        row = new_row(pool, name, actor)
        if besides:
            work.log(ARRIVES, name=name, volume=str(row.pk))
    try:
        yield row
    except (HostUnreachable, TimedOut):
        # What became of it is asked of the host by whoever ends the operation (take_away).
        raise
    except NameTaken:
        row.delete()
        raise
    except BaseException:
        with contextlib.suppress(VirtError):
            take_away(connection or work.connection, pool, row)
            work.log("volume_taken_away", name=name)
        raise


def keep(row: Volume, facts: VolumeFacts, format: str, *, of: Operation | None = None, capacity: int = 0) -> None:
    """It is made, as its host tells of it: from now on it is what it is to be. of: whose reservation stood for it until
    now. capacity: where the host tells of its bytes only."""
    with transaction.atomic():
        Volume.objects.filter(pk=row.pk).update(
            state=State.READY, present=True, format=format, kind=facts.kind, path=facts.path,
            capacity_bytes=capacity or facts.capacity, allocation_bytes=facts.allocation,
            known_bytes=facts.capacity, known_at=moment(facts.mtime), changed_at=moment(facts.mtime),
        )  # fmt: skip
        if of:
            counted(of, capacity or facts.capacity)


def counted(operation: Operation, size: int) -> None:
    """So much of what it has reserved counts as a volume from now on; in the transaction that makes it one."""
    reserved = Reservation.objects.filter(operation=operation, resource="disk_bytes")
    reserved.update(amount=Greatest(F("amount") - size, 0))


def require_same(row: Volume, facts: VolumeFacts) -> None:
    """Nothing, or VolumeFound or VolumeSwapped, as the host tells of it in this moment."""
    row.capacity_bytes = facts.physical if row.format == "raw" else facts.capacity
    row.told_format, row.changed_at = "", moment(facts.mtime)
    services.require_known(row)


def take_away(connection: Connection, pool: StoragePool, row: Volume) -> None:
    """Delete what was not made to its end, on the host and here; nothing where somebody else has done so."""
    if not Volume.objects.filter(pk=row.pk, state=State.INCOMPLETE).exists():
        return
    with contextlib.suppress(NotFound):
        connection.volume(str(pool.uuid), row.name).delete()
    # What its watcher has read of it before is stored by then; later it would be taken for one that was found.
    live.look(pool.host_id, f"pool:{pool.pk}")
    Volume.objects.filter(pk=row.pk, state=State.INCOMPLETE).delete()


def mend_create(connection: Connection, operation: Operation) -> None:
    mend(connection, operation, pool_of(operation))


def mend_clone(connection: Connection, operation: Operation) -> None:
    pool = target_pool(operation)
    with host_of(connection, operation, pool.host) as there:
        mend(there, operation, pool)


def mend(connection: Connection, operation: Operation, pool: StoragePool) -> None:
    """Nothing is left of what a dead worker did not end."""
    left = Volume.objects.filter(
        storage=pool.storage_id, name=operation.params["name"], state=State.INCOMPLETE, owner=operation.actor_user_id
    )
    for row in left:
        take_away(connection, pool, row)


def create_facts(connection: Connection, operation: Operation) -> Facts:
    return made(connection, pool_of(operation), operation.params["name"])


def clone_facts(connection: Connection, operation: Operation) -> Facts:
    pool = target_pool(operation)
    with host_of(connection, operation, pool.host) as there:
        return made(there, pool, operation.params["name"])


def made(connection: Connection, pool: StoragePool, name: str) -> Facts:
    """Whether the host has it, and whether it is ready here."""
    ready = Volume.objects.filter(storage=pool.storage_id, name=name, state=State.READY, present=True)
    return {**there_is(connection, pool, name), "ready": ready.exists()}


def there_is(connection: Connection, pool: StoragePool, name: str) -> dict[str, Any]:
    try:
        return {"there": True, "capacity": connection.volume(str(pool.uuid), name).facts().capacity}
    except NotFound:
        return {"there": False, "capacity": 0}


def is_made(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["there"] and now["ready"] and not before["there"] else Verdict.UNDONE


def clone(work: Work) -> None:
    """Byte by byte: a program that looked what the image is would follow what its guest wrote there."""
    operation, row = work.operation, volume_of(work)
    source, pool = pool_of(operation), target_pool(operation)
    require_right(actor_of(operation), "pool.use", pool)
    services.require_served(row)
    services.require_off(operation.actor_user, row)
    with reading(work.connection, source, row) as (way, parts, length):
        work.log("volume_read", name=row.name)
        with host_of(work.connection, operation, pool.host) as connection, being_made(work, pool, connection) as copy:
            copied = make_copy(work, connection, pool, copy, parts, length)
            way.finish()
            capacity = 0 if row.format == "raw" else row.capacity_bytes
            keep(copy, copied.facts(), row.format, of=operation, capacity=capacity)


@contextmanager
def reading(
    connection: Connection, pool: StoragePool, row: Volume, over: tuple[str, str] | None = None
) -> Iterator[tuple[Download, Iterator[bytes | int], int]]:  # fmt: skip
    """The way out of the volume, its parts in order, and how many bytes they are; whoever has taken them all finishes
    the way. over: (path, format) of what it lies over, where that is known. Raises what require_same() and accepted()
    raise, InvalidState where there is nothing."""
    there = connection.volume(str(pool.uuid), row.name)
    facts = there.facts()
    require_same(row, facts)
    # A file tells its holes, and a new file may have some.
    length, sparse = facts.physical, facts.kind == "file"
    if not length:
        raise InvalidState(f"{row.name} is empty")
    way = there.download(0, length, sparse=sparse)
    try:
        yield way, accepted(way, row, length, sparse=sparse, over=over), length
    finally:
        way.abort()


@contextmanager
def host_of(connection: Connection, operation: Operation, host: Host) -> Iterator[Connection]:
    """The connection to the host, which may be another one than the operation's. Raises VirtError."""
    if host.pk == operation.host_id:
        yield connection
        return
    try:
        # A daemon that hangs would hold this worker.
        refuse_silent(host)
    except (HostSilent, HostLeftAlone) as refused:
        raise HostUnreachable(refused.code) from None
    with connect(HostSpec(**host.spec_fields())) as other:
        yield other


def accepted(
    way: Download, row: Volume, length: int, *, sparse: bool, over: tuple[str, str] | None = None
) -> Iterator[bytes | int]:  # fmt: skip
    """All of it, in order; RefusedImage where its beginning is not of the format that is remembered. What is judged is
    what is copied: these very bytes."""
    parts = pieces(way, sparse=sparse)
    held: list[bytes | int] = []
    first = b""
    while len(first) < min(length, ENOUGH):
        held.append(next(parts))
        first += content(held[-1], ENOUGH - len(first))
    require(first, row.format, size=length, over=over)
    return chain(held, parts)


def pieces(way: Download, *, sparse: bool) -> Iterator[bytes | int]:
    """All of it, in order; of a sparse way a hole as its length."""
    while way.left:
        yield way.read_or_hole(BLOCK) if sparse else way.read(BLOCK)


def content(piece: bytes | int, most: int) -> bytes:
    """Its first bytes."""
    return bytes(min(piece, most)) if isinstance(piece, int) else piece[:most]


def beginning(way: Download, length: int) -> bytes:
    """So many bytes, the next."""
    found = bytearray()
    while len(found) < length:
        found += way.read(length - len(found))
    return bytes(found)


def make_copy(
    work: Work, connection: Connection, pool: StoragePool, copy: Volume, parts: Iterable[bytes | int], length: int
) -> There:
    """The new volume with these bytes; Aborted where somebody wanted its end."""
    files = pool.type in services.FILES
    # To the host it is bytes until all of them are there.
    document = volume_document(copy.name, length, "raw" if files else "", whole=not files)
    there = connection.create_volume(str(pool.uuid), document, name=copy.name)
    work.log("volume_made", name=copy.name)
    if pool.type in services.RESIDUE and there.facts().physical > length:
        there.wipe()
    into = there.upload(0, length, sparse=files)
    try:
        looked = time.monotonic()
        for part in parts:
            pour(into, part, sparse=files)
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                work.heard()
                work.may_go_on()
                if is_to_end(work.operation):
                    raise Aborted
                tell(work.operation, Job(done=length - into.left, left=into.left))
        if is_to_end(work.operation):
            raise Aborted
        into.finish()
    finally:
        into.abort()
    return there


def pour(into: Upload, part: bytes | int, *, sparse: bool) -> None:
    """Send it on; zeros as a hole where there may be some."""
    size = part if isinstance(part, int) else len(part)
    if sparse and (isinstance(part, int) or part.count(0) == size):
        into.skip(size)
    elif isinstance(part, int):
        for start in range(0, size, BLOCK):
            into.send(bytes(min(BLOCK, size - start)))
    else:
        into.send(part)


def actor_of(operation: Operation) -> Actor | None:
    """Who asked for it, with the token that he asked by."""
    user = operation.actor_user
    return Actor(user, operation.actor_session, operation.actor_token) if user else None


def grow(work: Work) -> None:
    operation, row, pool = work.operation, volume_of(work), pool_of(work.operation)
    services.require_served(row)
    there = work.connection.volume(str(pool.uuid), row.name)
    require_same(row, there.facts())
    placements = services.running(row)
    if len(placements) > 1:
        services.require_off(operation.actor_user, row)
    size = operation.params["size_bytes"]
    if placements:
        with host_of(work.connection, operation, placements[0].host) as connection:
            domain = connection.domain(str(placements[0].uuid))
            if not domain.grow_disk(places(row, placements[0].host), size):
                services.require_off(operation.actor_user, row)
    else:
        there.grow(size)
    size = there.facts().capacity
    with transaction.atomic():
        Volume.objects.filter(pk=row.pk).update(capacity_bytes=size, known_bytes=size)
        counted(operation, size)


def places(row: Volume, host: Host) -> set[tuple[How, str]]:
    """What a definition of that host may call it: each host has a storage where it wants."""
    found: set[tuple[How, str]] = {("path", row.path)}
    for pool in StoragePool.objects.filter(storage=row.storage_id, host=host, present=True):
        found |= {("path", f"{pool.path.rstrip('/')}/{row.name}"), ("volume", f"{pool.name}/{row.name}")}
    return found


def grow_facts(connection: Connection, operation: Operation) -> Facts:
    found = there_is(connection, pool_of(operation), operation.target_name)
    return {**found, "wanted": operation.params["size_bytes"]}


def is_grown(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["capacity"] >= now["wanted"] else Verdict.UNDONE


def wipe(work: Work) -> None:
    """What is left is raw, whatever it was."""
    row = refuse_used(work)
    there = work.connection.volume(str(pool_of(work.operation).uuid), row.name)
    require_same(row, there.facts())
    there.wipe()
    size = there.facts().physical
    Volume.objects.filter(pk=row.pk).update(
        state=State.READY, format="raw", refusal="", capacity_bytes=size, known_bytes=size
    )


def delete(work: Work) -> None:
    row = refuse_used(work)
    with contextlib.suppress(NotFound):
        work.connection.volume(str(pool_of(work.operation).uuid), row.name).delete()
    row.delete()


def refuse_used(work: Work) -> Volume:
    """The row, or VolumeUsed, VolumeBacks, HostSilent: asked of the rows once more, and of the host's own VMs as they
    are in this moment."""
    operation, row, pool = work.operation, volume_of(work), pool_of(work.operation)
    who = actor_of(operation)
    services.require_unused(who, row)
    services.require_all_heard(who, row)
    mine = places(row, pool.host)
    for info in work.connection.domains():
        for text in (info.live_xml, info.next_boot_xml):
            with contextlib.suppress(BadXML):
                if text and mine & {(how, where) for how, where, _ in sources(DomainXML.parse(text))}:
                    raise VolumeUsed(name=row.name, by="", others=1)
    work.may_go_on()
    return row


def delete_facts(connection: Connection, operation: Operation) -> Facts:
    return there_is(connection, pool_of(operation), operation.target_name)


def is_gone(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["there"] else Verdict.DONE


WAYS: Final = {
    kinds.CREATE.name: Way(create, create_facts, is_made, mend=mend_create),
    kinds.GROW.name: Way(grow, grow_facts, is_grown),
    kinds.CLONE.name: Way(clone, clone_facts, is_made, mend=mend_clone),
    kinds.WIPE.name: Way(wipe, delete_facts, cannot_be_told),
    kinds.DELETE.name: Way(delete, delete_facts, is_gone),
}
