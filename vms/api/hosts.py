"""Hosts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import BaseModel

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import IdempotencyKey, Nothing, Started, start
from vms.kinds.hosts import GET_READY
from vms.models import Host
from vms.permissions import get_host_or_404, visible_hosts
from vms.services.freshness import freshness
from vms.services.sentences import sentence

router = Router(tags=["hosts"])


class HostError(BaseModel):
    code: str
    detail: str
    details: str


class HostItem(BaseModel):
    """facts is what the host said of itself when it was last heard."""

    id: int
    uuid: str | None
    name: str
    driver: str
    answering: bool
    heard_at: datetime | None
    error: HostError | None
    facts: dict[str, Any]


def item(host: Host) -> HostItem:
    error = None
    if host.error_code:
        error = HostError(
            code=host.error_code,
            detail=sentence(host.error_code, {"host": host.name}),
            details=host.error_details,
        )
    return HostItem(
        id=host.pk,
        uuid=str(host.libvirt_uuid) if host.libvirt_uuid else None,
        name=host.name,
        driver=host.driver,
        answering=freshness(host) == "live",
        heard_at=host.heard_at,
        error=error,
        facts=host.facts,
    )


def fresh_at(hosts: QuerySet[Host]) -> datetime | None:
    """When the one that was silent for longest was heard; None when one never was."""
    heard = list(hosts.values_list("heard_at", flat=True))
    known = [at for at in heard if at is not None]
    return min(known) if known and len(known) == len(heard) else None


@router.get("", response=answers(200, Listing[HostItem]), summary="Those that you may see")
def index(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[HostItem]:
    hosts = visible_hosts(actor(request).user).order_by("name", "pk")
    return listing(hosts, item, page, page_size, fresh_at(hosts))


@router.get("/{int:host_id}", response=answers(200, HostItem, 404), summary="One")
def show(request: HttpRequest, host_id: int) -> HostItem:
    return item(get_host_or_404(actor(request).user, host_id))


@router.post(
    "/{int:host_id}/get-ready",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Start its default network and pool, where absent, and on every boot",
)
def get_ready(
    request: HttpRequest, host_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    return start(request, response, GET_READY, get_host_or_404(actor(request).user, host_id), key)
