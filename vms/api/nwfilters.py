"""A host's network filters."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.operations import IdempotencyKey, Started, accepted
from vms.permissions import get_host_or_404, require_all
from vms.services import nwfilters
from vms.services.networks import PRIVILEGE

router = Router(tags=["networks"])


class FilterUser(BaseModel):
    id: int
    name: str


class FilterItem(BaseModel):
    """vms: those with a card behind it; filters: those that are made of it."""

    uuid: str
    name: str
    document: str
    vms: list[FilterUser]
    filters: list[str]


class FilterWish(BaseModel):
    """It replaces one of its name."""

    model_config = ConfigDict(extra="forbid")

    document: Annotated[str, Field(max_length=1 << 20)]


@router.get("/{int:host_id}/nwfilters", response=answers(200, list[FilterItem], 403, 404), summary="And who needs them")
def index(request: HttpRequest, host_id: int) -> list[FilterItem]:
    host = get_host_or_404(actor(request), host_id)
    require_all(actor(request), [PRIVILEGE], host, fresh=False)
    return [
        FilterItem(
            uuid=str(each.row.uuid),
            name=each.row.name,
            document=each.row.document,
            vms=[FilterUser(id=vm.pk, name=vm.name) for vm in each.vms],
            filters=each.filters,
        )
        for each in nwfilters.known(host)
    ]


@router.post("/{int:host_id}/nwfilters", response=answers(202, Started, 400, 403, 404, 409), summary="Set one")
def define(
    request: HttpRequest, host_id: int, body: FilterWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    host = get_host_or_404(actor(request), host_id)
    return accepted(request, response, nwfilters.define(actor(request), host, body.document, key))


@router.delete(
    "/{int:host_id}/nwfilters/{uuid:filter_uuid}",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Let the host forget one that nothing needs",
)
def delete(
    request: HttpRequest, host_id: int, filter_uuid: UUID, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    host = get_host_or_404(actor(request), host_id)
    return accepted(request, response, nwfilters.delete(actor(request), host, str(filter_uuid), key))
