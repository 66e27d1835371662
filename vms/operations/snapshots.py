"""Snapshots: taken, gone back to, let go of, called otherwise; and layers ended. What the rules say by the rows is
asked once more of the host itself before anything is done."""

from __future__ import annotations

import time
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from django.db import IntegrityError

from vms import live
from vms.errors import Aborted, BadScreen, HostRefused, InvalidState, NameTaken, NotAllowed, NotFound, VirtError
from vms.inventory import rows
from vms.inventory.pictures import MOST_BYTES, made_anew
from vms.kinds import snapshots as kinds
from vms.kinds.privileges import PRIVILEGES
from vms.libvirtxml import ground, snapshot_document
from vms.models import Document, Operation, Snapshot, SnapshotPicture, StoragePool, VirtualMachine, Volume
from vms.operations.jobs import followed, is_to_end, tell
from vms.operations.power import refuse_start
from vms.operations.volumes import actor_of, pool_here
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, domain
from vms.permissions import held
from vms.services import snapshot_facts
from vms.services import snapshot_rules as rules
from vms.services import snapshots as services
from vms.virt import Connection, Domain, Job, cut_after

# So long a screen may take to be drawn.
LONGEST_PICTURE: Final = 10.0
LOOK: Final = 0.5


def vm_of(operation: Operation) -> VirtualMachine:
    if operation.vm is None:
        raise NotFound(operation.target_name)
    return operation.vm


def look(work: Work) -> snapshot_facts.There:
    """What the rules judge, as the host tells it in this moment."""
    there, info = snapshot_facts.look(vm_of(work.operation)), work.domain().info()
    read = rows.read(info, "")
    placement = copy(there.placement)
    placement.state = info.state
    found = tuple(Snapshot(**one) for one in read.snapshots)
    return replace(there, placement=placement, document=Document(**read.document), snapshots=found)


def take(work: Work) -> None:
    operation = work.operation
    wish = kinds.TakeSnapshot.from_json(operation.params)
    there = look(work)
    if there.machine.named(wish.name) is not None:
        raise NameTaken(name=wish.name)
    keep(work, there, wish)


def keep(work: Work, there: snapshot_facts.There, wish: kinds.TakeSnapshot) -> None:
    """Take one. Raises SnapshotRefused where the host says by now what stands against it."""
    machine = there.machine
    services.refuse(there.vm, rules.choose(machine, memory=wish.memory, kind=wish.kind))
    kind = wish.kind or "internal"
    paths, pools = places(work, there, wish) if kind == "external" else ({}, [])
    written = {disk.target for disk in machine.disks}
    disks = {disk.target: kind if disk.target in written else "no" for disk in there.ground.disks if disk.target}
    text = snapshot_document(wish.name, wish.description, disks, paths, memory=wish.memory)
    shot = picture(work) if machine.runs else None
    work.may_go_on()
    with followed(work):
        work.domain().take_snapshot(text, disks_only=kind == "external", quiesce=wish.quiesce)
    work.operation.before["seen"] = not work.operation.params.get("keep")
    work.log("snapshot_taken", name=wish.name)
    if shot:
        remember(work, wish.name, shot)
    refresh(work, pools)


def places(
    work: Work, there: snapshot_facts.There, wish: kinds.TakeSnapshot
) -> tuple[dict[str, str], list[StoragePool]]:  # fmt: skip
    """The paths of the layers, by the names that we gave them in the pools of the disks: nothing is there yet."""
    paths, pools = {}, {}
    for disk in there.machine.disks:
        pk, name = wish.layers.get(disk.target, (0, ""))
        pool = pool_here(work.operation, int(pk), str(name))
        if not pool.path or "/" in name:
            raise NotFound(disk.target)
        try:
            work.connection.volume(str(pool.uuid), name).facts()
        except NotFound:
            paths[disk.target], pools[pool.pk] = f"{pool.path.rstrip('/')}/{name}", pool
        else:
            raise NameTaken(name=name)
    return paths, list(pools.values())


def picture(work: Work) -> bytes | None:
    """What stands on its screen, as PNG; None where nobody draws it in time."""
    try:
        with work.beside() as connection, cut_after(connection, LONGEST_PICTURE):
            return made_anew(domain(connection, work.operation).screenshot(MOST_BYTES))
    except (VirtError, BadScreen):
        return None


def remember(work: Work, name: str, png: bytes) -> None:
    found = next((one for one in work.domain().snapshots() if one.name == name), None)
    if found is None or found.told is None or found.told.taken_at is None:
        return
    at = datetime.fromtimestamp(found.told.taken_at, UTC)
    SnapshotPicture.objects.get_or_create(vm=vm_of(work.operation), name=name, taken_at=at, defaults={"png": png})


def refresh(work: Work, pools: list[StoragePool]) -> None:
    """Let the rows follow what came into pools or left them."""
    for pool in pools:
        work.connection.pool(str(pool.uuid)).refresh()
        live.look(pool.host_id, f"pool:{pool.pk}")


def pools_of(there: snapshot_facts.There) -> list[StoragePool]:
    found = {pool.pk: pool for row in there.known.values() if (pool := there.pool_of(row))}
    return list(found.values())


def facts(connection: Connection, operation: Operation) -> Facts:
    """Which snapshots it has, where it stands among them, and whether the host is at work."""
    there = domain(connection, operation)
    state, run_id = there.state()
    found = {one.name: one.told for one in there.snapshots()}
    to = operation.params.get("to", "")
    return {
        "state": state,
        "run_id": run_id,
        "names": sorted(found),
        "current": there.current_snapshot(),
        "told": told.description if (told := found.get(to)) else None,
        "busy": there.is_busy(),
        "wanted": operation.params.get("name", ""),
        "keep": operation.params.get("keep", ""),
        "to": to,
        "description": operation.params.get("description", ""),
    }


def is_taken(before: Facts, now: Facts) -> Verdict:
    """It is among the others as soon as the host begins with it."""
    if now["busy"] and not before.get("seen"):
        return Verdict.GOING
    return Verdict.DONE if now["wanted"] in now["names"] and now["wanted"] not in before["names"] else Verdict.UNDONE


def revert(work: Work) -> None:
    operation = work.operation
    wish = kinds.Revert.from_json(operation.params)
    refuse_start(operation)
    there = look(work)
    services.refuse(there.vm, rules.revert(there.machine, wish.name))
    if wish.keep:
        if there.machine.named(wish.keep) is not None:
            raise NameTaken(name=wish.keep)
        first = kinds.TakeSnapshot(
            wish.keep, memory=wish.keep_memory, kind=wish.keep_kind or "internal", layers=wish.layers
        )
        keep(work, there, first)
        there = look(work)
        services.refuse(there.vm, rules.revert(there.machine, wish.name))
    allowed = allowed_for(operation, wish)
    work.may_go_on()
    work.domain().revert(wish.name, allowed=allowed, given=services.own(actor_of(operation), there))
    # Where it stood there already, the evidence would not say so.
    operation.before["seen"] = True
    refresh(work, pools_of(there) if any(one.kind != "internal" for one in there.machine.snapshots) else [])


def allowed_for(operation: Operation, wish: kinds.Revert) -> frozenset[str]:
    """What its actor holds now; of what equals root only what he was asked for."""
    actor = actor_of(operation)
    if actor is None:
        raise NotAllowed(privilege=kinds.REVERT.privileges[0])
    holds = held(actor, operation.vm)
    return frozenset(name for name in holds if name in wish.needs or not PRIVILEGES[name].root)


def is_reverted(before: Facts, now: Facts) -> Verdict:
    if before.get("seen"):
        return Verdict.DONE
    if now["busy"]:
        return Verdict.GOING
    if now["current"] != now["wanted"]:
        return Verdict.UNDONE
    if before["current"] != now["wanted"] or (now["keep"] and now["keep"] in now["names"]):
        return Verdict.DONE
    if now["run_id"] != before["run_id"]:
        return Verdict.DONE
    # What was off and stood there already looks the same before and afterwards.
    return Verdict.UNKNOWN


def delete(work: Work) -> None:
    operation = work.operation
    wish = kinds.Delete.from_json(operation.params)
    there = look(work)
    machine = there.machine
    services.refuse(there.vm, rules.delete(machine, wish.name, children=wish.children))
    targets = [disk.target for disk in machine.disks]
    chosen = machine.branch(wish.name) if wish.children else [machine.named(wish.name)]
    for one in chosen:
        if one is None:
            continue
        work.may_go_on()
        with followed(work, lambda domain: merging(domain, targets)):
            work.domain().drop_snapshot(one.name)
        SnapshotPicture.objects.filter(vm=operation.vm, name=one.name).delete()
        work.log("snapshot_deleted", name=one.name)
    operation.before["seen"] = True
    gone = [kept.layer for one in chosen if one for kept in one.disks if kept.how == "external"]
    if gone:
        refresh(work, pools_of(there))
        forget(work, there, [row for place, row in there.known.items() if place in gone])


def forget(work: Work, there: snapshot_facts.There, merged: list[Volume]) -> None:
    """The rows of layers that libvirt has taken away lie over nothing any more."""
    for row in merged:
        pool = there.pool_of(row)
        try:
            if pool:
                work.connection.volume(str(pool.uuid), row.name).facts()
        except NotFound:
            Volume.objects.filter(pk=row.pk).delete()


def merging(there: Domain, targets: list[str]) -> Job | None:
    """How far the layers of its disks are merged; None while none are."""
    found = [job for target in targets if (job := there.mirror_job(target))]
    return Job(sum(job.done for job in found), sum(job.left for job in found)) if found else None


def is_deleted(before: Facts, now: Facts) -> Verdict:
    """What came from it goes before it."""
    if now["busy"] and not before.get("seen"):
        return Verdict.GOING
    return Verdict.UNDONE if now["wanted"] in now["names"] else Verdict.DONE


def rename(work: Work) -> None:
    operation = work.operation
    wish = kinds.Rename.from_json(operation.params)
    there = look(work)
    if wish.to != wish.name:
        services.refuse(there.vm, rules.rename(there.machine, wish.name))
        if there.machine.named(wish.to) is not None:
            raise NameTaken(name=wish.to)
    work.may_go_on()
    work.domain().describe_snapshot(wish.name, to=wish.to, description=wish.description)
    pictures = SnapshotPicture.objects.filter(vm=operation.vm, name=wish.name)
    try:
        pictures.update(name=wish.to)
    except IntegrityError:
        pictures.delete()


def is_renamed(before: Facts, now: Facts) -> Verdict:
    gone = now["to"] == now["wanted"] or now["wanted"] not in now["names"]
    return Verdict.DONE if gone and now["told"] == now["description"] else Verdict.UNDONE


def flatten(work: Work) -> None:
    """Its own QEMU writes what lies under its disks into them. Raises Aborted where somebody wanted its end: what is
    written by then stays, and nothing is another."""
    operation = work.operation
    there = look(work)
    services.refuse(there.vm, rules.flatten(there.machine))
    vm = work.domain()
    for target in kinds.Flatten.from_json(operation.params).targets:
        disk = there.machine.disk(target)
        if disk is None or not disk.chain:
            continue
        work.may_go_on()
        vm.begin_flatten(target)
        work.log("flatten_begun", disk=target)
        while job := vm.mirror_job(target):
            work.heard()
            if is_to_end(operation):
                vm.end_mirror(target, go_over=False)
                raise Aborted
            tell(operation, job)
            time.sleep(LOOK)
        if target in layered(vm):
            raise HostRefused(target)
    refresh(work, pools_of(there))


def layered(vm: Domain) -> list[str]:
    """The disks of this run under which something lies."""
    try:
        document, _ = vm.live()
    except InvalidState:
        return []
    return sorted(disk.target for disk in ground(document).disks if disk.below and disk.writable)


def flatten_facts(connection: Connection, operation: Operation) -> Facts:
    there = domain(connection, operation)
    _, run_id = there.state()
    targets = [target for target in operation.params["targets"] if run_id is not None]
    return {
        "run_id": run_id,
        "layered": [target for target in layered(there) if target in targets],
        "busy": any(there.mirror_job(target) for target in targets),
    }


def is_flat(before: Facts, now: Facts) -> Verdict:
    if now["run_id"] is None:
        return Verdict.UNKNOWN
    if now["busy"]:
        return Verdict.GOING
    return Verdict.UNDONE if now["layered"] else Verdict.DONE


WAYS: Final = {
    kinds.SNAPSHOT.name: Way(take, facts, is_taken),
    kinds.REVERT.name: Way(revert, facts, is_reverted),
    kinds.DELETE.name: Way(delete, facts, is_deleted),
    kinds.RENAME.name: Way(rename, facts, is_renamed),
    kinds.FLATTEN.name: Way(flatten, flatten_facts, is_flat),
}
