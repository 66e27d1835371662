"""Who is in: browsers that are signed in and open consoles; administrators see all of them, others their own."""

from __future__ import annotations

from datetime import datetime

from allauth.usersessions.models import UserSession
from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.models import Console
from vms.services import consoles, sessions
from vms.services.browsers import browser_name

router = Router(tags=["sessions"])
consoles_router = Router(tags=["sessions"])


class SessionItem(BaseModel):
    """here: it is the one that asks."""

    id: int
    user: str
    since: datetime
    active_at: datetime
    address: str
    browser: str
    here: bool


class ConsoleItem(BaseModel):
    """token: the beginning of the one that opened it, empty for a session."""

    id: int
    user: str
    vm: int
    vm_name: str
    kind: str
    mode: str
    device: str
    since: datetime | None
    address: str
    token: str


def session_item(session: UserSession, here: str) -> SessionItem:
    return SessionItem(
        id=session.pk,
        user=session.user.get_username(),
        since=session.created_at,
        active_at=session.last_seen_at,
        address=session.ip or "",
        browser=browser_name(session.user_agent),
        here=session.session_key == here,
    )


def console_item(console: Console) -> ConsoleItem:
    return ConsoleItem(
        id=console.pk,
        user=console.user.get_username(),
        vm=console.vm_id,
        vm_name=console.vm.name,
        kind=console.kind,
        mode=console.mode,
        device=console.device,
        since=console.opened_at,
        address=console.address,
        token=console.token.prefix if console.token else "",
    )


@router.get("", response=answers(200, Listing[SessionItem]), summary="Those that live, last active first")
def index(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[SessionItem]:
    who = actor(request)
    found = sessions.find_living(who)
    return listing(
        found, lambda rows: [session_item(row, who.session_key) for row in rows], page, page_size, timezone.now()
    )


@router.delete(
    "/{int:session_id}",
    response=answers(204, None, 403, 404),
    summary="Sign that browser out, its consoles too; by a session, not by a token",
)
def end(request: HttpRequest, session_id: int) -> Status[None]:
    found = sessions.find_living(actor(request)).filter(pk=session_id).first()
    if found is None:
        raise Http404
    sessions.end(actor(request), found)
    return Status(204, None)


@consoles_router.get("", response=answers(200, Listing[ConsoleItem]), summary="Those that are open, newest first")
def open_consoles(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[ConsoleItem]:
    found = consoles.find_open(actor(request))
    return listing(found, lambda rows: [console_item(row) for row in rows], page, page_size, timezone.now())


@consoles_router.delete(
    "/{int:console_id}",
    response=answers(204, None, 403, 404),
    summary="Close it; by a session, not by a token",
)
def close(request: HttpRequest, console_id: int) -> Status[None]:
    found = consoles.find_open(actor(request)).filter(pk=console_id).first()
    if found is None:
        raise Http404
    consoles.dismiss(actor(request), found)
    return Status(204, None)
