"""What doing a plan has in common, be it of one host's maintenance or of several hosts: with whose rights it goes on,
and how a VM goes by what is known at that moment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace

from django.db import DatabaseError
from django.db.models.functions import Now

from vms import live
from vms.errors import CannotMove, NotAllowed, NotFound, PlanChanged
from vms.kinds.migration import Migrate
from vms.models import OPEN_STATES, Host, Operation, OperationState, Placement, VirtualMachine
from vms.operations.claim import check_rights
from vms.operations.volumes import actor_of
from vms.permissions import Actor
from vms.services import placement

logger = logging.getLogger(__name__)


def turn(node: str, kinds: Collection[str], step: Callable[[Operation], None]) -> None:
    """One step of each open operation of these kinds, on this node's hosts and on those that belong to none."""
    open_ones = Operation.objects.filter(kind__in=kinds, state__in=OPEN_STATES, node__in=("", node))
    for operation in open_ones.select_related("host", "actor_user", "actor_token"):
        try:
            step(operation)
        except DatabaseError:
            raise
        except Exception:
            # The clock has other plans too.
            logger.exception("operation %s was not gone on with", operation.pk)


def begun(operation: Operation) -> str | None:
    """The state that it was in, None where it has ended; what was queued runs from now on."""
    now = Operation.objects.filter(pk=operation.pk, state__in=OPEN_STATES).values_list("state", flat=True).first()
    if now == OperationState.QUEUED:
        queued = Operation.objects.filter(pk=operation.pk, state=OperationState.QUEUED)
        queued.update(state=OperationState.RUNNING, started_at=Now())
        tell(operation)
    return now


def tell(operation: Operation) -> None:
    live.announce([f"op:{operation.pk}", f"host:{operation.target_id}"])


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
