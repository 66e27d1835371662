"""Deleting a VM, step by step (vms.kinds.trash.STEPS).

Into the trash: forced off, its autostart off, its row marked; the host keeps all of it. For good: what it has is
compared with what was told, the row is marked with the volumes that go, the host forgets it, the volumes are deleted
one by one, the identity ends. Before the host has forgotten it everything is there still, and a dead worker's mark is
taken off; from then on whoever finds the mark goes on to the end (docs/decisions/0075).
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from vms import live
from vms.errors import BelongingsChanged, NotFound, RequestRefused, VirtError, VmsError
from vms.kinds import trash as kinds
from vms.libvirtxml import BadXML, DomainXML, sources
from vms.libvirtxml import belongings as belongings_of
from vms.models import (
    Grant,
    LastScreen,
    Operation,
    OperationLog,
    StoragePool,
    Template,
    Trashed,
    VirtualMachine,
    Volume,
)
from vms.operations.volumes import actor_of
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, domain
from vms.services import belongings
from vms.services.operations import pool_of
from vms.services.trash import days
from vms.virt import Connection, DomainInfo

RUNS: Final = frozenset(belongings.RUNS)


def vm_of(operation: Operation) -> VirtualMachine:
    """The row as it is now; NotFound where it is no more."""
    vm = VirtualMachine.objects.filter(pk=operation.target_id).select_related("placement").first()
    if vm is None:
        raise NotFound(operation.target_name)
    return vm


def log(operation: Operation, code: str, **params: str) -> None:
    OperationLog.objects.create(operation=operation, code=code, params=params)


def facts(connection: Connection, operation: Operation) -> Facts:
    """Whether the host has it, and how; whether it is in the trash, or has ended here."""
    vm = vm_of(operation)
    trash = Trashed.objects.filter(vm=vm).first()
    try:
        info = domain(connection, operation).info()
        there: dict[str, Any] = {"there": True, "state": info.state, "autostart": info.autostart}
    except NotFound:
        there = {"there": False, "state": "gone", "autostart": False}
    return {
        **there,
        "trashed": vm.trashed_at is not None,
        "purging": bool(trash and trash.purging),
        "ended": vm.deleted_at is not None,
    }


def move_to_trash(work: Work) -> None:
    operation = work.operation
    compare(work, work.domain().info())
    try:
        force_off(work)
        if operation.before["autostart"]:
            work.domain().start_with_host(False)
        work.may_go_on()
        mark(operation, autostart=operation.before["autostart"], volumes=operation.params["volumes"])
    except VirtError:
        with contextlib.suppress(VirtError):
            mend_trash(work.connection, operation)
        raise
    log(operation, kinds.MARKED)


def mark(operation: Operation, *, autostart: bool, volumes: list[int]) -> None:
    """From now on it is in the trash."""
    with transaction.atomic():
        put_away(operation, autostart=autostart, volumes=volumes)
        tell(operation)


def put_away(operation: Operation, *, autostart: bool, volumes: list[int]) -> Trashed:
    VirtualMachine.objects.filter(pk=operation.target_id, trashed_at=None).update(trashed_at=Now())
    made, _ = Trashed.objects.get_or_create(
        vm_id=operation.target_id,
        defaults={
            "by": operation.actor_user,
            "by_name": operation.actor_name,
            "purge_at": timezone.now() + timedelta(days=days()),
            "volumes": volumes,
            "autostart": autostart,
        },
    )
    return made


def tell(operation: Operation) -> None:
    """Whoever sees VMs sees one more or one less."""
    live.announce(["vms:*", f"vm:{operation.target_id}", live.ACCESS])


def mend_trash(connection: Connection, operation: Operation) -> None:
    """It starts with its host again where it did, as long as it is not in the trash."""
    if vm_of(operation).trashed_at is None and operation.before.get("autostart"):
        there = domain(connection, operation)
        if not there.starts_with_host():
            there.start_with_host(True)
            log(operation, "autostart_back")


def is_trashed(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["trashed"] else Verdict.UNDONE


def put_back(work: Work) -> None:
    trash = Trashed.objects.filter(vm=work.operation.target_id).first()
    if trash is None:
        raise NotFound(work.operation.target_name)
    there = work.domain()
    if trash.autostart:
        there.start_with_host(True)
    take_out(work.operation)


def take_out(operation: Operation) -> None:
    """From now on it is where it was."""
    with transaction.atomic():
        VirtualMachine.objects.filter(pk=operation.target_id).update(trashed_at=None)
        Trashed.objects.filter(vm=operation.target_id).delete()
        tell(operation)


def mend_back(connection: Connection, operation: Operation) -> None:
    """What is in the trash still starts with no host."""
    if vm_of(operation).trashed_at is not None and domain(connection, operation).starts_with_host():
        domain(connection, operation).start_with_host(False)


def is_back(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["trashed"] else Verdict.DONE


def delete(work: Work) -> None:
    """What stands in the way of it is told in the trash, where it is there."""
    try:
        delete_in_steps(work)
    except (RequestRefused, VirtError) as error:
        Trashed.objects.filter(vm=work.operation.target_id).update(why=error.code, params=error.params)
        raise


def delete_in_steps(work: Work) -> None:
    operation, before = work.operation, work.operation.before
    if before["purging"] and not before["there"]:
        keep_unticked(operation)
        finish(work.connection, operation)
        return
    info = work.domain().info() if before["there"] else None
    compare(work, info)
    keep_nvram = bool(info and is_nvram_shared(work.connection, info))
    mark_for_good(operation, autostart=before["autostart"])
    log(operation, kinds.MARKED)
    try:
        work.may_go_on()
        if info:
            force_off(work)
            if info.persistent:
                work.domain().forget(keep_nvram=keep_nvram)
    except VmsError:
        with contextlib.suppress(VirtError):
            mend_mark(work.connection, operation)
        raise
    log(operation, kinds.FORGOTTEN)
    finish(work.connection, operation)


def keep_unticked(operation: Operation) -> None:
    """Of what is left only that goes which is ticked still."""
    trash = Trashed.objects.get(vm=operation.target_id)
    trash.left = [one for one in trash.left if one[0] in operation.params["volumes"]]
    trash.save(update_fields=["left"])


def force_off(work: Work) -> None:
    there = work.domain()
    if there.state()[0] in RUNS:
        work.may_go_on()
        there.force_off()
        log(work.operation, kinds.OFF)


def compare(work: Work, info: DomainInfo | None) -> None:
    """Nothing, or BelongingsChanged: by its host's word, and by the rows of this moment, all that goes is what was
    told, and no volume is needed by anything else."""
    operation = work.operation
    now = told_by(info) if info else belongings.GONE
    wrong = belongings.differences(operation.params["told"], now)
    rows = Volume.objects.filter(pk__in=operation.params["volumes"])
    found = belongings.find(actor_of(operation), vm_of(operation))
    if not set(operation.params["volumes"]) <= set(found.volumes):
        wrong.append("volumes")
    if needed := {row.name for row in rows} & named_by_others(work.connection, operation, list(rows)):
        wrong += sorted(needed)
    if wrong:
        log(operation, "belongings_differ", what=", ".join(wrong))
        if operation.host_id:
            live.look(operation.host_id, f"vm:{operation.target_id}")
        raise BelongingsChanged(name=operation.target_name)
    log(operation, kinds.COMPARED)


def told_by(info: DomainInfo) -> belongings.Told:
    own = belongings_of(belongings.parsed(info.live_xml, info.next_boot_xml))
    return belongings.tell(
        own, runs=info.state in RUNS, saved=info.has_managed_save,
        snapshots=[one.name for one in info.snapshots], checkpoints=info.checkpoints,
    )  # fmt: skip


def others(connection: Connection, operation: Operation) -> set[tuple[str, str]]:
    """(how, where) of all that the host's other domains name."""
    placement = vm_of(operation).placement
    mine = str(placement.uuid) if placement else ""
    found: set[tuple[str, str]] = set()
    for info in connection.domains():
        if info.uuid == mine:
            continue
        found |= {(source[0], source[1]) for one in info.snapshots for source in one.sources}
        for text in filter(None, (info.live_xml, info.next_boot_xml)):
            with contextlib.suppress(BadXML):
                found |= {(how, where) for how, where, _ in sources(DomainXML.parse(text))}
    return found


def named_by_others(connection: Connection, operation: Operation, rows: list[Volume]) -> set[str]:
    """The names of those of the volumes that another domain of the host names in this moment."""
    if not rows:
        return set()
    pools = list(StoragePool.objects.filter(host=operation.host_id, present=True))
    named = others(connection, operation)
    return {row.name for row in rows if belongings.named(row, pools, named)}


def is_nvram_shared(connection: Connection, info: DomainInfo) -> bool:
    """Whether another domain names the same file of variables."""
    own = belongings_of(belongings.parsed(info.live_xml, info.next_boot_xml))
    if not own.nvram:
        return False
    return any(
        ["path", own.nvram] == source[:2]
        for other in connection.domains()
        if other.uuid != info.uuid
        for document in belongings.parsed(other.live_xml, other.next_boot_xml)
        for source in sources(document)
    )


def mark_for_good(operation: Operation, *, autostart: bool) -> None:
    """From now on whoever finds the VM forgotten by its host deletes what is left of it."""
    rows = {row.pk: row for row in Volume.objects.filter(pk__in=operation.params["volumes"])}
    # A layer before what it lies over.
    order = sorted(rows, key=lambda pk: -depth(rows[pk]))
    left = [[pk, str(pool_of(rows[pk]).uuid), rows[pk].name, rows[pk].path] for pk in order]
    with transaction.atomic():
        trash = put_away(operation, autostart=autostart, volumes=operation.params["volumes"])
        Trashed.objects.filter(pk=trash.pk).update(purging=True, left=left)
        tell(operation)


def depth(volume: Volume) -> int:
    """Over how many others it lies."""
    seen = {volume.pk}
    below = volume.backing_id
    while below and below not in seen:
        seen.add(below)
        below = Volume.objects.filter(pk=below).values_list("backing_id", flat=True).first()
    return len(seen)


def finish(connection: Connection, operation: Operation) -> None:
    """Delete the volumes that are left, and end the identity."""
    trash = Trashed.objects.get(vm=operation.target_id)
    for entry in list(trash.left):
        delete_volume(connection, operation, *entry)
        trash.left = [one for one in trash.left if one[0] != entry[0]]
        trash.save(update_fields=["left"])
    if operation.host_id:
        # What its watcher has read of it before is stored by then; later it would be taken for a new VM.
        live.look(operation.host_id, f"vm:{operation.target_id}")
    with transaction.atomic():
        VirtualMachine.objects.filter(pk=operation.target_id).update(deleted_at=Now())
        Trashed.objects.filter(vm=operation.target_id).delete()
        Grant.objects.filter(vm=operation.target_id).delete()
        Template.objects.filter(vm=operation.target_id).delete()
        LastScreen.objects.filter(vm=operation.target_id).delete()
        tell(operation)


def delete_volume(connection: Connection, operation: Operation, pk: int, pool: str, name: str, path: str) -> None:
    """Delete it where it is there still and nothing has come to need it since."""
    row = Volume.objects.filter(pk=pk).first()
    needed = row and (
        row.vms.exclude(pk=operation.target_id).exists()
        or row.layers.exists()
        or bool(named_by_others(connection, operation, [row]))
    )
    if needed:
        log(operation, "volume_left", name=name)
        return
    with contextlib.suppress(NotFound):
        connection.volume(pool, name).delete()
    if row:
        row.delete()
    live.announce([f"volume:{pk}"])
    log(operation, kinds.VOLUME, name=name)


def mend(connection: Connection, operation: Operation) -> None:
    """Go on to the end where the host has forgotten it; else take the mark off."""
    now = facts(connection, operation)
    if now["ended"] or not now["purging"]:
        return
    if now["there"]:
        mend_mark(connection, operation)
    else:
        finish(connection, operation)


def mend_mark(connection: Connection, operation: Operation) -> None:
    """The VM is there, so it is where it was: in the trash, or not."""
    if not facts(connection, operation)["there"]:
        return
    if operation.before["trashed"]:
        Trashed.objects.filter(vm=operation.target_id).update(purging=False, left=[])
        tell(operation)
    else:
        take_out(operation)


def is_deleted(before: Facts, now: Facts) -> Verdict:
    if now["ended"]:
        return Verdict.DONE
    return Verdict.UNDONE if now["there"] == before["there"] else Verdict.UNKNOWN


WAYS: Final = {
    kinds.TRASH.name: Way(move_to_trash, facts, is_trashed, mend=mend_trash),
    kinds.PUT_BACK.name: Way(put_back, facts, is_back, mend=mend_back),
    kinds.DELETE.name: Way(delete, facts, is_deleted, mend=mend),
}
