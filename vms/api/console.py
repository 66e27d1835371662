"""Tickets for a VM's screen and serial lines, and taking over a line."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.permissions import get_vm_or_404
from vms.services import consoles, driving

router = Router(tags=["console"])


class ConsoleWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["vnc", "serial"] = "vnc"
    mode: Literal["drive", "view"] = "drive"
    device: str = Field("", max_length=40)
    force: bool = False


class ConsoleTicket(BaseModel):
    """url is a WebSocket's, relative to this site; it opens once, within 30 seconds, for who asked.

    mode: the one that was given, which is view where somebody else drives the serial line.
    """

    url: str
    ticket: str
    console: int
    mode: str


class TakeOver(BaseModel):
    model_config = ConfigDict(extra="forbid")

    console: int = Field(ge=1, le=2**63 - 1)


class Taken(BaseModel):
    console: int
    mode: str


@router.post(
    "/{int:vm_id}/console",
    response=answers(200, ConsoleTicket, 400, 403, 404, 409),
    summary="A ticket for its screen or serial line",
)
def open_console(request: HttpRequest, vm_id: int, body: ConsoleWish) -> ConsoleTicket:
    vm = get_vm_or_404(actor(request), vm_id)
    console, ticket = consoles.issue(
        actor(request), vm, kind=body.kind, mode=body.mode, device=body.device, force=body.force
    )
    return ConsoleTicket(url=consoles.address(console, ticket), ticket=ticket, console=console.pk, mode=console.mode)


@router.post(
    "/{int:vm_id}/console/take-over",
    response=answers(200, Taken, 400, 403, 404, 409),
    summary="Type into a serial line in the place of whoever does",
)
def take_over(request: HttpRequest, vm_id: int, body: TakeOver) -> Taken:
    """console: one of your own on that line, opened by this session or token."""
    vm = get_vm_or_404(actor(request), vm_id)
    console = driving.take_over(actor(request), vm, body.console)
    return Taken(console=console.pk, mode=console.mode)
