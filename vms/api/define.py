"""VMs of definitions that administrators write."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.create import WarningItem
from vms.api.operations import IdempotencyKey, Started, accepted
from vms.permissions import get_host_or_404
from vms.services import define
from vms.services.sentences import warning

router = Router(tags=["vms"])


class Definition(BaseModel):
    """libvirt's definition of a domain, 1 MiB at most. Its UUID is replaced. What does not fit is said with its line,
    as the last of where."""

    model_config = ConfigDict(extra="forbid")

    xml: Annotated[str, Field(max_length=1 << 20)]


class DraftItem(BaseModel):
    """What would be made. xml: in which the UUID is still to be given. takes: of your quota. roots: places in it that
    equal root on the host, the first of them; more: how many others."""

    name: str
    xml: str
    warnings: list[WarningItem]
    takes: dict[str, int]
    roots: list[str]
    more: int


@router.post("/{int:host_id}/vms", response=answers(202, Started, 400, 403, 404, 409), summary="Define a VM from XML")
def add(
    request: HttpRequest, host_id: int, body: Definition, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    who = actor(request)
    host = get_host_or_404(who, host_id, to=define.PRIVILEGE)
    return accepted(request, response, define.define(who, host, body.xml, idempotency_key=key))


@router.post(
    "/{int:host_id}/vms/preview",
    response=answers(200, DraftItem, 400, 403, 404, 409),
    summary="What would be made of a definition",
)
def preview(request: HttpRequest, host_id: int, body: Definition) -> DraftItem:
    """By libvirt's schema alone: nothing is handed to the host."""
    who = actor(request)
    draft = define.draft(who, get_host_or_404(who, host_id, to=define.PRIVILEGE), body.xml)
    return DraftItem(
        name=draft.name,
        xml=draft.document.text,
        warnings=[WarningItem(code=each.code, text=warning(each.code, each.params)) for each in draft.warnings],
        takes=draft.takes,
        roots=list(draft.roots),
        more=draft.more,
    )
