"""Moving a VM's disk to another pool of its host: which can be, where to, and the operation."""

from __future__ import annotations

from dataclasses import dataclass

from vms.errors import BadFields, MoveRefused, RequestRefused
from vms.kinds.moving import MOVE, MoveDisk
from vms.libvirtxml.shaping import Part
from vms.models import Host, Operation, StoragePool, VirtualMachine, Volume
from vms.permissions import Actor, Who, require, require_all, require_deed
from vms.services import definitions, operations, placing, shaped_with, shaping, snapshots, volumes
from vms.services.shaping import Machine


@dataclass(frozen=True)
class Moving:
    """volume: what the disk is on. pools: where it could go."""

    volume: Volume
    pools: tuple[StoragePool, ...]


def offer(who: Who, there: Machine, of: Part, volume: Volume | None) -> Moving | None:
    """None for a disk that cannot be moved, or nowhere by him. volume: what it is on, where he may see that."""
    try:
        volume = movable(who, there, of, volume)
    except RequestRefused:
        return None
    pools = tuple(pool for pool in placing.usable_pools(who, there.host) if fits(volume, pool))
    return Moving(volume, pools) if pools else None


def fits(volume: Volume, pool: StoragePool) -> bool:
    return pool.storage_id != volume.storage_id and volume.format in volumes.formats(pool)


def movable(who: Who, there: Machine, of: Part, volume: Volume | None) -> Volume:
    """What the disk is on, if it can be moved. Raises MoveRefused, NotAllowed."""
    name = of.key
    if of.sort != "disk" or of.about.get("device", "disk") != "disk":
        raise MoveRefused(name=name, cause="no_disk")
    if volume is None:
        raise MoveRefused(name=name, cause="outside")
    if snapshots.stand_in_the_way(there.vm):
        raise MoveRefused(name=name, cause="snapshots")
    require_deed(who, "attach", volume)
    try:
        volumes.require_served(volume)
    except RequestRefused:
        raise MoveRefused(name=name, cause="not_served") from None
    if volume.vms.exclude(pk=there.vm.pk).exists() or volume.layers.exists():
        raise MoveRefused(name=name, cause="shared")
    if of.element.find("shareable") is not None or of.element.find("readonly") is not None:
        raise MoveRefused(name=name, cause="shared")
    return volume


def ask(
    actor: Actor, vm: VirtualMachine, key: str, pool_id: object, *, idempotency_key: str | None = None
) -> Operation:
    """The operation that moves the disk of that name into the pool: while its VM runs, without a pause of that. Raises
    NotAllowed, MoveRefused, BadFields ("pool"), Http404, and what request raises."""
    require_all(actor, MOVE.privileges, vm)
    if known := operations.asked_with(actor, MOVE, vm.pk, idempotency_key, target=key, pool=pool_id):
        return known
    there = shaping.machine(vm)
    disk = shaping.part_or_404(there, key)
    volume = movable(actor, there, disk, shaping.volume_at(there.host, disk.about.get("source", "")))
    pool = shaped_with.pool_for(actor, there.host, pool_id)
    require(actor, "pool.use", pool)
    if not fits(volume, pool):
        raise BadFields({"pool": "volume_format" if pool.storage_id != volume.storage_id else "move_there"})
    name = name_in(pool, vm, volume)
    return operations.request(
        MOVE, vm, actor=actor,
        params=MoveDisk(key, volume.pk, pool.pk, name, volume.capacity_bytes, volume.format),
        takes={"disk_bytes": volume.capacity_bytes if shaping.is_charged(vm) else 0},
        charged_to=vm.charged_user or vm.charged_group or actor.user, idempotency_key=idempotency_key,
        locks=[operations.named(volume), volumes.name_lock(pool, name)],
    )  # fmt: skip


def name_in(pool: StoragePool, vm: VirtualMachine, volume: Volume) -> str:
    """What it is called already, where that is free there and a name that is made here."""
    taken = Volume.objects.filter(storage=pool.storage_id, name=volume.name).exists()
    if volumes.NAME.fullmatch(volume.name) and not taken:
        return volume.name
    return definitions.disk_name(pool, definitions.clean_name(vm.name), 0, volume.format)


def pool_of(host: Host | None, volume: Volume) -> StoragePool | None:
    """The one by which the host has the volume."""
    return StoragePool.objects.filter(host=host, storage=volume.storage_id, present=True).first()
