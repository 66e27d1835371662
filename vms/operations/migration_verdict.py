"""Where a VM is that was to move to another host: asked of both, and only then mended. It is never let run on where it
was while the other host has it or does not answer (docs/decisions/0134)."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from vms import live
from vms.errors import HostUnreachable, NotFound, RequestRefused, VirtError
from vms.kinds.migration import Migrate
from vms.libvirtxml import BadXML, mask
from vms.models import Host, Operation, OperationLog, Placement, StoragePool, Volume
from vms.operations.jobs import is_to_end
from vms.operations.move_following import numbers
from vms.operations.volumes import counted, take_away
from vms.operations.volumes import keep as keep_volume
from vms.operations.way import Lend, Verdict
from vms.services import history
from vms.services.operations import refuse_silent
from vms.virt import Connection, DomainInfo, Job

logger = logging.getLogger(__name__)

OFF: Final = ("shut_off", "crashed", "saved")
# It runs there, or ran, while a part of its memory is on the source alone: libvirt's words since post-copy began.
TORN: Final = ("postcopy", "postcopy_failed")
# What has come half is taken away by its own host, once that sees that nobody brings the rest.
GOES: Final = 15.0
LOOK: Final = 0.5


@dataclass(frozen=True)
class Seen:
    """What one host says of the VM. info: None where it has none of that UUID. job: of a move, as long as one runs."""

    silent: bool = False
    info: DomainInfo | None = None
    job: Job | None = None

    @property
    def is_coming(self) -> bool:
        """Whether it is only half there: libvirt keeps it once all has come."""
        return self.info is not None and not self.info.persistent

    @property
    def has_it(self) -> bool:
        return self.info is not None and self.info.persistent


def across(operation: Operation, lend: Lend) -> Verdict:
    """The verdict of both hosts. What is left over is taken away, where that is certain. Raises VirtError."""
    target = target_of(operation)
    source = operation.host
    if source is None:
        return Verdict.UNKNOWN
    until = time.monotonic() + GOES
    while True:
        there, here = look(lend, target, operation), look(lend, source, operation)
        if here.job is not None:
            end_if_wished(operation, lend, source)
            return Verdict.GOING
        if not there.is_coming or here.silent or time.monotonic() > until:
            break
        time.sleep(LOOK)
    if there.has_it:
        return arrived(operation, lend, here, there)
    if there.is_coming or here.info is None:
        return Verdict.UNKNOWN
    if there.silent:
        # What runs here runs nowhere else; but what was made there is there still.
        if here.info.state != "running" or wish_of(operation).disks:
            return Verdict.UNKNOWN
        start_with_source(operation, lend, here.info)
        return Verdict.UNDONE
    return stayed_here(operation, lend, here.info)


def wish_of(operation: Operation) -> Migrate:
    return Migrate.from_json(operation.params)


def target_of(operation: Operation) -> Host:
    """Where it goes. Raises NotFound."""
    found = Host.objects.filter(pk=operation.params["host"]).first()
    if found is None:
        raise NotFound(operation.target_name)
    return found


def look(lend: Lend, host: Host, operation: Operation) -> Seen:
    try:
        refuse_silent(host)
        with lend(host) as connection:
            there = connection.domain(operation.before["uuid"])
            # Of what comes the target's libvirt refuses to tell how far it is.
            return Seen(info=there.info(), job=there.job() if host.pk == operation.host_id else None)
    except NotFound:
        return Seen()
    except (VirtError, RequestRefused) as error:
        logger.info("operation %s: %s does not say: %s", operation.pk, host.name, error.details or error.code)
        return Seen(silent=True)


def end_if_wished(operation: Operation, lend: Lend, source: Host) -> None:
    """Of a move that goes on by itself."""
    if is_to_end(operation) and not operation.result.get("postcopy"):
        with suppress(VirtError), lend(source) as connection:
            connection.domain(operation.before["uuid"]).abort_job()


def arrived(operation: Operation, lend: Lend, here: Seen, there: Seen) -> Verdict:
    """The target has it for good."""
    if here.silent or operation.host is None or there.info is None or there.info.state_reason in TORN:
        return Verdict.UNKNOWN
    runs = operation.before["state"] not in OFF
    if here.info is not None:
        rest = here.info.state in OFF or (here.info.state == "paused" and here.info.state_reason == "migration")
        if not rest or (runs and there.info.run_id is None and here.info.run_id is not None):
            return Verdict.UNKNOWN
        # What libvirt does itself, when nobody comes in between.
        with lend(operation.host) as connection:
            left = connection.domain(operation.before["uuid"])
            if here.info.run_id is not None:
                left.force_off()
            if here.info.persistent:
                left.forget(keep_nvram=True)
    with lend(target_of(operation)) as connection:
        settle_in(connection, operation, there.info)
    return Verdict.DONE


def settle_in(connection: Connection, operation: Operation, info: DomainInfo) -> None:
    """Let it be there as it was: its disks, its autostart, its history."""
    wish, there = wish_of(operation), connection.domain(operation.before["uuid"])
    for disk in wish.disks:
        keep_copy(connection, operation, wish, disk)
    if operation.before["autostart"] and not info.autostart:
        there.start_with_host(True)
    # Both hosts are read anew while the rest is written.
    looks = [live.begin_look(host, f"vm:{operation.target_id}") for host in (wish.host, operation.host_id) if host]
    with suppress(BadXML):
        if operation.vm is not None:
            history.keep(operation.vm.pk, wish.host, mask(info.next_boot_xml), operation)
    with suppress(VirtError):
        if job := there.moved():
            operation.result = {**operation.result, **numbers(job), "left_bytes": 0, "seconds_left": 0}
            Operation.objects.filter(pk=operation.pk).update(result=operation.result)
    if not OperationLog.objects.filter(operation=operation, code="migrated").exists():
        log(operation, "migrated", host=target_of(operation).name)
    for begun in looks:
        live.await_look(begun)
    if operation.before.get("since") and operation.before["state"] == info.state:
        # A move is no start.
        there_now = Placement.objects.filter(vm=operation.vm_id, host=wish.host, state=info.state)
        there_now.update(state_since=operation.before["since"])


def keep_copy(connection: Connection, operation: Operation, wish: Migrate, disk: dict[str, object]) -> None:
    """A volume that was made there is the VM's, as what it was copied from was; that stays, attached to nothing."""
    pool = StoragePool.objects.filter(pk=wish.pool).first()
    row = incomplete(pool, disk)
    if pool is None or row is None:
        return
    pooled = connection.pool(str(pool.uuid))
    pooled.refresh()
    size = int(str(disk["size_bytes"]))
    keep_volume(row, connection.volume(str(pool.uuid), row.name).facts(), row.format, capacity=size)
    counted(operation, size)
    old = Volume.objects.filter(pk=str(disk["volume"])).first()
    Volume.objects.filter(pk=row.pk).update(owner=old.owner if old else None)
    if old:
        log(operation, "volume_kept", name=old.name)


def incomplete(pool: StoragePool | None, disk: dict[str, object]) -> Volume | None:
    """The row of what was made for that disk, until it is decided what becomes of it."""
    if pool is None:
        return None
    return Volume.objects.filter(
        storage=pool.storage_id, name=str(disk["name"]), state=Volume.State.INCOMPLETE
    ).first()  # fmt: skip


def stayed_here(operation: Operation, lend: Lend, info: DomainInfo) -> Verdict:
    """The target answers and has nothing of it: it is here alone, and runs on where it ran."""
    if operation.host is None:
        return Verdict.UNKNOWN
    stands = info.state == "paused" and operation.before["state"] != "paused"
    ours = info.state_reason == "migration" or (info.state_reason == "user" and operation.result.get("paused"))
    if stands and operation.result.get("postcopy"):
        # It ran there, and what it wrote there is not in this memory.
        return Verdict.UNKNOWN
    if stands and ours:
        with lend(operation.host) as connection:
            connection.domain(operation.before["uuid"]).resume()
        log(operation, "resumed_here", host=target_of(operation).name)
    start_with_source(operation, lend, info)
    unmake(operation, lend)
    return Verdict.UNDONE


def start_with_source(operation: Operation, lend: Lend, info: DomainInfo) -> None:
    """Let its host start it when the host itself starts, as before the move."""
    if operation.host and operation.before["autostart"] and not info.autostart:
        with lend(operation.host) as connection:
            connection.domain(operation.before["uuid"]).start_with_host(True)
        log(operation, "autostart_back")


def unmake(operation: Operation, lend: Lend) -> None:
    """Take away what was made there. Raises VirtError."""
    wish = wish_of(operation)
    pool = StoragePool.objects.filter(pk=wish.pool).first()
    left = [row for disk in wish.disks if (row := incomplete(pool, disk))]
    if pool is None or not left:
        return
    try:
        refuse_silent(target_of(operation))
    except RequestRefused as refused:
        raise HostUnreachable(refused.code) from None
    with lend(target_of(operation)) as connection:
        for row in left:
            take_away(connection, pool, row)
            log(operation, "volume_taken_away", name=row.name)


def log(operation: Operation, code: str, **params: str) -> None:
    OperationLog.objects.create(operation=operation, code=code, params=params)
