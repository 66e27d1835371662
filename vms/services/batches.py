"""What became of operations that were asked for in one stroke."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q

from vms.models import OPEN_STATES, Operation
from vms.permissions import Who, visible_operations
from vms.services.attention import FAILED
from vms.services.telling import as_told

# Failures beyond these are counted; Activity has them all.
MOST_NAMED = 5


@dataclass(frozen=True)
class Batch:
    """done: those with their effect; guests and hosts: those that wait for one; failed: the first few that did not
    succeed; more: how many others did not."""

    id: UUID
    kind: str
    total: int
    done: int
    ended: int
    guests: int
    hosts: int
    failed: list[Operation]
    more: int


def find_batch(who: Who, pk: UUID) -> Batch | None:
    """How far it is, as far as the user may see it; None where there is nothing to see."""
    operations = visible_operations(who).filter(batch=pk)
    first = operations.order_by("pk").first()
    if first is None:
        return None
    counts = operations.aggregate(
        total=Count("pk"),
        done=Count("pk", filter=Q(state="succeeded")),
        ended=Count("pk", filter=~Q(state__in=OPEN_STATES)),
        guests=Count("pk", filter=Q(state="waiting")),
        hosts=Count("pk", filter=Q(state="queued", waits_until__isnull=False)),
        failed=Count("pk", filter=Q(state__in=FAILED)),
    )
    number = counts.pop("failed")
    failed = operations.filter(state__in=FAILED).select_related("host").order_by("target_name", "pk")[:MOST_NAMED]
    return Batch(id=pk, kind=first.kind, failed=as_told(who, failed), more=max(number - MOST_NAMED, 0), **counts)
