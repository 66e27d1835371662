"""Making VMs after others: plans become rows and operations."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from vms import live
from vms.errors import BadParameters
from vms.kinds.clone import CLONE
from vms.models import (
    Operation,
    User,
    VirtualMachine,
)  # fmt: skip
from vms.permissions import (
    Actor,
    Who,
    visible_vms,
)
from vms.services import create, operations, volumes
from vms.services.clone_plans import plan
from vms.services.clone_wishes import CloneWish, digest
from vms.services.freshness import placed


def clone(actor: Actor, vm: VirtualMachine, wish: CloneWish, *, idempotency_key: str | None = None) -> Operation:
    """The operation that makes it, on the new VM, which is the actor's. Raises what plan() raises, NameGivesRights,
    OverQuota and what request raises."""
    with transaction.atomic():
        if idempotency_key:
            # One after the other, so that the second finds the first's row.
            list(User.objects.select_for_update().filter(pk=actor.user.pk).values_list("pk", flat=True))
            known = asked_before(actor, vm, wish, idempotency_key)
            if known:
                return known
        made = plan(actor, vm, wish)
        like = placed(vm)
        new = create.new_vm(
            actor, made.host, wish.name, vcpus=like.vcpus, memory_kib=like.memory_kib, graphics=like.graphics,
            serials=like.serials,
        )  # fmt: skip
        operation = operations.request(
            CLONE,
            new,
            actor=actor,
            params=made.params,
            takes=made.takes,
            idempotency_key=idempotency_key,
            locks=[
                create.name_lock(made.host, wish.name),
                # Until its disks are copied nobody starts it, changes it or takes it away.
                operations.named(vm),
                *(
                    volumes.name_lock(made.pools[disk["pool"]], disk["name"])
                    for disk in made.params.disks
                    if "of" in disk
                ),
                *(f"volume:{disk['of']}" for disk in made.params.disks if "of" in disk),
            ],
        )
    live.announce(["vms:*"])
    return operation


def asked_before(actor: Actor, vm: VirtualMachine, wish: CloneWish, key: str) -> Operation | None:
    """The one of that key in the last day; BadParameters where it was another request."""
    since = timezone.now() - operations.KEY_LIVES
    known = Operation.objects.filter(actor_user=actor.user, idempotency_key=key, queued_at__gte=since).first()
    if known and (known.kind != CLONE.name or known.params["asked"] != digest(vm, wish)):
        raise BadParameters(field="Idempotency-Key")
    return known


def free_name(who: Who, vm: VirtualMachine) -> str:
    """ "web-01-clone", or with a number behind it where he sees a VM of that name."""
    plain = f"{vm.name[:68]}-clone"
    taken = set(visible_vms(who).filter(name__startswith=plain).values_list("name", flat=True))
    return next(
        name for number in range(1, 1000) if (name := plain if number == 1 else f"{plain}-{number}") not in taken
    )
