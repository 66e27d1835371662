"""What doing a plan has in common, be it of one host's maintenance or of several hosts: with whose rights it goes on,
and how a VM goes by what is known at that moment."""

from __future__ import annotations

from dataclasses import replace

from vms.errors import CannotMove, NotAllowed, NotFound, PlanChanged
from vms.kinds.migration import Migrate
from vms.models import Host, Operation, Placement, VirtualMachine
from vms.operations.claim import check_rights
from vms.operations.volumes import actor_of
from vms.permissions import Actor
from vms.services import placement


def allowed(operation: Operation) -> Actor:
    """Who approved the plan, while he may still do so. Raises NotAllowed."""
    check_rights(operation)
    actor = actor_of(operation)
    if actor is None:
        raise NotAllowed(privilege="host.maintain")
    return actor


def where(vm: VirtualMachine | None) -> Placement | None:
    """Where it is, None for one that is no more."""
    return vm.placement if vm and vm.deleted_at is None and vm.trashed_at is None else None


def wish(
    vm: VirtualMachine | None, to: Host | None, pool: int, actor: Actor, *, name: str, crowded: bool = False
) -> Migrate:
    """The options, by what is known now. pool: that of the plan, 0 where it copies nothing. name: what the plan calls
    the VM. crowded: also where the host has not its memory free. Raises NotFound, CannotMove, PlanChanged where it
    would have to go in another way."""
    if vm is None or to is None:
        raise NotFound(name)
    found = next(iter(placement.matrix(actor, [vm], [to])), None)
    if found is None:
        raise NotFound(name)
    refused = ("memory_free",) if not crowded else ()
    against = next((one for one in found.reasons if one.grave or one.code in refused), None)
    if against:
        told = {name: str(value) for name, value in against.params.items()}
        raise CannotMove(**told, name=name, host=to.name, obstacle=against.code)
    if bool(pool) != bool(found.disks):
        raise PlanChanged(host=to.name)
    return replace(found.wish, pool=pool)
