"""Who asks: a browser's session, with CSRF for what changes something, or a bearer token, and never both."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.http import HttpRequest, HttpResponseForbidden
from django.middleware.csrf import CsrfViewMiddleware
from ninja.errors import AuthenticationError, AuthorizationError
from ninja.security import HttpBearer
from ninja.security.base import AuthBase

from vms.permissions import Actor
from vms.services import failures, tokens
from vms.services.actors import client_address, session_actor


class Bearer(HttpBearer):
    """A token in the Authorization header. One that is not good is refused, whatever cookie comes with it."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor:
        found = tokens.find(token, client_address(request))
        if found is None:
            failures.count("token", client_address(request))
            raise AuthenticationError
        return Actor(found.user, token=found, address=client_address(request))


def unanswered(request: HttpRequest) -> HttpResponseForbidden:
    """Stands where the check expects a view."""
    return HttpResponseForbidden()


class CsrfCheck(CsrfViewMiddleware):
    """Django's check without its page of explanation, which nobody here would read."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponseForbidden:
        return HttpResponseForbidden(reason)


class Session(AuthBase):
    """The session of a browser; not looked at when the request carries an Authorization header of any kind."""

    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Actor | None:
        if "Authorization" in request.headers or not request.user.is_authenticated:
            return None
        # Read now: the check looks for its token in a form, and a form that was read leaves no body to parse.
        len(request.body)
        # Ninja's views are exempt from the middleware's own check, which left no verdict that could be trusted here.
        request.csrf_processing_done = False  # type: ignore[attr-defined]
        check = CsrfCheck(unanswered)
        check.process_request(request)
        if check.process_view(request, unanswered, (), {}) is not None:
            raise AuthorizationError
        return session_actor(request)


def actor(request: HttpRequest) -> Actor:
    """Who was found to ask, for use in an operation's function."""
    return cast(Actor, request.auth)  # type: ignore[attr-defined]
