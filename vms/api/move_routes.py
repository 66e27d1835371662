"""By which way VMs go from a host to the others."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Id
from vms.errors import BadFields
from vms.models import MoveRoute
from vms.permissions import get_host_or_404, require, require_all, visible_hosts
from vms.services import move_routes

router = Router(tags=["hosts"])

Way = Literal["tls", "clear", "tunnel"]
Transport = Literal["tls", "ssh", "tcp"]


class RouteItem(BaseModel):
    """way: how memory goes; clear is readable on the way, tunnel goes through the connection of the two libvirts. peer:
    whether these speak with each other by themselves, by peer_transport. address: of the target as the source reaches
    it, "" for the usual one."""

    target: int
    way: Way
    peer: bool
    peer_transport: Transport
    address: str


class RouteWish(BaseModel):
    """target: the id of the host to which it leads."""

    model_config = ConfigDict(extra="forbid")

    target: Id
    way: Way = "tls"
    peer: bool = False
    peer_transport: Transport = "tls"
    address: Annotated[str, Field(max_length=255)] = ""


def item(route: MoveRoute) -> RouteItem:
    return RouteItem.model_validate(
        {
            "target": route.target_id, "way": route.way, "peer": route.peer, "peer_transport": route.peer_transport,
            "address": route.address,
        }
    )  # fmt: skip


@router.get(
    "/{int:host_id}/move-routes", response=answers(200, list[RouteItem], 403, 404), summary="To each other host"
)
def index(request: HttpRequest, host_id: int) -> list[RouteItem]:
    host = get_host_or_404(actor(request), host_id)
    require_all(actor(request), [move_routes.PRIVILEGE], host, fresh=False)
    return [item(route) for route in move_routes.routes(actor(request), host)]


@router.put(
    "/{int:host_id}/move-routes",
    response=answers(200, RouteItem, 400, 403, 404, 409),
    summary="Let VMs go so to one of them from now on",
)
def put(request: HttpRequest, host_id: int, body: RouteWish) -> RouteItem:
    source = get_host_or_404(actor(request), host_id)
    require(actor(request), move_routes.PRIVILEGE, source)
    target = visible_hosts(actor(request)).filter(pk=body.target).first()
    if target is None:
        raise BadFields({"target": "choice"})
    return item(move_routes.set_route(actor(request), source, target, body.model_dump(exclude={"target"})))
