"""One stream of what was asked for and what happened: operations, events, changes from outside, alerts, consoles."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Final
from uuid import UUID

from django.db.models import Q

from vms.kinds.words import mark
from vms.models import (
    Alert,
    Console,
    Happening,
    Host,
    Network,
    Operation,
    StoragePool,
    Upload,
    Version,
    VirtualMachine,
    Volume,
)  # fmt: skip
from vms.permissions import Who, visible_alerts, visible_happenings, visible_operations, visible_vms
from vms.services.consoles import opened
from vms.services.history import made_outside
from vms.services.telling import as_told

PARTS: Final = {
    "operations": mark("Operations"), "events": mark("Events"), "alerts": mark("Alerts"), "consoles": mark("Consoles"),
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One line of a stream, at a time: an operation, a happening, a definition that was made outside, an alert, or a
    console that was opened."""

    at: datetime
    operation: Operation | None = None
    happening: Happening | None = None
    version: Version | None = None
    console: Console | None = None
    alert: Alert | None = None


def stream(
    who: Who,
    *,
    vm: VirtualMachine | None = None,
    host: Host | None = None,
    pool: StoragePool | None = None,
    volume: Volume | None = None,
    network: Network | None = None,
    batch: UUID | None = None,
    only: Collection[str] = (),
    since: datetime | None = None,
    before: datetime | None = None,
    most: int = 50,
) -> list[Entry]:
    """All of that in one, newest first, of one VM, one host, or everything; of one pool, of one volume (also the upload
    that brought it), of one network and of what was asked for in one stroke, the operations alone, of a pool also its
    alerts. only: some of PARTS.
    Of consoles he sees what he sees of those that are open."""
    operations = (
        visible_operations(who)
        .select_related("vm", "host", "pool", "volume", "network")
        .defer("pool__document", "network__document", "network__live_document", "network__leases")
    )
    happenings = visible_happenings(who).select_related("vm", "host")
    outside = made_outside().filter(vm__in=visible_vms(who)).select_related("vm")
    consoles, alerts = opened(who).filter(vm__in=visible_vms(who)), visible_alerts(who)
    if vm:
        operations, happenings = operations.filter(vm=vm), happenings.filter(vm=vm)
        outside, consoles, alerts = outside.filter(vm=vm), consoles.filter(vm=vm), alerts.filter(vm=vm)
    if host:
        operations, happenings = operations.filter(host=host), happenings.filter(host=host)
        outside = outside.filter(vm__placement__host=host)
        consoles = consoles.filter(vm__placement__host=host)
        alerts = alerts.filter(Q(host=host) | Q(vm__placement__host=host) | Q(pool__host=host))
    if pool or volume or network or batch:
        happenings, outside, consoles = happenings.none(), outside.none(), consoles.none()
        alerts = alerts.filter(pool=pool) if pool else alerts.none()
    if pool:
        operations = operations.filter(pool=pool)
    if volume:
        # What came by upload was a pool's before it was a volume.
        came = Upload.objects.filter(volume=volume).values("operation")
        operations = operations.filter(Q(volume=volume) | Q(pk__in=came))
    if network:
        operations = operations.filter(network=network)
    if batch:
        operations = operations.filter(batch=batch)
    if since:
        operations, happenings = operations.filter(queued_at__gte=since), happenings.filter(at__gte=since)
        outside, consoles = outside.filter(at__gte=since), consoles.filter(opened_at__gte=since)
        alerts = alerts.filter(begun_at__gte=since)
    if before:
        operations, happenings = operations.filter(queued_at__lt=before), happenings.filter(at__lt=before)
        outside, consoles = outside.filter(at__lt=before), consoles.filter(opened_at__lt=before)
        alerts = alerts.filter(begun_at__lt=before)
    wanted = set(only) or set(PARTS)
    parts: list[list[Entry]] = []
    if "operations" in wanted:
        latest = as_told(who, operations.order_by("-queued_at")[:most])
        parts.append([Entry(operation.queued_at, operation=operation) for operation in latest])
    if "events" in wanted:
        parts.append([Entry(happening.at, happening=happening) for happening in happenings.order_by("-at")[:most]])
        parts.append([Entry(version.at, version=version) for version in outside[:most]])
    if "alerts" in wanted:
        parts.append([Entry(alert.begun_at, alert=alert) for alert in alerts.order_by("-begun_at")[:most]])
    if "consoles" in wanted:
        parts.append([Entry(each.opened_at, console=each) for each in consoles[:most] if each.opened_at])
    return list(islice(merge(*parts, key=lambda entry: entry.at, reverse=True), most))
