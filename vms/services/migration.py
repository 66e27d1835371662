"""Moving a VM to another host: what must be so before a worker is asked to, and the operation."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from django.http import Http404

from vms.errors import BadFields, MigrationRefused, WrongState
from vms.kinds.migration import ENDS, MIGRATE, MODES, Migrate
from vms.libvirtxml import How, disk_at
from vms.models import Host, Operation, Placement, StoragePool, VirtualMachine, Volume
from vms.permissions import Actor, require, require_all
from vms.services import operations, placement, shaped_with, shaping, volumes
from vms.services.move_routes import route
from vms.services.moving import name_in

OFF = frozenset({"shut_off", "crashed"})
MOST_MIB = 1 << 20
LONGEST = 7 * 24 * 3600


def ask(
    actor: Actor, vm: VirtualMachine, host: Host, wish: Migrate, *, parent: Operation | None = None,
    idempotency_key: str | None = None,
) -> Operation:  # fmt: skip
    """The operation that moves the VM to the host. Raises NotAllowed (vm.migrate on the VM, host.use on the host,
    pool.use on a pool that is copied into), Http404, BadFields, MigrationRefused, CannotMove, WrongState, HostSilent,
    and what request raises."""
    require_all(actor, MIGRATE.privileges, vm)
    if known := operations.asked_with(actor, MIGRATE, vm.pk, idempotency_key, **asked(host, wish)):
        return known
    require(actor, "host.use", host)
    there = operations.check_placement(MIGRATE, vm)
    check(wish)
    refuse(vm, there, host, wish)
    operations.refuse_silent(host)
    placement.refuse(actor, vm, host, wish)
    pool = shaped_with.pool_for(actor, host, wish.pool) if wish.copy_storage else None
    if pool:
        require(actor, "pool.use", pool)
    disks = copied(vm, there.host, host, pool, wish) if pool else []
    size = sum(disk["size_bytes"] for disk in disks)
    return operations.request(
        MIGRATE, vm, actor=actor, params=replace(wish, host=host.pk, disks=disks), parent=parent,
        takes={"disk_bytes": size if shaping.is_charged(vm) else 0},
        charged_to=vm.charged_user or vm.charged_group or actor.user, idempotency_key=idempotency_key,
        locks=[f"volume:{disk['volume']}" for disk in disks]
        + [volumes.name_lock(pool, disk["name"]) for disk in disks if pool],
    )  # fmt: skip


def asked(host: Host, wish: Migrate) -> dict[str, Any]:
    """What of the parameters somebody asks for."""
    return {**{name: value for name, value in asdict(wish).items() if name != "disks"}, "host": host.pk}


def check(wish: Migrate) -> None:
    """BadFields names the parameters that are none."""
    bad = {}
    if wish.mode not in MODES:
        bad["mode"] = "choice"
    if wish.on_timeout not in ENDS:
        bad["on_timeout"] = "choice"
    if not 0 <= wish.bandwidth_mib <= MOST_MIB:
        bad["bandwidth_mib"] = "number"
    if not 0 <= wish.timeout_s <= LONGEST:
        bad["timeout_s"] = "number"
    if wish.on_timeout == "postcopy" and wish.timeout_s and not wish.postcopy:
        bad["on_timeout"] = "choice"
    if bad:
        raise BadFields(bad)


def refuse(vm: VirtualMachine, placement: Placement, host: Host, wish: Migrate) -> None:
    """MigrationRefused, or WrongState where its state is not the mode's."""
    cause = ""
    if host.pk == placement.host_id:
        cause = "here"
    elif host.removed_at or host.left_alone:
        raise Http404
    elif (host.driver, placement.host.driver) != (Host.Driver.QEMU, Host.Driver.QEMU):
        cause = "driver"
    elif (wish.mode == "offline") != (placement.state in OFF):
        raise WrongState(name=vm.name, state=placement.state)
    elif wish.copy_storage and not route(placement.host, host).is_private:
        cause = "clear_copy"
    elif wish.copy_storage and wish.postcopy:
        cause = "postcopy_copy"
    if cause:
        raise MigrationRefused(name=vm.name, host=host.name, cause=cause)


def copied(vm: VirtualMachine, source: Host, host: Host, pool: StoragePool, wish: Migrate) -> list[dict[str, Any]]:
    """What of its disks the host does not reach, as it is to be there. Raises MigrationRefused, BadFields."""
    there = shaping.machine(vm)
    document = there.live or there.next
    found: list[dict[str, Any]] = []
    for volume in vm.volumes.select_related("storage").order_by("pk"):
        target = disk_at(document, places(volume, source))
        if target is None or reached(volume, host):
            continue
        if volume.format not in volumes.formats(pool):
            raise BadFields({"pool": "volume_format"})
        if volume.layers.exists() or volume.vms.exclude(pk=vm.pk).exists():
            raise MigrationRefused(name=vm.name, host=host.name, cause="shared_disk")
        if wish.mode == "offline" and volume.backing_path:
            raise MigrationRefused(name=vm.name, host=host.name, cause="layered")
        volumes.require_served(volume)
        found.append(
            {
                "target": target, "volume": volume.pk, "name": name_in(pool, vm, volume), "format": volume.format,
                "size_bytes": volume.capacity_bytes,
            }
        )  # fmt: skip
    return found


def reached(volume: Volume, host: Host) -> bool:
    """Whether the host has the same bytes."""
    return StoragePool.objects.filter(host=host, storage=volume.storage_id, present=True, active=True).exists()


def places(volume: Volume, host: Host) -> set[tuple[How, str]]:
    """What a definition on the host may call it."""
    pools = StoragePool.objects.filter(host=host, storage=volume.storage_id)
    named: set[tuple[How, str]] = {("volume", f"{pool.name}/{volume.name}") for pool in pools}
    return named | ({("path", volume.path)} if volume.path else set())
