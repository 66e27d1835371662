"""What people did."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router
from pydantic import BaseModel

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.models import AuditEvent
from vms.services.audit_export import told
from vms.services.audit_search import Wish, find_events

router = Router(tags=["audit"])

Text = Annotated[str, Query(max_length=300)]
Since = Annotated[str, Query(alias="from", max_length=40)]
Until = Annotated[str, Query(alias="to", max_length=40)]


class AuditItem(BaseModel):
    """object is "vm:12" or "host:3". seq is its place in the chain and mac its seal; null until it is sealed."""

    id: int
    at: datetime
    user: str
    token: str
    address: str
    action: str
    object: str
    object_name: str
    facts: dict[str, Any]
    seq: int | None
    previous: str | None
    key: str | None
    mac: str | None


def items(events: list[AuditEvent]) -> list[AuditItem]:
    return [AuditItem(**told(event)) for event in events]


@router.get(
    "",
    response=answers(200, Listing[AuditItem], 403),
    summary="The latest first; from and to are days (whole ones) or times",
)
def index(
    request: HttpRequest,
    q: Text = "",
    actor_name: Annotated[str, Query(alias="actor", max_length=150)] = "",
    object: Annotated[str, Query(max_length=255)] = "",
    since: Since = "",
    until: Until = "",
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Listing[AuditItem]:
    wish = Wish(q=q, actor=actor_name, object=object, since=since, until=until)
    return listing(find_events(actor(request), wish), items, page, page_size, timezone.now())
