"""Dumping a VM's memory. libvirt opens the file by its path, as root, and follows a link there, so it is a file that it
made itself just before, in a folder in which nobody else writes (docs/decisions/0123)."""

from __future__ import annotations

from typing import Final

from vms.errors import Aborted, FolderOpen, NotAllowed
from vms.kinds import dump as kinds
from vms.kinds.dump import Dump
from vms.models import Operation, StoragePool
from vms.operations import volumes
from vms.operations.jobs import followed, is_to_end
from vms.operations.power import is_busy
from vms.operations.volumes import actor_of, being_made, keep, make_empty, pool_here
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work
from vms.permissions import require
from vms.virt import Connection


def params_of(operation: Operation) -> Dump:
    return Dump.from_json(operation.params)


def target_pool(operation: Operation) -> StoragePool:
    """NotFound where the host has it no more."""
    wish = params_of(operation)
    return pool_here(operation, wish.pool, wish.name)


def do(work: Work) -> None:
    """Raises FolderOpen; Aborted where somebody wanted its end, which comes when it is written: its host stops it for
    nobody."""
    operation, wish, pool = work.operation, params_of(work.operation), target_pool(work.operation)
    actor = actor_of(operation)
    if actor is None:
        raise NotAllowed(privilege=kinds.DUMP.privileges[0])
    require(actor, "pool.use", pool)
    there = work.connection.pool(str(pool.uuid))
    there.refresh()
    if not pool.storage.trusted and not there.is_closed():
        raise FolderOpen(name=pool.name)
    with being_made(work, pool) as row:
        path = make_empty(work, pool, wish.name, wish.size_bytes, "raw").facts().path
        work.may_go_on()
        if is_to_end(operation):
            raise Aborted
        with followed(work, may_end=False):
            work.domain().dump(path)
        if is_to_end(operation):
            raise Aborted
        # The host learns what came into the volume when it looks through the pool.
        there.refresh()
        facts = work.connection.volume(str(pool.uuid), wish.name).facts()
        work.log("dumped", name=wish.name)
        keep(row, facts, "raw", of=operation)


def facts(connection: Connection, operation: Operation) -> Facts:
    """Whether the host has it, whether it is whole, and whether the host is still at it."""
    made = volumes.made(connection, target_pool(operation), params_of(operation).name)
    return {**made, "busy": is_busy(connection, operation)}


def is_dumped(before: Facts, now: Facts) -> Verdict:
    """A dump goes on to its end without whoever asked for it; nobody knows then whether it is whole."""
    if now["busy"] and not now["ready"]:
        return Verdict.GOING
    return volumes.is_made(before, now)


def mend(connection: Connection, operation: Operation) -> None:
    """Nothing is left of what a dead worker did not end, once the host has ended it."""
    if not is_busy(connection, operation):
        volumes.mend(connection, operation, target_pool(operation))


WAYS: Final = {kinds.DUMP.name: Way(do, facts, is_dumped, mend=mend)}
