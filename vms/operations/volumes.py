"""Volumes: made, grown, copied, wiped and deleted on the host that speaks for their storage."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import IntegrityError, transaction

from vms.errors import Aborted, HostUnreachable, InvalidState, NameTaken, NotFound, TimedOut, VirtError, VolumeUsed
from vms.headers import ENOUGH, require
from vms.kinds import volumes as kinds
from vms.libvirtxml import BadXML, DomainXML, sources, volume_document
from vms.models import Operation, StoragePool, Volume
from vms.operations.jobs import is_to_end, tell
from vms.operations.power import cannot_be_told
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work
from vms.permissions import Actor
from vms.permissions import require as require_right
from vms.services import volumes as services
from vms.virt import Connection, Download, Job
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


def target_pool(operation: Operation) -> StoragePool:
    """The pool into which a copy goes."""
    pool = StoragePool.objects.filter(pk=operation.params["pool"], host=operation.host_id, present=True).first()
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
    files = pool.type in services.FILES
    with being_made(work, pool) as row:
        document = volume_document(
            params["name"], params["size_bytes"], params["format"] if files else "", whole=not files
        )
        there = work.connection.create_volume(str(pool.uuid), document, name=params["name"])
        work.log("volume_made", name=params["name"])
        if pool.type in services.RESIDUE:
            there.wipe()
            work.log("volume_zeroed", name=params["name"])
        keep(row, there, params["format"])


@contextmanager
def being_made(work: Work, pool: StoragePool, name: str = "") -> Iterator[Volume]:
    """A row for what is made inside, nobody's to touch until keep(); where that fails nothing is left of it. name: of
    what the operation makes besides, told in its log (unplace)."""
    besides, actor = bool(name), work.operation.actor_user
    name = name or work.operation.params["name"]
    try:
        with transaction.atomic():
            # One that its pool has lost left its row behind.
            Volume.objects.filter(storage=pool.storage_id, name=name, present=False).exclude(
                state=State.INCOMPLETE
            ).delete()
            row = Volume.objects.create(
                storage_id=pool.storage_id, name=name, state=State.INCOMPLETE, present=False, owner=actor
            )
            if besides:
                work.log(ARRIVES, name=name, volume=str(row.pk))
    except IntegrityError:
        raise NameTaken(name=name) from None
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
            take_away(work.connection, pool, row)
            work.log("volume_taken_away", name=name)
        raise


def keep(row: Volume, there: There, format: str) -> None:
    """It is made: from now on it is what it is to be."""
    facts = there.facts()
    Volume.objects.filter(pk=row.pk).update(
        state=State.READY, present=True, format=format, kind=facts.kind, path=facts.path,
        capacity_bytes=facts.capacity, allocation_bytes=facts.allocation,
    )  # fmt: skip


def take_away(connection: Connection, pool: StoragePool, row: Volume) -> None:
    """Delete what was not made to its end, on the host and here; nothing where somebody else has done so."""
    if not Volume.objects.filter(pk=row.pk, state=State.INCOMPLETE).exists():
        return
    with contextlib.suppress(NotFound):
        connection.volume(str(pool.uuid), row.name).delete()
    Volume.objects.filter(pk=row.pk, state=State.INCOMPLETE).delete()


def mend_create(connection: Connection, operation: Operation) -> None:
    mend(connection, operation, pool_of(operation))


def mend_clone(connection: Connection, operation: Operation) -> None:
    mend(connection, operation, target_pool(operation))


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
    return made(connection, target_pool(operation), operation.params["name"])


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
    there = work.connection.volume(str(source.uuid), row.name)
    length = there.facts().physical
    if not length:
        raise InvalidState(f"{row.name} is empty")
    way = there.download(0, length)
    try:
        # What is judged is what is copied: these very bytes.
        first = beginning(way, min(length, ENOUGH))
        require(first, row.format, size=length)
        work.log("volume_read", name=row.name)
        with being_made(work, pool) as copy:
            copied = make_copy(work, pool, copy, first, way, length)
            way.finish()
            keep(copy, copied, row.format)
            Volume.objects.filter(pk=copy.pk).update(capacity_bytes=row.capacity_bytes)
    finally:
        way.abort()


def beginning(way: Download, length: int) -> bytes:
    """So many bytes, the next."""
    found = bytearray()
    while len(found) < length:
        found += way.read(length - len(found))
    return bytes(found)


def make_copy(work: Work, pool: StoragePool, copy: Volume, first: bytes, way: Download, length: int) -> There:
    """The new volume with these bytes; Aborted where somebody wanted its end."""
    files = pool.type in services.FILES
    # To the host it is bytes until all of them are there.
    document = volume_document(copy.name, length, "raw" if files else "", whole=not files)
    there = work.connection.create_volume(str(pool.uuid), document, name=copy.name)
    work.log("volume_made", name=copy.name)
    if pool.type in services.RESIDUE and there.facts().physical > length:
        there.wipe()
    into = there.upload(0, length)
    try:
        into.send(first)
        looked = time.monotonic()
        while way.left:
            into.send(way.read(BLOCK))
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                work.heard()
                work.may_go_on()
                if is_to_end(work.operation):
                    raise Aborted
                tell(work.operation, Job(done=length - way.left, left=way.left))
        if is_to_end(work.operation):
            raise Aborted
        into.finish()
    finally:
        into.abort()
    return there


def actor_of(operation: Operation) -> Actor | None:
    """Who asked for it, with the token that he asked by."""
    user = operation.actor_user
    return Actor(user, operation.actor_session, operation.actor_token) if user else None


def grow(work: Work) -> None:
    row = volume_of(work)
    services.require_served(row)
    services.require_off(work.operation.actor_user, row)
    there = work.connection.volume(str(pool_of(work.operation).uuid), row.name)
    there.grow(work.operation.params["size_bytes"])


def grow_facts(connection: Connection, operation: Operation) -> Facts:
    found = there_is(connection, pool_of(operation), operation.target_name)
    return {**found, "wanted": operation.params["size_bytes"]}


def is_grown(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["capacity"] >= now["wanted"] else Verdict.UNDONE


def wipe(work: Work) -> None:
    """What is left is raw, whatever it was."""
    row = refuse_used(work)
    there = work.connection.volume(str(pool_of(work.operation).uuid), row.name)
    there.wipe()
    Volume.objects.filter(pk=row.pk).update(state=State.READY, format="raw", refusal="")


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
    mine = {("path", row.path), ("volume", f"{pool.name}/{row.name}")}
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
