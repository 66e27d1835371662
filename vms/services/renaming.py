"""Calling a VM otherwise: what it may be called, and what a name may give to others."""

from __future__ import annotations

from django.db import transaction

from vms.errors import BadFields
from vms.kinds import renaming as kinds
from vms.models import Operation, Placement, VirtualMachine
from vms.permissions import Actor, require
from vms.services import operations, selectors, snapshots
from vms.services.freshness import placed
from vms.services.vm_names import NAME


def rename(actor: Actor, vm: VirtualMachine, name: str, *, idempotency_key: str | None = None) -> Operation:
    """The operation that calls it so on its host. Raises NotAllowed, BadFields, NameGivesRights, and what request
    raises."""
    require(actor, kinds.RENAME.privileges[0], vm)
    placement = placed(vm)
    if not NAME.fullmatch(name):
        raise BadFields({"name": "vm_name"}, name=vm.name)
    if name == vm.name:
        raise BadFields({"name": "vm_name_same"}, name=vm.name)
    if Placement.objects.filter(host=placement.host_id, present=True, name=name).exists():
        raise BadFields({"name": "vm_name_taken"}, name=vm.name)
    if placement.has_managed_save:
        raise BadFields({"name": "vm_name_saved"}, name=vm.name)
    if snapshots.stand_in_the_way(vm):
        raise BadFields({"name": "vm_name_snapshots"}, name=vm.name)
    with transaction.atomic():
        selectors.refuse_name(actor, vm, name)
        return operations.request(
            kinds.RENAME, vm, actor=actor, params=kinds.Name(name), idempotency_key=idempotency_key
        )  # fmt: skip
