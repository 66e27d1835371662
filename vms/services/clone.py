"""Making VMs after others: plans become rows and operations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from vms import live
from vms.kinds.clone import CLONE
from vms.models import Operation, User, VirtualMachine
from vms.permissions import Actor, Who, visible_vms
from vms.services import create, operations, volumes
from vms.services.clone_plans import plan
from vms.services.clone_wishes import ClonePlan, CloneWish, digest
from vms.services.definitions import disk_name
from vms.services.freshness import placed
from vms.services.wishes import names


def clone(
    actor: Actor, vm: VirtualMachine, wish: CloneWish, *, idempotency_key: str | None = None
) -> list[Operation]:  # fmt: skip
    """The operations that make them, each on a new VM, which is the actor's, in one stroke: all of them are asked for
    or none. Raises what plan() raises, NameGivesRights, OverQuota and what request raises."""
    with transaction.atomic():
        if idempotency_key:
            # One after the other, so that the second finds the first's rows.
            list(User.objects.select_for_update().filter(pk=actor.user.pk).values_list("pk", flat=True))
            known = create.asked_before(actor, CLONE, digest(vm, wish), idempotency_key)
            if known:
                return known
        made = plan(actor, vm, wish)
        called = names(wish.name, wish.count)
        batch = uuid4() if len(called) > 1 else None
        return [
            clone_one(actor, vm, made, name, batch=batch, key=idempotency_key if number == 0 else None)
            for number, name in enumerate(called)
        ]


def clone_one(
    actor: Actor, vm: VirtualMachine, made: ClonePlan, name: str, *, batch: UUID | None, key: str | None
) -> Operation:  # fmt: skip
    """Its row, and the operation."""
    like = placed(vm)
    new = create.new_vm(
        actor, made.host, name, vcpus=made.takes["vcpus"], memory_kib=made.takes["memory_kib"], graphics=like.graphics,
        serials=like.serials,
    )  # fmt: skip
    disks: list[dict[str, Any]] = []
    own: list[str] = []
    for disk in made.params.disks:
        if "of" in disk:
            pool = made.pools[disk["pool"]]
            disk = {**disk, "name": disk_name(pool, name, len(own), disk["format"])}
            own.append(volumes.name_lock(pool, disk["name"]))
        disks.append(disk)
    operation = operations.request(
        CLONE,
        new,
        actor=actor,
        params=replace(made.params, disks=disks),
        takes=made.takes,
        batch=batch,
        idempotency_key=key,
        locks=[create.name_lock(made.host, name), *own],
    )
    live.announce(["vms:*"])
    return operation


def free_name(who: Who, vm: VirtualMachine) -> str:
    """ "web-01-clone", or with a number behind it where he sees a VM of that name."""
    plain = f"{vm.name[:68]}-clone"
    taken = set(visible_vms(who).filter(name__startswith=plain).values_list("name", flat=True))
    return next(
        name for number in range(1, 1000) if (name := plain if number == 1 else f"{plain}-{number}") not in taken
    )
