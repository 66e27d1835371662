"""Taking an operation: one conditional UPDATE in which the limits per host are a part of the condition."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from operator import or_
from typing import Final

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from vms import live
from vms.errors import NotAllowed, OperationLost
from vms.kinds import KINDS
from vms.models import OPEN_STATES, Host, Operation, OperationLog, OperationState, Worker
from vms.operations import KNOWN
from vms.operations.transitions import HELD
from vms.permissions import Actor, require_for

# No host may hold more than a few of the workers' threads, however long it says nothing.
MOST: Final = {"quick": 6, "slow": 2, "guest": 2}
NEWEST_VERSION: Final = 1


def heard() -> Q:
    """Those that wait for no host, and those whose host a watcher hears."""
    return Q(waits_until=None) | Q(Exists(Host.objects.filter(pk=OuterRef("host"), error_code="")))


def anything_open() -> bool:
    """Whether there is anything to do at all: clocks ask that first, since what they ask otherwise is long."""
    return Operation.objects.filter(state__in=OPEN_STATES).exists()


def waiting_in_line(node: str) -> list[int]:
    """The operations that can be claimed here now, oldest first, of each host as many as it has places for: a claim in
    vain costs as much as one that is not. Kinds and versions that this worker does not know stay for one that does.
    Those of hosts that belong to no node are everybody's."""
    queued = Operation.objects.filter(
        heard(), state=OperationState.QUEUED, queue__in=MOST, node__in=("", node), kind__in=KNOWN,
        version__lte=NEWEST_VERSION,
    )  # fmt: skip
    taken = Counter(Operation.objects.filter(state__in=HELD).values_list("host", "queue"))
    found = []
    for pk, host, queue in queued.order_by("pk").values_list("pk", "host", "queue"):
        if host is None or taken[host, queue] < MOST[queue]:
            taken[host, queue] += 1
            found.append(pk)
    return found


def claim(pk: int, worker: Worker) -> Operation | None:
    """The operation, now running and this worker's; None where it is not queued, not ours, or its host is busy, and for
    a worker that was declared dead."""
    free_place = reduce(or_, (Q(queue=queue, busy__lt=most) for queue, most in MOST.items()))
    busy = (
        Operation.objects.filter(host=OuterRef("host"), queue=OuterRef("queue"), state__in=HELD)
        .order_by()
        .values("host")
        .annotate(n=Count("pk"))
        .values("n")
    )
    with transaction.atomic():
        # One claim a host at a time, or two would count the same free place (SQLite has one writer anyway).
        hosts = Host.objects.select_for_update().filter(operations=pk)
        list(hosts.values_list("pk", flat=True))
        free = Operation.objects.annotate(busy=Coalesce(Subquery(busy), 0)).filter(
            free_place,
            heard(),
            # One that was declared dead and has not noticed yet would hold it only until it does.
            Exists(Worker.objects.filter(pk=worker.pk, stopped_at=None)),
            pk=pk,
            state=OperationState.QUEUED,
            node__in=("", worker.node),
            kind__in=KNOWN,
            version__lte=NEWEST_VERSION,
        )
        if not free.update(state=OperationState.RUNNING, worker=worker, started_at=Now()):
            return None
        operation = Operation.objects.select_related(
            "host", "vm__placement", "pool", "volume", "network", "actor_user", "actor_token"
        ).get(pk=pk)
        OperationLog.objects.create(operation=operation, code="claimed", params={"worker": worker.name})
        live.announce([f"op:{pk}", f"{operation.target_kind}:{operation.target_id}"])
    return operation


def check_rights(operation: Operation) -> None:
    """Nothing, or NotAllowed: work runs with the rights that its actor has at the moment it runs."""
    now = Operation.objects.select_related("actor_user", "actor_token", "vm", "host", "pool", "volume", "network").get(
        pk=operation.pk
    )
    token = now.actor_token
    if token and (token.revoked_at is not None or token.expires_at <= timezone.now()):
        raise NotAllowed(privilege=next(iter(KINDS[now.kind].privileges), ""))
    actor = Actor(now.actor_user, now.actor_session, token) if now.actor_user else None
    require_for(actor, KINDS[now.kind], now.target, fresh=False)


def ours(operation: Operation, worker: Worker) -> QuerySet[Operation]:
    """Its row while this worker holds it; none when it was superseded, or this worker was declared dead."""
    return Operation.objects.filter(pk=operation.pk, state__in=HELD, worker=worker, worker__stopped_at=None)


def check_ours(operation: Operation, worker: Worker) -> None:
    """Nothing, or OperationLost: somebody else decided, or will."""
    if not ours(operation, worker).exists():
        raise OperationLost
