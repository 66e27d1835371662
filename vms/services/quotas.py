"""How much may be charged to whom. Whoever lets something be made takes it here first, in the transaction that asks for
it: kinds say what they take (Kind.takes), and vms.services.operations.request refuses one that does not.

Nothing is counted twice or forgotten: what is there is counted from the inventory at each question, what is being made
from the reservations of open operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum, Value

from vms.errors import BadFields, OverQuota
from vms.kinds import MAKING
from vms.models import OPEN_STATES, RESOURCES, Operation, Quota, Reservation, Snapshot, User, VirtualMachine, Volume
from vms.permissions import Actor, Who, require
from vms.services import audit

PRIVILEGE: Final = "quota.admin"
LARGEST: Final = {"vms": 2**31 - 1, "vcpus": 2**31 - 1, "snapshots": 2**31 - 1}
LARGEST_OF_ALL: Final = 2**63 - 1


Subject = User | Group


def find_quotas(who: Who) -> QuerySet[Quota]:
    """All quotas, users' first. Raises NotAllowed."""
    require(who, PRIVILEGE)
    groups_last = F("group__name").asc(nulls_first=True)
    return Quota.objects.select_related("user", "group").order_by(groups_last, "user__username", "pk")


def whose(subject: Subject, path: str = "") -> dict[str, Any]:
    """The subject as fields of a row: the user or the group at the path."""
    return {f"{path}user": subject} if isinstance(subject, User) else {f"{path}group": subject}


def used(subject: Subject) -> dict[str, int]:
    """{resource: amount} of what is charged to it, with what open operations are about to make. A VM counts when it is
    made; until then the reservation stands for it. All of one moment: a worker turns one into the other meanwhile."""
    making = Operation.objects.filter(state__in=OPEN_STATES, kind__in=MAKING, vm=OuterRef("pk"))
    vms = VirtualMachine.objects.filter(deleted_at=None, placement__isnull=False, **whose(subject, "charged_"))
    made = vms.filter(~Exists(making))
    charged = Volume.objects.filter(vms__in=vms.values("pk"))
    own = Volume.objects.filter(owner=subject, vms=None) if isinstance(subject, User) else Volume.objects.none()
    disks = Volume.objects.filter(Q(pk__in=charged.values("pk")) | Q(pk__in=own.values("pk")))
    # Its reservation stands for what is being made, and no longer once it is ready, whether its VM is or not. An upload
    # has none from when its volume is there.
    disks = disks.exclude(state=Volume.State.INCOMPLETE, uploads=None)
    kept = Snapshot.objects.filter(placement__in=made.order_by().values("placement"))
    reserved = Reservation.objects.filter(operation__state__in=OPEN_STATES, **whose(subject))
    rows = summed("vms", made, Count("pk")).union(
        summed("vcpus", made, Sum("placement__vcpus")),
        summed("memory_kib", made, Sum("placement__memory_kib")),
        summed("disk_bytes", disks, Sum("capacity_bytes")),
        # What a VM's memory takes in its snapshots lies in its disks beside what a guest sees of them.
        summed("snapshots", kept, Count("pk")),
        summed("disk_bytes", kept, Sum("memory_bytes")),
        reserved.order_by().values_list("resource").annotate(Sum("amount")),
        all=True,
    )
    found = dict.fromkeys(RESOURCES, 0)
    for name, amount in rows:
        found[name] += int(amount or 0)
    return found


def left(subject: Subject) -> dict[str, int]:
    """{resource: what of it may be taken still}, of those that are limited."""
    quota = Quota.objects.filter(**whose(subject)).first()
    if quota is None:
        return {}
    now = used(subject)
    limits = {name: getattr(quota, name) for name in RESOURCES}
    return {name: max(limit - now[name], 0) for name, limit in limits.items() if limit is not None}


def summed(name: str, rows: QuerySet[Any], amount: Count | Sum) -> QuerySet[Any, tuple[str, int]]:
    """One row for all of them."""
    alike = rows.order_by().annotate(resource=Value(name)).values("resource")
    found: QuerySet[Any, tuple[str, int]] = alike.annotate(amount=amount).values_list("resource", "amount")
    return found


def reserve(operation: Operation, subject: Subject, takes: Mapping[str, int]) -> None:
    """Take it for the operation, in the transaction that makes its row; one after the other for one subject. Raises
    OverQuota, naming the first resource of which there is not enough."""
    quota = Quota.objects.select_for_update().filter(**whose(subject)).first()
    if quota:
        now = used(subject)
        for name, amount in takes.items():
            limit = getattr(quota, name)
            if limit is not None and amount and now[name] + amount > limit:
                raise OverQuota(whom=str(subject), resource=name, limit=limit, used=now[name], asked=amount)
    Reservation.objects.bulk_create(
        Reservation(operation=operation, resource=name, amount=amount, **whose(subject))
        for name, amount in takes.items()
        if amount
    )


def change(actor: Actor, subject: Subject, limits: Mapping[str, int | None]) -> Quota | None:
    """The subject's quota with these limits, None for a resource without; without any limit there is none. What is
    used already stays, also where it is more. Raises NotAllowed, BadFields."""
    require(actor, PRIVILEGE)
    wrong = {name: "number" for name, limit in limits.items() if limit is not None and not fits(name, limit)}
    if wrong:
        raise BadFields(wrong)
    with transaction.atomic():
        before = Quota.objects.select_for_update().filter(**whose(subject)).first()
        values = {name: limits.get(name) for name in RESOURCES}
        quota = None
        if any(limit is not None for limit in values.values()):
            quota, _ = Quota.objects.update_or_create(**whose(subject), defaults=values)
        elif before:
            Quota.objects.filter(pk=before.pk).delete()
        was = {name: getattr(before, name, None) for name in RESOURCES}
        if was != values:
            audit.record("changed:quota", actor=actor, of=str(subject), **audit.changes(was, values))
    return quota


def fits(name: str, limit: int) -> bool:
    return 0 <= limit <= LARGEST.get(name, LARGEST_OF_ALL)
