"""The disc of the first boot: taken away when that is over, and written anew where somebody has other answers.

Taken away: out of the drive, the drive out of the next start's definition, and then deleted. Written anew, for a VM
that is off: step by step, each undone in reverse where a later one fails; until the last one is done the old disc is
there, and the new one is nobody's to touch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from vms.errors import NotAllowed, NotFound, VirtError
from vms.kinds.seeds import DROP_SEED, WRITE_SEED, NewSeed
from vms.libvirtxml import DomainXML, Given, add_seed
from vms.models import Operation, OperationLog, Reservation, Seed, StoragePool, Volume
from vms.operations.new_volumes import keep_made, unmake, write_seed
from vms.operations.volumes import actor_of, pool_here
from vms.operations.way import UNCERTAIN, Facts, Verdict, Way
from vms.operations.work import Work, allowed, domain
from vms.permissions import require
from vms.services import seeds
from vms.virt import Connection


def disc_of(operation: Operation) -> tuple[Volume, StoragePool] | None:
    """The disc and the pool by which the VM's host has it; None where it was taken away before."""
    seed = Seed.objects.filter(vm=operation.target_id).exclude(volume=None).select_related("volume").first()
    if seed is None or seed.volume is None:
        return None
    pools = StoragePool.objects.filter(storage=seed.volume.storage_id, host=operation.host_id, present=True)
    pool = pools.first()
    if pool is None:
        raise NotFound(seed.volume.name)
    return seed.volume, pool


def delete_disc(connection: Connection, volume: Volume, pool: StoragePool) -> None:
    with contextlib.suppress(NotFound):
        connection.volume(str(pool.uuid), volume.name).delete()
    volume.delete()


def drop(work: Work) -> None:
    found = disc_of(work.operation)
    if found is None:
        return
    volume, pool = found
    domain, medium = work.domain(), f"{pool.name}/{volume.name}"
    if domain.state()[1] is not None:
        drive = domain.live()[0].drive(medium)
        if drive is not None:
            drive.eject()
            work.may_go_on()
            domain.update_live(drive.text, allowed=work.allowed)
            work.log("seed_ejected")

    def without_drive(document: DomainXML) -> None:
        drive = document.drive(medium)
        if drive is not None:
            drive.remove()

    domain.modify(without_drive, allowed=work.allowed)
    work.may_go_on()
    delete_disc(work.connection, volume, pool)
    work.log("seed_deleted", name=volume.name)


def facts(connection: Connection, operation: Operation) -> Facts:
    """Whether the disc is there."""
    found = disc_of(operation)
    if found is None:
        return {"there": False}
    volume, pool = found
    try:
        connection.volume(str(pool.uuid), volume.name).facts()
    except NotFound:
        return {"there": False}
    return {"there": True}


def is_dropped(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["there"] else Verdict.DONE


@dataclass(frozen=True)
class Step:
    """do: what it makes. undo: takes that away on the host and here, or finds nothing of it; by the operation alone,
    since it may be another worker's."""

    name: str
    do: Callable[[Work], None]
    undo: Callable[[Connection, Operation], None]


def write(work: Work) -> None:
    done: list[Step] = []
    try:
        for step in STEPS:
            work.heard()
            work.may_go_on()
            done.append(step)
            step.do(work)
            work.log("step_done", step=step.name)
    except UNCERTAIN:
        # What became of it is asked of the host by whoever ends the operation (mend).
        raise
    except BaseException:
        undo(work.connection, work.operation, done)
        work.log("undone")
        raise
    finish(work.connection, work.operation)


def undo(connection: Connection, operation: Operation, steps: list[Step]) -> None:
    """The last first; what the host refuses to take back is said. Raises HostUnreachable, TimedOut."""
    for step in reversed(steps):
        try:
            step.undo(connection, operation)
        except UNCERTAIN:
            raise
        except VirtError as refused:
            OperationLog.objects.create(
                operation=operation, code="step_left", level=OperationLog.Level.WARNING,
                params={"step": step.name, "why": refused.details},
            )  # fmt: skip


def new_of(operation: Operation) -> tuple[str, StoragePool]:
    """What the new disc is called, and its pool; NotFound where the host has that no more."""
    params = NewSeed.from_json(operation.params)
    return params.name, pool_here(operation, params.pool, params.name)


def old_of(operation: Operation) -> tuple[Volume, StoragePool] | None:
    """The disc in whose place the new one comes; None where there is none, or where that has been done."""
    found, (name, pool) = disc_of(operation), new_of(operation)
    is_new = found is not None and (found[0].name, found[0].storage_id) == (name, pool.storage_id)
    return None if is_new else found


def make_disc(work: Work) -> None:
    """Its answers are for the first card that the VM has by now. Raises NotAllowed, NameTaken."""
    name, pool = new_of(work.operation)
    actor = actor_of(work.operation)
    if actor is None:
        raise NotAllowed(privilege="pool.use")
    require(actor, "pool.use", pool)
    macs = work.domain().next_boot().macs
    write_seed(work, pool, name, actor.user, macs[0] if macs else "")


def unmake_disc(connection: Connection, operation: Operation) -> None:
    params = NewSeed.from_json(operation.params)
    unmake(connection, operation, params.pool, params.name)


def put_in(work: Work) -> None:
    """A drive with the new disc comes and the one with the old goes, in one change of the definition."""
    name, pool = new_of(work.operation)
    swap(work.connection, work.operation, out=old_of(work.operation), into=(name, pool))


def put_back(connection: Connection, operation: Operation) -> None:
    name, pool = new_of(operation)
    old = old_of(operation)
    new = Volume.objects.filter(storage=pool.storage_id, name=name).first()
    if new is not None:
        swap(connection, operation, out=(new, pool), into=(old[0].name, old[1]) if old else None)


def swap(
    connection: Connection, operation: Operation, *, out: tuple[Volume, StoragePool] | None,
    into: tuple[str, StoragePool] | None,
) -> None:  # fmt: skip
    """Both in one change of the definition; none where what is to go in is there already."""

    def edit(document: DomainXML) -> None:
        if into and document.drive(f"{into[1].name}/{into[0]}") is None:
            add_seed(document, into[1].name, into[0])
        drive = document.drive(f"{out[1].name}/{out[0].name}") if out else None
        if drive is not None:
            drive.remove()

    there = {(out[1].name, out[0].name): "raw"} if out else {}
    given = Given(volumes={**there, (into[1].name, into[0]): "raw"} if into else there)
    domain(connection, operation).modify(edit, allowed=allowed(operation), given=given)


def delete_old(connection: Connection, operation: Operation) -> None:
    old = old_of(operation)
    if old:
        delete_disc(connection, *old)


def nothing(connection: Connection, operation: Operation) -> None:
    """It made nothing."""


# In this order; each is undone in the reverse order.
STEPS: Final = (
    Step("disc", make_disc, unmake_disc),
    Step("drive", put_in, put_back),
    Step("old", lambda work: delete_old(work.connection, work.operation), nothing),
)


def finish(connection: Connection, operation: Operation) -> None:
    """The new disc is the VM's from now on, and goes after the boot that comes."""
    params, (name, pool) = NewSeed.from_json(operation.params), new_of(operation)
    row = (
        keep_made(connection, operation, pool.pk, name, 0)
        or Volume.objects.filter(storage=pool.storage_id, name=name).first()
    )
    now = timezone.now()
    Seed.objects.update_or_create(
        vm_id=operation.target_id,
        defaults={
            "volume": row, "by": operation.actor_user, "told": params.told, "keep": params.keep, "made_at": now,
            "look_at": None if params.keep else now + seeds.FIRST_LOOK,
        },
    )  # fmt: skip
    Reservation.objects.filter(operation=operation, resource="disk_bytes").delete()


def drive_facts(connection: Connection, operation: Operation) -> Facts:
    """Whether the new disc is in a drive of the next start."""
    name, pool = new_of(operation)
    drive = domain(connection, operation).next_boot().drive(f"{pool.name}/{name}")
    return {"there": drive is not None}


def mend(connection: Connection, operation: Operation) -> None:
    """What a dead worker did not bring to its end is whole, or as it was."""
    if drive_facts(connection, operation)["there"]:
        try:
            delete_old(connection, operation)
        except UNCERTAIN:
            raise
        except VirtError:
            undo(connection, operation, list(STEPS))
        else:
            finish(connection, operation)
    else:
        undo(connection, operation, list(STEPS))


def is_written(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["there"] else Verdict.UNDONE


WAYS: Final = {
    DROP_SEED.name: Way(drop, facts, is_dropped),
    WRITE_SEED.name: Way(write, drive_facts, is_written, mend=mend),
}
