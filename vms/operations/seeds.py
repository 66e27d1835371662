"""The disc of the first boot: out of the drive, the drive out of the next start's definition, and then deleted."""

from __future__ import annotations

import contextlib
from typing import Final

from vms.errors import NotFound
from vms.kinds.seeds import DROP_SEED
from vms.libvirtxml import DomainXML
from vms.models import Operation, Seed, StoragePool, Volume
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work
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
    with contextlib.suppress(NotFound):
        work.connection.volume(str(pool.uuid), volume.name).delete()
    work.log("seed_deleted", name=volume.name)
    volume.delete()


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


WAYS: Final = {DROP_SEED.name: Way(drop, facts, is_dropped)}
