"""Alerts: what is open and what was, their rules and silences, and how one begins and ends.

Workers begin and end them (vms.operations.alerting); whoever sees the thing sees its alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone

from vms import live
from vms.errors import BadFields, NotAllowed
from vms.kinds.alerts import ALERTS, LONGEST_WAIT, SEVERITIES, AlertKind
from vms.models import Alert, AlertDelivery, AlertRule, AlertSilence, AlertSink
from vms.permissions import Actor, Who, held_each, may_acknowledge, require, visible_alerts
from vms.permissions.alerts import PRIVILEGE, is_of_own_schedule
from vms.services import audit

# Ended ones are kept so long.
KEPT: Final = timedelta(days=90)
LONGEST_SILENCE: Final = 24 * 366
LONGEST_REASON: Final = 200
MOST_SILENCES: Final = 200
MOST_SHOWN: Final = 200
Scope = Literal["this", "thing", "kind"]


@dataclass(frozen=True)
class Found:
    """Something that is not as it should be. subject: what, and which part of it; name: what it is called; host, vm,
    pool, sink, schedule: their numbers. swings: good enough to begin nothing, not good enough to end what began."""

    kind: str
    subject: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    host: int | None = None
    vm: int | None = None
    pool: int | None = None
    sink: int | None = None
    schedule: int | None = None
    happening: int | None = None
    swings: bool = False


def rules() -> dict[str, AlertRule]:
    """What holds for each kind, in the table's order; one query."""
    said = {rule.kind: rule for rule in AlertRule.objects.all()}
    return {name: said.get(name) or default(kind) for name, kind in ALERTS.items()}


def default(kind: AlertKind) -> AlertRule:
    return AlertRule(
        kind=kind.name, severity=kind.severity, seconds=kind.seconds or 0, threshold=kind.threshold or 0
    )  # fmt: skip


def find_rules(who: Who) -> list[AlertRule]:
    """Raises NotAllowed."""
    require(who, PRIVILEGE)
    return list(rules().values())


def get_rule_or_404(who: Who, kind: str) -> AlertRule:
    """Raises NotAllowed, Http404."""
    require(who, PRIVILEGE)
    if kind not in ALERTS:
        raise Http404
    return rules()[kind]


def change_rule(actor: Actor, kind: str, values: Mapping[str, Any]) -> AlertRule:
    """Other values (enabled, severity, seconds, threshold), as many as are given. Raises NotAllowed, Http404, BadFields
    by these names."""
    rule = get_rule_or_404(actor, kind)
    names = ("enabled", "severity", "seconds", "threshold")
    was = {name: getattr(rule, name) for name in names}
    now = {**was, **{name: values[name] for name in names if values.get(name) is not None}}
    if faults := wrong(ALERTS[kind], now):
        raise BadFields(faults)
    if now == was:
        return rule
    with transaction.atomic():
        rule, _ = AlertRule.objects.update_or_create(kind=kind, defaults=now)
        audit.record("changed:alert-rule", actor=actor, kind=kind, **audit.changes(was, now))
    live.announce(["alert:0"])
    return rule


def wrong(kind: AlertKind, values: Mapping[str, Any]) -> dict[str, str]:
    """The code of each value that does not fit."""
    faults = {} if values["severity"] in SEVERITIES else {"severity": "alert_severity"}
    if not 0 <= values["seconds"] <= (0 if kind.seconds is None else LONGEST_WAIT):
        faults["seconds"] = "alert_seconds" if kind.seconds is not None else "alert_no_seconds"
    least, most = kind.bounds if kind.threshold is not None else (0, 0)
    if not least <= values["threshold"] <= most:
        faults["threshold"] = {"%": "alert_percent", "d": "alert_days"}.get(kind.unit, "alert_no_threshold")
    return faults


def find_alerts(who: Who, which: str = "all") -> QuerySet[Alert]:
    """Those that he sees, the latest first: "open", "ended" or "all"."""
    seen = visible_alerts(who).order_by("-begun_at", "-pk")
    return seen if which == "all" else seen.filter(ended_at__isnull=which == "open")


@dataclass(frozen=True)
class Line:
    """An open alert as it is listed. silence: the one that holds for it now; acknowledges, silences: whether he may
    say that somebody is at it, whether he may silence it."""

    alert: Alert
    silence: AlertSilence | None
    acknowledges: bool
    silences: bool


def make_lines(who: Who, found: Iterable[Alert]) -> list[Line]:
    """The open alerts among them with what he may do with them; four queries more at most, without any none."""
    alerts = [alert for alert in found if alert.ended_at is None]
    if not alerts:
        return []
    holding, hosts, sets = silences(), hosts_of(alerts), is_setter(who)
    vms = [alert.vm_id for alert in alerts if alert.vm_id]
    powers = {} if sets else held_each(who, {"vm.power"}, vms)
    return [
        Line(
            alert,
            silencing(alert, holding, hosts),
            alert.acknowledged_at is None
            and (sets or bool(alert.vm_id and powers.get(alert.vm_id)) or is_of_own_schedule(who, alert)),
            sets,
        )
        for alert in alerts
    ]


def is_setter(who: Who) -> bool:
    try:
        require(who, PRIVILEGE)
    except NotAllowed:
        return False
    return True


def standing(who: Who) -> list[Line]:
    """The open ones that he sees, what is silenced last, before it what somebody is at; the critical first of each."""
    lines = make_lines(who, find_alerts(who, "open")[:MOST_SHOWN])
    return sorted(lines, key=place)


def place(line: Line) -> tuple[bool, bool, bool]:
    """Its place among others."""
    alert = line.alert
    return line.silence is not None, alert.acknowledged_at is not None, alert.severity != "critical"


def needs(lines: Iterable[Line]) -> list[Line]:
    """Those that nobody is at."""
    return [line for line in lines if line.silence is None and line.alert.acknowledged_at is None]


def silences() -> list[AlertSilence]:
    """Those that hold now."""
    return list(AlertSilence.objects.filter(until__gt=timezone.now()))


def hosts_of(alerts: Iterable[Alert]) -> dict[int, int]:
    """{alert: the host on which what it is about stands}; one query for those of VMs."""
    found, vms = {}, {}
    for alert in alerts:
        if alert.pool:
            found[alert.pk] = alert.pool.host_id
        elif alert.vm_id:
            vms[alert.pk] = alert.vm_id
    placed = dict(Alert.objects.filter(pk__in=vms).values_list("pk", "vm__placement__host")) if vms else {}
    return found | {pk: host for pk, host in placed.items() if host}


def silencing(alert: Alert, holding: Iterable[AlertSilence], hosts: Mapping[int, int]) -> AlertSilence | None:
    """The silence that holds for it."""
    things = {"", alert.thing} | ({f"host:{hosts[alert.pk]}"} if alert.pk in hosts else set())
    for each in holding:
        if each.kind in ("", alert.kind) and each.thing in things:
            return each
    return None


def acknowledge(actor: Actor, alert: Alert) -> None:
    """Somebody is at it: it waits for nobody any more, until it ends. Raises NotAllowed."""
    if not may_acknowledge(actor, alert):
        raise NotAllowed(privilege="vm.power" if alert.vm else PRIVILEGE)
    waiting = Alert.objects.filter(pk=alert.pk, ended_at=None, acknowledged_at=None)
    with transaction.atomic():
        name = actor.user.get_username()
        if waiting.update(acknowledged_at=timezone.now(), acknowledged_by=name):
            audit.record("acknowledged:alert", actor=actor, target=alert.vm or alert.host or alert.pool, **facts(alert))
            announce([alert])


def silence(actor: Actor, alert: Alert, *, hours: int, scope: Scope = "this", reason: str = "") -> AlertSilence:
    """Nothing more is told for so many hours: of this kind about this thing, of everything about the thing (a host with
    what stands on it), or of this kind at all. Raises NotAllowed, BadFields ("hours", "reason", "scope")."""
    require(actor, PRIVILEGE)
    faults = {} if 1 <= hours <= LONGEST_SILENCE else {"hours": "alert_hours"}
    if len(reason) > LONGEST_REASON or not (reason.isprintable() or not reason):
        faults["reason"] = "text"
    if scope == "thing" and not alert.thing:
        faults["scope"] = "alert_scope"
    if AlertSilence.objects.filter(until__gt=timezone.now()).count() >= MOST_SILENCES:
        faults["hours"] = "alert_silences"
    if faults:
        raise BadFields(faults)
    until = timezone.now() + timedelta(hours=hours)
    with transaction.atomic():
        made = AlertSilence.objects.create(
            kind="" if scope == "thing" else alert.kind, thing="" if scope == "kind" else alert.thing,
            name="" if scope == "kind" else alert.name, reason=reason, until=until,
            made_by=actor.user.get_username(),
        )  # fmt: skip
        audit.record("silenced:alert", actor=actor, target=None if scope == "kind" else alert.vm or alert.host
                     or alert.pool, hours=hours, scope=scope, reason=reason, **facts(alert))  # fmt: skip
        announce([alert])
    return made


def find_silences(who: Who) -> QuerySet[AlertSilence]:
    """Those that hold now. Raises NotAllowed."""
    require(who, PRIVILEGE)
    return AlertSilence.objects.filter(until__gt=timezone.now())


def end_silence(actor: Actor, pk: int) -> None:
    """It holds no more. Raises NotAllowed, Http404."""
    found = find_silences(actor).filter(pk=pk).first()
    if found is None:
        raise Http404
    with transaction.atomic():
        AlertSilence.objects.filter(pk=pk).delete()
        audit.record("unsilenced:alert", actor=actor, kind=found.kind, thing=found.thing, name=found.name)
        live.announce(["alert:0", *([found.thing] if found.thing else [])])


def facts(alert: Alert) -> dict[str, Any]:
    return {"alert": alert.pk, "kind": alert.kind, "name": alert.name}


def announce(alerts: Iterable[Alert]) -> None:
    """Tell the open pages of who sees them."""
    names = [name for alert in alerts for name in (f"alert:{alert.pk}", alert.thing) if name]
    live.announce(names)


def begin(found: Found, rule: AlertRule) -> Alert | None:
    """The alert, noted; None where it is open already, or what began it has one."""
    try:
        with transaction.atomic():
            made = Alert.objects.create(
                kind=found.kind, severity=rule.severity, subject=found.subject[:600], name=found.name[:255],
                params=dict(found.params), host_id=found.host, vm_id=found.vm, pool_id=found.pool, sink_id=found.sink,
                schedule_id=found.schedule, happening_id=found.happening, begun_at=timezone.now(),
            )  # fmt: skip
            announce([made])
    except IntegrityError:
        # Another worker saw it in the same moment.
        return None
    return made


def end(alert: Alert, now: datetime) -> None:
    """It is so no more; whoever was told of it is told of that."""
    with transaction.atomic():
        if Alert.objects.filter(pk=alert.pk, ended_at=None).update(ended_at=now):
            if alert.told_at:
                queue(alert, "ended", now)
            announce([alert])


def tell(now: datetime) -> None:
    """Give to the sinks what they were not given yet, unless it is silenced."""
    waiting = list(Alert.objects.filter(ended_at=None, told_at=None).select_related("vm", "host", "pool"))
    if not waiting:
        return
    holding, hosts = silences(), hosts_of(waiting)
    for alert in waiting:
        if silencing(alert, holding, hosts):
            continue
        with transaction.atomic():
            if Alert.objects.filter(pk=alert.pk, ended_at=None, told_at=None).update(told_at=now):
                queue(alert, "begun", now)


def queue(alert: Alert, what: str, now: datetime) -> None:
    """A delivery to each sink that wants it; what ended to those alone that were told of its beginning."""
    sinks = AlertSink.objects.filter(enabled=True)
    if alert.severity != "critical":
        sinks = sinks.filter(least="warning")
    # One that fails is not told of its own failure by itself.
    sinks = sinks.exclude(pk=alert.sink_id) if alert.sink_id else sinks
    if what == "ended":
        sinks = sinks.filter(deliveries__alert=alert, deliveries__what="begun")
    AlertDelivery.objects.bulk_create(
        AlertDelivery(sink=sink, alert=alert, what=what, queued_at=now, due_at=now) for sink in sinks
    )


def prune(now: datetime) -> None:
    """Let go of what ended long ago, and of silences that did."""
    Alert.objects.filter(ended_at__lt=now - KEPT).delete()
    AlertSilence.objects.filter(until__lt=now - KEPT).delete()
    AlertDelivery.objects.filter(Q(alert=None), queued_at__lt=now - KEPT).delete()
