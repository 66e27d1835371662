"""Who acts, as a request tells it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import Message

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest

from vms.models import User
from vms.permissions import Actor


def client_address(request: HttpRequest) -> str:
    """The client's address as the front set it, "" without one; X-Forwarded-For is what a client says and unread."""
    return address_in(request.headers)


def address_in(headers: Mapping[str, str] | Message) -> str:
    """The same from the headers alone."""
    try:
        return str(ipaddress.ip_address(headers.get("X-Real-IP", "")))
    except ValueError:
        return ""


def session_actor(request: HttpRequest) -> Actor:
    """The signed-in user of a browser's request; only behind a check that there is one."""
    if not isinstance(request.user, User):
        raise PermissionError("nobody is signed in")
    return Actor(
        request.user,
        session_key=request.session.session_key or "",
        address=client_address(request),
        authenticated_at=authenticated_at(request),
    )


def authenticated_at(request: HttpRequest) -> datetime | None:
    """When the session last saw its user's password (or another factor of his); None where it never did."""
    records = get_authentication_records(request, request.user)
    return datetime.fromtimestamp(records[-1]["at"], UTC) if records else None
