"""Who sends a request that does not come through Django: a browser's session or a bearer token, by the same rules."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponseForbidden
from django.middleware.csrf import CsrfViewMiddleware

from vms.permissions import Actor
from vms.services import failures, sessions, tokens
from vms.services.actors import client_address, session_actor


class Refused(Exception):
    """Nobody who may ask; status: 400, 401 or 403."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class CsrfCheck(CsrfViewMiddleware):
    """Django's check without its page."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponseForbidden:
        return HttpResponseForbidden(reason)


def unanswered(request: HttpRequest) -> HttpResponseForbidden:
    """Stands where the check expects a view."""
    return HttpResponseForbidden()


def find_actor(scope: dict[str, Any]) -> Actor:
    """Who asks; the request's body is not looked at. Raises Refused: an Authorization header that is not good is
    nobody, whatever cookie comes with it, and a cookie changes nothing without its CSRF header."""
    # Without a body no form is looked for in it, so that only the header counts.
    bare = {
        **scope,
        "headers": [pair for pair in scope["headers"] if pair[0] not in (b"content-type", b"content-length")],
    }
    request = ASGIRequest(bare, BytesIO())
    try:
        request.get_host()
    except SuspiciousOperation:
        raise Refused(400) from None
    if "Authorization" in request.headers:
        return bearer(request)
    return session(request)


def bearer(request: HttpRequest) -> Actor:
    address = client_address(request)
    kind, _, text = request.headers["Authorization"].partition(" ")
    found = tokens.find(text.strip(), address) if kind.lower() == "bearer" else None
    if found is None:
        failures.count("token", address)
        raise Refused(401)
    return Actor(found.user, token=found, address=address)


def session(request: HttpRequest) -> Actor:
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    if not key or key not in sessions.living([key]):
        raise Refused(401)
    request.session = SessionStore(key)
    request.user = get_user(request)
    if not request.user.is_authenticated:
        raise Refused(401)
    check = CsrfCheck(unanswered)
    check.process_request(request)
    if check.process_view(request, unanswered, (), {}) is not None:
        raise Refused(403)
    return session_actor(request)
