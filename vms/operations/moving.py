"""Moving a VM's disk to another pool. While it runs its own QEMU copies the disk and goes over to the copy; what is off
is copied by stream, and its definition changed. What it was on stays, attached to nothing."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

from vms.errors import (
    Aborted,
    HostRefused,
    HostUnreachable,
    InvalidState,
    MoveRefused,
    NameTaken,
    NotAllowed,
    NotFound,
    SourceChanged,
    TimedOut,
)
from vms.kinds import moving as kinds
from vms.kinds.moving import MoveDisk
from vms.libvirtxml import DomainXML, Given, How, Target, disk_at, move_disk
from vms.models import Operation, StoragePool, Volume
from vms.operations.jobs import is_to_end, tell
from vms.operations.new_volumes import claimed
from vms.operations.volumes import (
    actor_of,
    counted,
    keep,
    make_copy,
    make_empty,
    places,
    pool_here,
    reading,
    require_same,
    take_away,
)
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, domain
from vms.permissions import require, require_deed
from vms.services import volumes as services
from vms.services.moving import pool_of
from vms.services.snapshot_rules import stand_in_the_way
from vms.virt import Connection, Domain

LOOK: Final = 0.5
# So long the host has to end a copy that nobody wants.
ENDS: Final = 60.0


def params_of(operation: Operation) -> MoveDisk:
    return MoveDisk.from_json(operation.params)


def do(work: Work) -> None:
    operation, wish = work.operation, params_of(work.operation)
    actor, row = actor_of(operation), Volume.objects.filter(pk=wish.volume).first()
    pool = target_pool(operation)
    if actor is None or actor.user is None:
        raise NotAllowed(privilege=kinds.MOVE.privileges[0])
    if row is None:
        raise NotFound(wish.name)
    require(actor, "pool.use", pool)
    require_deed(actor, "attach", row)
    services.require_served(row)
    there = work.domain()
    info = there.info()
    if stand_in_the_way(info.snapshots, info.checkpoints):
        # They are in what it was on.
        raise MoveRefused(name=wish.target, cause="snapshots")
    with claimed(pool, wish.name, actor.user, format=wish.format) as made:
        try:
            if there.state()[1] is not None:
                copy_running(work, there, row, made, pool)
            else:
                copy_off(work, there, row, made, pool)
        except (HostUnreachable, TimedOut, NameTaken):
            # What became of it is asked of the host by whoever ends the operation (mend).
            raise
        except BaseException:
            mend(work.connection, operation)
            raise
        mend(work.connection, operation)


def target_pool(operation: Operation) -> StoragePool:
    """NotFound where the host has it no more."""
    wish = params_of(operation)
    return pool_here(operation, wish.pool, wish.name)


def copy_running(work: Work, there: Domain, row: Volume, made: Volume, pool: StoragePool) -> None:
    """Its QEMU writes all that is on the disk, and what is written meanwhile, then goes over to the new one. Raises
    SourceChanged where the run has another disk there, Aborted where somebody wanted its end."""
    operation, wish = work.operation, params_of(work.operation)
    if disk_at(there.live()[0], places(row, pool.host)) != wish.target:
        raise SourceChanged(name=row.name)
    if there.disk_size(wish.target) != wish.size_bytes:
        raise SourceChanged(name=row.name)
    facts = make_empty(work, pool, made.name, wish.size_bytes, wish.format).facts()
    work.may_go_on()
    there.begin_mirror(wish.target, Target(facts.path, wish.format, block=facts.kind == "block"))
    work.log("move_copies", name=made.name)
    while not there.is_mirrored(wish.target):
        work.heard()
        if is_to_end(operation):
            raise Aborted
        work.may_go_on()
        job = there.mirror_job(wish.target)
        if job is None:
            raise HostRefused("the copy ended before it was whole")
        tell(operation, job)
        time.sleep(LOOK)
    if is_to_end(operation):
        raise Aborted
    work.may_go_on()
    there.end_mirror(wish.target, go_over=True)
    work.log("move_over", name=made.name)
    point(there, operation, row, facts.path, pool)


def copy_off(work: Work, there: Domain, row: Volume, made: Volume, pool: StoragePool) -> None:
    """Byte by byte. Raises SourceChanged where it was written to meanwhile, MoveRefused where memory of a run is kept
    that knows the disk where it was."""
    operation, wish = work.operation, params_of(work.operation)
    source = pool_of(operation.host, row)
    if source is None:
        raise NotFound(row.name)
    if there.info().state not in ("shut_off", "crashed"):
        raise MoveRefused(name=wish.target, cause="saved")
    old = work.connection.volume(str(source.uuid), row.name)
    before = old.facts()
    require_same(row, before)
    over = (row.backing_path, row.backing.format) if row.backing else None
    with reading(work.connection, source, row, over) as (way, parts, length):
        make_copy(work, work.connection, pool, made, parts, length)
        way.finish()
    after = old.facts()
    if (after.physical, after.mtime) != (before.physical, before.mtime) or there.state()[1] is not None:
        raise SourceChanged(name=row.name)
    Volume.objects.filter(pk=made.pk).update(backing=row.backing)
    # The host learns what came into the volume when it looks through the pool.
    work.connection.pool(str(pool.uuid)).refresh()
    work.may_go_on()
    point(there, operation, row, "", pool)


def point(there: Domain, operation: Operation, row: Volume, path: str, pool: StoragePool) -> None:
    """Let the next start's definition have the disk where it is now; libvirt itself does so when a run goes over. path:
    of the new one, "" where no run knows it. Raises SourceChanged where it has another disk there."""
    wish, old = params_of(operation), places(row, pool.host)
    new: set[tuple[How, str]] = {("volume", f"{pool.name}/{wish.name}"), ("path", path)}

    def change(document: DomainXML) -> None:
        if disk_at(document, new) == wish.target:
            return
        if disk_at(document, old) != wish.target:
            raise SourceChanged(name=row.name)
        move_disk(document, wish.target, pool.name, wish.name)

    files = {where: row.format for how, where in old if how == "path"}
    named = [tuple(where.split("/", 1)) for how, where in old if how == "volume"]
    volumes = {(one[0], one[1]): row.format for one in named} | {(pool.name, wish.name): wish.format}
    there.modify(change, allowed=frozenset(kinds.MOVE.privileges), given=Given(volumes=volumes, files=files))


def mend(connection: Connection, operation: Operation) -> None:
    """The new volume is kept where the VM has it by now; else nobody writes to it any more, and nothing is left."""
    wish, pool = params_of(operation), target_pool(operation)
    row = Volume.objects.filter(storage=pool.storage_id, name=wish.name, state=Volume.State.INCOMPLETE).first()
    if row is None:
        return
    there, new = domain(connection, operation), at(connection, pool, wish)
    if not has(there, new):
        end(there, wish, {where for how, where in new if how == "path"})
    if not has(there, new):
        take_away(connection, pool, row)
        return
    old = Volume.objects.filter(pk=wish.volume).first()
    facts = connection.volume(str(pool.uuid), row.name).facts()
    keep(row, facts, wish.format, capacity=wish.size_bytes)
    counted(operation, wish.size_bytes)
    # Whoever moves it does not own it: taken out it is whose it was.
    Volume.objects.filter(pk=row.pk).update(owner=old.owner if old else None)


def end(there: Domain, wish: MoveDisk, mine: set[str]) -> None:
    """Where its QEMU still writes to the copy; it runs on as before."""
    if there.state()[1] is None or there.mirrors(wish.target) not in mine:
        return
    with suppress(InvalidState):
        there.end_mirror(wish.target, go_over=False)
    until = time.monotonic() + ENDS
    while there.mirrors(wish.target) in mine:
        if time.monotonic() > until:
            raise HostRefused(wish.name)
        time.sleep(LOOK)


def has(there: Domain, new: set[tuple[How, str]]) -> bool:
    """Whether the run, or the next start, has the disk at its new place."""
    documents = [there.next_boot(), *([there.live()[0]] if there.state()[1] is not None else [])]
    return any(disk_at(document, new) is not None for document in documents)


def at(connection: Connection, pool: StoragePool, wish: MoveDisk) -> set[tuple[How, str]]:
    """What a definition may call the new volume."""
    found: set[tuple[How, str]] = {("volume", f"{pool.name}/{wish.name}")}
    with suppress(NotFound):
        found.add(("path", connection.volume(str(pool.uuid), wish.name).facts().path))
    return found


def facts(connection: Connection, operation: Operation) -> Facts:
    """Whether it is at its new place: in this run, and in the next."""
    there, wish, pool = domain(connection, operation), params_of(operation), target_pool(operation)
    new, runs = at(connection, pool, wish), there.state()[1] is not None
    return {
        "now": not runs or disk_at(there.live()[0], new) == wish.target,
        "then": disk_at(there.next_boot(), new) == wish.target,
    }


def is_moved(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["now"] and now["then"] else Verdict.UNDONE


WAYS: Final = {kinds.MOVE.name: Way(do, facts, is_moved, mend=mend)}
