"""A ticket for a VM's screen."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, ConfigDict

from vms.api.answers import answers
from vms.api.auth import actor
from vms.permissions import get_vm_or_404
from vms.services import consoles

router = Router(tags=["console"])


class ConsoleWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["vnc"] = "vnc"
    mode: Literal["drive", "view"] = "drive"


class ConsoleTicket(BaseModel):
    """url is a WebSocket's, relative to this site; it opens once, within 30 seconds, for who asked."""

    url: str
    ticket: str


@router.post(
    "/{int:vm_id}/console", response=answers(200, ConsoleTicket, 400, 403, 404, 409), summary="A ticket for its screen"
)
def open_console(request: HttpRequest, vm_id: int, body: ConsoleWish) -> ConsoleTicket:
    vm = get_vm_or_404(actor(request).user, vm_id)
    console, ticket = consoles.issue(actor(request), vm, kind=body.kind, mode=body.mode)
    return ConsoleTicket(url=consoles.address(console, ticket), ticket=ticket)
