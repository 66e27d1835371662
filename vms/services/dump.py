"""Dumping a VM's memory: where to, how much that takes, and the operation (docs/decisions/0123)."""

from __future__ import annotations

from typing import Final

from django.utils import timezone

from vms.errors import BadFields, WrongState
from vms.kinds.dump import DUMP, Dump
from vms.models import Operation, Placement, StoragePool, VirtualMachine
from vms.permissions import Actor, Who, require, require_all
from vms.services import definitions, operations, placing, volumes

# Beside its memory a dump holds that of its graphics card, a few ROMs and the headers.
BESIDE: Final = 256 << 20
# Pools in which nobody but the host itself writes, if its folder says so.
OWN: Final = ("dir", "fs")


def size(placement: Placement) -> int:
    """As many bytes as a dump of it may have."""
    return placement.memory_kib * 1024 + BESIDE


def pools(who: Who, vm: VirtualMachine) -> list[StoragePool]:
    """Where a dump of it can go, the best first: those that he may use of its host, of files."""
    placement = placed_or_refuse(vm)
    usable = placing.usable_pools(who, placement.host)
    return [pool for pool in usable if pool.type in OWN or (pool.storage.trusted and pool.type in volumes.FILES)]


def placed_or_refuse(vm: VirtualMachine) -> Placement:
    """Where it is, running in a sense; WrongState where its memory is nowhere."""
    placement = operations.check_placement(DUMP, vm)
    if placement.run_id is None:
        raise WrongState(name=vm.name, state=placement.state)
    return placement


def ask(actor: Actor, vm: VirtualMachine, pool_id: object, *, idempotency_key: str | None = None) -> Operation:
    """The operation that writes all its memory into a new volume of the actor's. Raises NotAllowed, WrongState,
    BadFields ("pool"), and what request raises."""
    require_all(actor, DUMP.privileges, vm)
    if known := operations.asked_with(actor, DUMP, vm.pk, idempotency_key, pool=pool_id):
        return known
    placement = placed_or_refuse(vm)
    pool = next((one for one in pools(actor, vm) if one.pk == pool_id), None)
    if pool is None:
        raise BadFields({"pool": "choice"})
    require(actor, "pool.use", pool)
    takes = size(placement)
    if pool.available_bytes < takes:
        raise BadFields({"pool": "dump_room"})
    name = name_in(pool, vm)
    return operations.request(
        DUMP, vm, actor=actor, params=Dump(pool.pk, name, takes), takes={"disk_bytes": takes},
        idempotency_key=idempotency_key, locks=[volumes.name_lock(pool, name)],
    )  # fmt: skip


def name_in(pool: StoragePool, vm: VirtualMachine) -> str:
    """What it is called: after the VM and the moment."""
    moment = timezone.now().strftime("%Y%m%d-%H%M%S")
    return definitions.free_name(pool, f"{definitions.clean_name(vm.name)}-memory-{moment}", "core")
