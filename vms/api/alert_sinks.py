"""Where alerts are told outside the dashboard."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import Nothing
from vms.models import AlertDelivery, AlertSink
from vms.services import alert_sinks
from vms.services.alert_words import delivery_word

router = Router(tags=["alerts"])

Name = Annotated[str, Field(max_length=alert_sinks.LONGEST_NAME)]
Address = Annotated[str, Field(max_length=alert_sinks.LONGEST_ADDRESS)]
Severity = Literal["warning", "critical"]


class SinkWish(BaseModel):
    """address: the URL of a webhook, or addresses of mail with commas between them. least: of which severity on."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    kind: Literal["webhook", "mail"]
    address: Address
    least: Severity = "warning"


class SinkChange(BaseModel):
    """What is left out stays as it is. With another address a webhook gets another key."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    address: Address | None = None
    least: Severity | None = None
    enabled: bool | None = None


class SinkItem(BaseModel):
    """address: of a webhook only whom it leads to, since the rest may be a secret. owner: in whose name it is told.
    failing_since: since when nothing has arrived that was sent; error: why, in words."""

    id: int
    name: str
    kind: str
    address: str
    least: str
    enabled: bool
    owner: str
    sent_at: datetime | None
    failing_since: datetime | None
    error: str


class SinkMade(SinkItem):
    """key: with which what a webhook gets is signed, "" where it has no new one; shown here only."""

    key: str


class DeliveryItem(BaseModel):
    """what: "begun", "ended" or "test". due_at: when it is tried again, null once it is over."""

    id: int
    what: str
    alert: int | None
    queued_at: datetime
    due_at: datetime | None
    sent_at: datetime | None
    attempts: int
    error: str


def fields(sink: AlertSink) -> dict[str, object]:
    return {
        "id": sink.pk, "name": sink.name, "kind": sink.kind, "address": sink.address, "least": sink.least,
        "enabled": sink.enabled, "owner": sink.owner.get_username() if sink.owner else "", "sent_at": sink.sent_at,
        "failing_since": sink.failing_since, "error": delivery_word(sink.error_code),
    }  # fmt: skip


def item(sink: AlertSink) -> SinkItem:
    return SinkItem.model_validate(fields(sink))


def made(sink: AlertSink, key: str) -> SinkMade:
    return SinkMade.model_validate({**fields(sink), "key": key})


def delivery_item(delivery: AlertDelivery) -> DeliveryItem:
    return DeliveryItem(
        id=delivery.pk, what=delivery.what, alert=delivery.alert_id, queued_at=delivery.queued_at,
        due_at=delivery.due_at, sent_at=delivery.sent_at, attempts=delivery.attempts,
        error=delivery_word(delivery.error_code),
    )  # fmt: skip


@router.get("", response=answers(200, Listing[SinkItem], 403), summary="All")
def index(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[SinkItem]:
    found = alert_sinks.find_sinks(actor(request))
    return listing(found, lambda rows: [item(row) for row in rows], page, page_size, timezone.now())


@router.post("", response=answers(201, SinkMade, 400, 403), summary="Add one")
def add(request: HttpRequest, body: SinkWish) -> Status[SinkMade]:
    return Status(201, made(*alert_sinks.add(actor(request), body.model_dump())))


@router.get("/{int:sink_id}", response=answers(200, SinkItem, 403, 404), summary="One")
def show(request: HttpRequest, sink_id: int) -> SinkItem:
    return item(alert_sinks.get_sink_or_404(actor(request), sink_id))


@router.patch("/{int:sink_id}", response=answers(200, SinkMade, 400, 403, 404), summary="Change one")
def change(request: HttpRequest, sink_id: int, body: SinkChange) -> SinkMade:
    who = actor(request)
    sink = alert_sinks.get_sink_or_404(who, sink_id)
    key = alert_sinks.change(who, sink, body.model_dump(exclude_none=True))
    return made(alert_sinks.get_sink_or_404(who, sink_id), key)


@router.delete("/{int:sink_id}", response=answers(204, None, 403, 404), summary="Remove one")
def remove(request: HttpRequest, sink_id: int) -> Status[None]:
    who = actor(request)
    alert_sinks.remove(who, alert_sinks.get_sink_or_404(who, sink_id))
    return Status(204, None)


@router.get("/{int:sink_id}/deliveries", response=answers(200, list[DeliveryItem], 403, 404), summary="The last ones")
def deliveries(request: HttpRequest, sink_id: int) -> list[DeliveryItem]:
    sink = alert_sinks.get_sink_or_404(actor(request), sink_id)
    return [delivery_item(each) for each in alert_sinks.latest(sink)]


@router.post("/{int:sink_id}/test", response=answers(200, DeliveryItem, 400, 403, 404), summary="Send a test there")
def test(request: HttpRequest, sink_id: int, body: Nothing = None) -> DeliveryItem:
    """Among the deliveries stands what became of it."""
    who = actor(request)
    return delivery_item(alert_sinks.test(who, alert_sinks.get_sink_or_404(who, sink_id)))
