"""What is not as it should be, by the rows that the watcher keeps and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from vms.kinds.agent import READ_ONLY
from vms.kinds.alerts import ALERTS
from vms.models import (
    AgentReport,
    Alert,
    AlertRule,
    AlertSink,
    Happening,
    Host,
    Operation,
    OperationState,
    Schedule,
    StoragePool,
)
from vms.services.alerts import Found
from vms.services.certificates import last_day
from vms.services.freshness import freshness
from vms.services.operations import is_silent

RAN: Final = ("running", "paused", "shutting_down", "pmsuspended")
# libvirt's reasons of a VM that is off for which somebody or something is to blame. One whose guest shut it down has
# "shutdown", one that moved or was saved "migrated", "saved"; "" is what libvirt says of it after the machine itself
# was off.
CRASHES: Final = ("crashed",)
STOPS: Final = ("destroyed", "failed", "daemon", "")
# What an operation of ours brought about is seen that much later, or earlier than it knows.
ABOUT: Final = timedelta(seconds=30)
# Whatever these do, they stop nothing.
STARTS: Final = (
    "vm.start", "vm.start-with-networks", "vm.start-paused", "vm.boot-cd", "vm.boot-network", "vm.restore", "vm.resume",
)  # fmt: skip
# One of which we do not know how it ended may have done it, whenever that is seen.
LATE: Final = timedelta(days=1)
# What happened longer ago than this before a worker began to look is no news.
NEWS: Final = timedelta(hours=1)
# An older report of a guest says nothing of now.
TOLD: Final = timedelta(hours=1)


def silent_hosts(rule: AlertRule) -> Iterator[Found]:
    """One that never answered asks for attention where it was added."""
    # Of one in maintenance nobody expects that it answers.
    known = Host.objects.filter(removed_at=None, left_alone=False, in_maintenance_at=None, heard_at__isnull=False)
    for host in known.exclude(error_code="").order_by("pk"):
        if is_silent(host):
            yield Found("host_silent", f"host:{host.pk}", host.name, {"error": host.error_code}, host=host.pk)


def watcher_behind(rule: AlertRule) -> Iterator[Found]:
    old = [host for host in Host.objects.filter(removed_at=None, left_alone=False) if freshness(host) == "old"]
    if old:
        yield Found("watcher_behind", "watcher", "", {"hosts": len(old)})


def full_pools(rule: AlertRule) -> Iterator[Found]:
    """Pools that are one storage are told of once. Of a silent host's nothing new is known."""
    seen: set[int] = set()
    there = StoragePool.objects.filter(
        present=True, active=True, capacity_bytes__gt=0, host__removed_at=None, host__left_alone=False
    )
    rows = there.order_by("pk").values_list("pk", "name", "storage", "capacity_bytes", "available_bytes")
    for pk, name, storage, capacity, available in rows:
        if storage in seen:
            continue
        seen.add(storage)
        used = 100 * (capacity - min(available, capacity)) / capacity
        if used >= rule.threshold - ALERTS["pool_full"].margin:
            params = {"used": round(used), "free": available}
            yield Found("pool_full", f"pool:{pk}", name, params, pool=pk, swings=used < rule.threshold)


def full_guest_disks(rule: AlertRule, now: datetime) -> Iterator[Found]:
    """By what the agents of running guests told of this run; a guest has one alert at a time."""
    told = AgentReport.objects.filter(
        placement__run_id=F("run_id"), placement__vm__placement=F("placement"), told_at__gt=now - TOLD,
        placement__vm__trashed_at=None, placement__vm__deleted_at=None, placement__host__removed_at=None,
    )  # fmt: skip
    for vm, name, systems in told.values_list("placement__vm", "placement__vm__name", "facts__file_systems"):
        if found := fullest(systems or ()):
            place, total, used = found
            share = 100 * used / total
            if share >= rule.threshold - ALERTS["guest_disk_full"].margin:
                params = {"place": place, "used": round(share), "free": max(total - used, 0)}
                yield Found("guest_disk_full", f"vm:{vm}", name, params, vm=vm, swings=share < rule.threshold)


def fullest(systems: Iterable[Mapping[str, Any]]) -> tuple[str, int, int] | None:
    """Where it is mounted, how large it is and how much is used; a guest may tell of any number, so one is enough."""
    counted = [
        (str(system["mounted_at"]), int(system["total_bytes"]), int(system["used_bytes"]))
        for system in systems
        if system["total_bytes"] and system["used_bytes"] is not None and system["type"] not in READ_ONLY
    ]
    return max(counted, key=lambda one: one[2] / one[1], default=None)


def ending_certificates(rule: AlertRule, now: datetime, own: datetime | None) -> Iterator[Found]:
    """own: until when the dashboard's own holds, None where that is not known or there is none."""
    soon = now + timedelta(days=rule.threshold)
    there = Host.objects.filter(removed_at=None, left_alone=False, transport=Host.Transport.TLS)
    for host in there.order_by("pk"):
        for which, pem in (("client", host.certificate), ("authority", host.ca_certificate)):
            until = last_day(pem)
            if until and until < soon:
                params = {"which": which, "until": until.date().isoformat()}
                yield Found("certificate_ends", f"host:{host.pk}:{which}", host.name, params, host=host.pk)
    if own and own < soon:
        params = {"which": "own", "until": own.date().isoformat()}
        yield Found("certificate_ends", "certificate", "", params)


def failing_sinks(rule: AlertRule) -> Iterator[Found]:
    for sink in AlertSink.objects.filter(enabled=True, failing_since__isnull=False):
        yield Found("sink_failing", f"sink:{sink.pk}", sink.name, {"error": sink.error_code}, sink=sink.pk)


def failed_schedules(rule: AlertRule) -> Iterator[Found]:
    """One that is switched off fails no more. It ends with the next good run."""
    for schedule in Schedule.objects.exclude(stopped_code="", error_code="").filter(enabled=True):
        code, params = schedule.error_code, dict(schedule.error_params)
        if schedule.stopped_code:
            code, params = schedule.stopped_code, {}
        told = {**params, "how": "stopped" if schedule.stopped_code else "failed", "error": code}
        yield Found(
            "schedule_failed", f"schedule:{schedule.pk}", schedule.name, told, vm=schedule.vm_id, schedule=schedule.pk
        )


def newest() -> int:
    """The number of the latest happening."""
    return Happening.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def no_news(now: datetime) -> int:
    """The number of the latest happening that is too old to be told of."""
    old = Happening.objects.filter(at__lt=now - NEWS).order_by("-pk")
    return old.values_list("pk", flat=True).first() or 0


def stops_since(cursor: int, now: datetime) -> QuerySet[Happening]:
    """What may be a VM that stopped unasked: happenings after that one which have no alert yet."""
    off = Q(params__state="shut_off", params__reason__in=(*CRASHES, *STOPS)) | Q(params__state="crashed")
    return Happening.objects.filter(
        off, pk__gt=cursor, code="state", at__gt=now - NEWS, params__was__in=RAN, alert=None, vm__deleted_at=None,
        vm__trashed_at=None, vm__placement__host=F("host"), host__removed_at=None,
    ).select_related("vm").order_by("pk")  # fmt: skip


def unasked(happening: Happening) -> Found | None:
    """What is to be told of it; None where an operation of ours may have done it."""
    vm, state, reason = happening.vm, happening.params["state"], happening.params.get("reason", "")
    if vm is None:
        return None
    crashed = state == "crashed" or reason in CRASHES
    if not crashed and ours(vm.pk, happening.at):
        return None
    params = {"how": "panicked" if state == "crashed" else reason or "gone", "was": happening.params["was"]}
    return Found("vm_stopped", f"vm:{vm.pk}", vm.name, params, vm=vm.pk, happening=happening.pk)


def ours(vm: int, at: datetime) -> bool:
    """Whether an operation that may stop the VM was at work on it about then."""
    began = Operation.objects.filter(vm=vm, started_at__lte=at + ABOUT).exclude(kind__in=STARTS)
    unknown = Q(state=OperationState.UNKNOWN, ended_at__gte=at - LATE)
    return began.filter(Q(ended_at=None) | Q(ended_at__gte=at - ABOUT) | unknown).exists()


def over() -> QuerySet[Alert]:
    """Open alerts of VMs that stopped, which run again, have run since, or are nobody's any more."""
    later = Happening.objects.filter(vm=OuterRef("vm"), pk__gt=OuterRef("happening"), code="state")
    since = Q(Exists(later.filter(params__state__in=RAN)))
    back = Q(vm__placement__state__in=RAN) | Q(vm__placement__present=False) | Q(vm__placement=None)
    gone = Q(vm__deleted_at__isnull=False) | Q(vm__trashed_at__isnull=False)
    removed = Q(vm__placement__host__removed_at__isnull=False) | Q(vm__placement__state="saved")
    return Alert.objects.filter(since | back | gone | removed, kind="vm_stopped", ended_at=None).select_related("vm")


def current(rules: Mapping[str, AlertRule], now: datetime) -> list[Found]:
    """All that is so now, of what is asked of few rows."""
    found: list[Found] = []
    if rules["host_silent"].enabled:
        found += silent_hosts(rules["host_silent"])
    if rules["watcher_behind"].enabled:
        found += watcher_behind(rules["watcher_behind"])
    if rules["pool_full"].enabled:
        found += full_pools(rules["pool_full"])
    if rules["sink_failing"].enabled:
        found += failing_sinks(rules["sink_failing"])
    if rules["schedule_failed"].enabled:
        found += failed_schedules(rules["schedule_failed"])
    return found


def seldom(rules: Mapping[str, AlertRule], now: datetime, own: datetime | None) -> list[Found]:
    """All that is so now, of what is asked of many rows and changes slowly."""
    found: list[Found] = []
    if rules["guest_disk_full"].enabled:
        found += full_guest_disks(rules["guest_disk_full"], now)
    if rules["certificate_ends"].enabled:
        found += ending_certificates(rules["certificate_ends"], now, own)
    return found
