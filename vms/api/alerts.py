"""Alerts, their rules, and what is silenced."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import Nothing
from vms.models import Alert, AlertRule, AlertSilence
from vms.permissions import get_alert_or_404
from vms.services import alerts
from vms.services.alert_words import alert_means, alert_sentence, alert_title

router = Router(tags=["alerts"])
rules_router = Router(tags=["alerts"])
silences_router = Router(tags=["alerts"])


class Thing(BaseModel):
    """kind: "vm", "host" or "pool"."""

    kind: str
    id: int
    name: str


class AlertItem(BaseModel):
    """of: what it is about, null for the dashboard itself. detail: what is so, in words; params: the same as values.
    silenced_until: while it is open, the end of the silence that holds for it."""

    id: int
    kind: str
    title: str
    severity: str
    of: Thing | None
    detail: str
    params: dict[str, Any]
    begun_at: datetime
    ended_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    silenced_until: datetime | None


class SilenceWish(BaseModel):
    """scope: "this" kind about this thing, everything of the "thing" (of a host with what stands on it), or the "kind"
    about anything."""

    model_config = ConfigDict(extra="forbid")

    hours: int
    scope: Literal["this", "thing", "kind"] = "this"
    reason: str = Field("", max_length=alerts.LONGEST_REASON)


class SilenceItem(BaseModel):
    """kind: "" for every kind. thing: "vm:12", "host:1", "pool:3", "" for anything."""

    id: int
    kind: str
    thing: str
    name: str
    reason: str
    until: datetime
    made_at: datetime
    made_by: str


class RuleItem(BaseModel):
    """seconds: for how long it must be so. threshold: from where on it counts, in percent or days, 0 for none."""

    kind: str
    title: str
    means: str
    enabled: bool
    severity: str
    seconds: int
    threshold: int


class RuleChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool | None = None
    severity: str | None = Field(None, max_length=10)
    seconds: int | None = None
    threshold: int | None = None


def of(alert: Alert) -> Thing | None:
    noun, _, pk = alert.thing.partition(":")
    return Thing(kind=noun, id=int(pk), name=alert.name) if noun else None


def items(who: Any, found: list[Alert]) -> list[AlertItem]:
    silenced = {line.alert.pk: line.silence.until for line in alerts.make_lines(who, found) if line.silence}
    return [
        AlertItem(
            id=alert.pk, kind=alert.kind, title=alert_title(alert.kind), severity=alert.severity, of=of(alert),
            detail=alert_sentence(alert), params=alert.params, begun_at=alert.begun_at, ended_at=alert.ended_at,
            acknowledged_at=alert.acknowledged_at, acknowledged_by=alert.acknowledged_by,
            silenced_until=silenced.get(alert.pk),
        )
        for alert in found
    ]  # fmt: skip


def silence_item(silence: AlertSilence) -> SilenceItem:
    return SilenceItem(
        id=silence.pk, kind=silence.kind, thing=silence.thing, name=silence.name, reason=silence.reason,
        until=silence.until, made_at=silence.made_at, made_by=silence.made_by,
    )  # fmt: skip


def rule_item(rule: AlertRule) -> RuleItem:
    return RuleItem(
        kind=rule.kind, title=alert_title(rule.kind), means=alert_means(rule.kind), enabled=rule.enabled,
        severity=rule.severity, seconds=rule.seconds, threshold=rule.threshold,
    )  # fmt: skip


@router.get("", response=answers(200, Listing[AlertItem]), summary="About what one sees, the latest first")
def index(
    request: HttpRequest,
    state: Literal["open", "ended", "all"] = "all",
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Listing[AlertItem]:
    who = actor(request)
    found = alerts.find_alerts(who, state)
    return listing(found, lambda rows: items(who, rows), page, page_size, timezone.now())


@router.get("/{int:alert_id}", response=answers(200, AlertItem, 404), summary="One")
def show(request: HttpRequest, alert_id: int) -> AlertItem:
    who = actor(request)
    return items(who, [get_alert_or_404(who, alert_id)])[0]


@router.post(
    "/{int:alert_id}/acknowledge", response=answers(200, AlertItem, 400, 403, 404), summary="Somebody is at it"
)
def acknowledge(request: HttpRequest, alert_id: int, body: Nothing = None) -> AlertItem:
    """It waits for nobody any more, until it ends."""
    who = actor(request)
    alerts.acknowledge(who, get_alert_or_404(who, alert_id))
    return items(who, [get_alert_or_404(who, alert_id)])[0]


@router.post("/{int:alert_id}/silence", response=answers(201, SilenceItem, 400, 403, 404), summary="Tell no more of it")
def silence(request: HttpRequest, alert_id: int, body: SilenceWish) -> Status[SilenceItem]:
    who = actor(request)
    made = alerts.silence(who, get_alert_or_404(who, alert_id), **body.model_dump())
    return Status(201, silence_item(made))


@silences_router.get("", response=answers(200, Listing[SilenceItem], 403), summary="Those that hold now")
def silences(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[SilenceItem]:
    found = alerts.find_silences(actor(request))
    return listing(found, lambda rows: [silence_item(row) for row in rows], page, page_size, timezone.now())


@silences_router.delete("/{int:silence_id}", response=answers(204, None, 403, 404), summary="End one")
def end_silence(request: HttpRequest, silence_id: int) -> Status[None]:
    alerts.end_silence(actor(request), silence_id)
    return Status(204, None)


@rules_router.get("", response=answers(200, list[RuleItem], 403), summary="What is looked for, and when it is told")
def rules(request: HttpRequest) -> list[RuleItem]:
    return [rule_item(rule) for rule in alerts.find_rules(actor(request))]


@rules_router.patch("/{str:kind}", response=answers(200, RuleItem, 400, 403, 404), summary="Change one")
def change_rule(request: HttpRequest, kind: Annotated[str, Field(max_length=40)], body: RuleChange) -> RuleItem:
    return rule_item(alerts.change_rule(actor(request), kind, body.model_dump(exclude_none=True)))
