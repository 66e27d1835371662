"""Shutting down, waiting, and starting anew: a reboot would not read the definition again."""

from __future__ import annotations

from typing import Final

from vms.errors import Locked, RequestRefused, WrongState
from vms.kinds import power as kinds
from vms.models import Operation
from vms.operations import power
from vms.operations.volumes import actor_of
from vms.operations.way import Facts, Verdict, Way
from vms.services import operations


def runs_anew_or_unknown(before: Facts, now: Facts) -> Verdict:
    """The guest may still be deciding, or it is off and was to be started."""
    return Verdict.DONE if power.runs_anew(before, now) is Verdict.DONE else Verdict.UNKNOWN


def has_restarted(operation: Operation) -> Verdict | None:
    """Once it is off it is started, by an operation of its own; what that comes to is what this comes to."""
    placement, actor = power.current(operation), actor_of(operation)
    if placement is None or actor is None or operation.vm is None:
        return Verdict.UNDONE
    if placement.run_id is not None:
        return Verdict.DONE if placement.run_id != operation.before.get("run_id") else None
    started = Operation.objects.filter(parent=operation, kind=kinds.START.name).first()
    if started is not None:
        return None if started.is_open or started.state == "succeeded" else Verdict.UNDONE
    try:
        operations.request(
            kinds.START, operation.vm, actor=actor, parent=operation, idempotency_key=f"restart:{operation.pk}"
        )
    except (Locked, WrongState):
        # Somebody else is at it: he may start it too.
        return None
    except RequestRefused:
        return Verdict.UNDONE
    return None


WAYS: Final = {kinds.RESTART.name: Way(power.shutdown, power.facts, runs_anew_or_unknown, has_restarted)}
