"""Working out a plan for several hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vms.errors import NotAllowed, NotFound
from vms.kinds.host_plans import WORK_OUT
from vms.models import HostPlan, Operation
from vms.operations.volumes import actor_of
from vms.operations.way import Trial
from vms.services import host_plans
from vms.virt import Connection


def work_out(operation: Operation, _hold: Callable[[Connection], None]) -> dict[str, Any]:
    """It asks no host: what is stored is what a plan is made of."""
    plan = HostPlan.objects.filter(computing=operation, pk=operation.params["plan"]).first()
    if plan is None:
        raise NotFound(str(operation.params["plan"]))
    actor = actor_of(operation)
    if actor is None:
        raise NotAllowed(privilege=host_plans.PRIVILEGE)
    host_plans.work_out(actor, plan)
    return {"plan": plan.pk, "moves": plan.moves.count()}


TRIALS: Final = {WORK_OUT.name: Trial(work_out)}
