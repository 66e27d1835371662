"""What was done with a VM or a host, and what happened to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from ninja import Query, Router
from pydantic import BaseModel

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.metrics import From, To, wrong
from vms.models import Host, VirtualMachine
from vms.permissions import get_host_or_404, get_vm_or_404
from vms.services.alert_words import whole_sentence
from vms.services.sentences import happening, kind_title
from vms.services.stream import PARTS, Entry, stream

vms_router = Router(tags=["vms"])
hosts_router = Router(tags=["hosts"])

MOST = 200
# How far a moment may lie from now.
LONGEST = timedelta(days=36525)
Only = Annotated[str, Query(max_length=100, description="operations, events, alerts, consoles with commas; all")]


class Event(BaseModel):
    """sort: change is a definition that was changed outside the dashboard. id: of the operation, alert or console, the
    number of the version; null for an event. who: the person who did it, "" for nobody. state: of an operation."""

    at: datetime
    sort: Literal["operation", "event", "change", "alert", "console"]
    id: int | None
    vm: int | None
    text: str
    who: str
    state: str
    ended_at: datetime | None


class Events(BaseModel):
    """Newest first. more: there are older ones in this time; ask again with to= the last one's moment."""

    items: list[Event]
    more: bool


def item(entry: Entry) -> Event:
    """One of the five."""
    if operation := entry.operation:
        return Event(
            at=entry.at, sort="operation", id=operation.pk, vm=operation.vm_id, text=kind_title(operation.kind),
            who=operation.actor_name, state=operation.state, ended_at=operation.ended_at,
        )  # fmt: skip
    if version := entry.version:
        text = gettext("Changed outside the dashboard")
        return Event(
            at=entry.at, sort="change", id=version.number, vm=version.vm_id, text=text, who="", state="", ended_at=None
        )
    if alert := entry.alert:
        return Event(
            at=entry.at, sort="alert", id=alert.pk, vm=alert.vm_id, text=whole_sentence(alert), who="", state="",
            ended_at=alert.ended_at,
        )  # fmt: skip
    if console := entry.console:
        return Event(
            at=entry.at, sort="console", id=console.pk, vm=console.vm_id, text=gettext("Console"),
            who=console.user.get_username(), state="", ended_at=console.closed_at,
        )  # fmt: skip
    if happened := entry.happening:
        thing = happened.vm or happened.host
        text = f"{thing.name if thing else ''} {happening(happened.code, happened.params)}".strip()
        return Event(at=entry.at, sort="event", id=None, vm=happened.vm_id, text=text, who="", state="", ended_at=None)
    raise TypeError(entry)


def events(
    request: HttpRequest, start: datetime | None, end: datetime | None, only: str, limit: int, *,
    vm: VirtualMachine | None = None, host: Host | None = None,
) -> Events:  # fmt: skip
    parts = [name.strip() for name in only.split(",") if name.strip()]
    if set(parts) - set(PARTS):
        raise wrong("only", f"The parts are {', '.join(PARTS)}")
    now = timezone.now()
    for name, moment in (("from", start), ("to", end)):
        if moment and abs(aware(moment) - now) > LONGEST:
            raise wrong(name, "It is too far from now")
    since, before = (moment and aware(moment) for moment in (start, end))
    entries = stream(actor(request), vm=vm, host=host, only=parts, since=since, before=before, most=limit + 1)
    return Events(items=[item(entry) for entry in entries[:limit]], more=len(entries) > limit)


def aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Limit = Annotated[int, Query(ge=1, le=MOST)]


@vms_router.get(
    "/{int:vm_id}/events", response=answers(200, Events, 404), url_name="vm-events", summary="What happened to it"
)
def of_vm(
    request: HttpRequest, vm_id: int, start: From = None, to: To = None, only: Only = "", limit: Limit = 50
) -> Events:
    """Operations, events, changes from outside, alerts, and consoles: one's own, an administrator's are everybody's."""
    return events(request, start, to, only, limit, vm=get_vm_or_404(actor(request), vm_id))


@hosts_router.get(
    "/{int:host_id}/events", response=answers(200, Events, 404), url_name="host-events", summary="What happened to it"
)
def of_host(
    request: HttpRequest, host_id: int, start: From = None, to: To = None, only: Only = "", limit: Limit = 50
) -> Events:
    """Of the host and of the VMs on it, what the reader may see."""
    return events(request, start, to, only, limit, host=get_host_or_404(actor(request), host_id))
