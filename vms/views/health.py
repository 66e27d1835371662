"""For who watches over the dashboard: is the process there, is everything there."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from vms.models import User
from vms.permissions import Actor, Who, may
from vms.services import health, tokens
from vms.services.actors import client_address


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when all parts answer, else 503; which do not is told to administrators only."""
    parts = health.parts()
    ready = all(parts.values())
    told = {"ready": ready, **({"parts": parts} if may(asker(request), "site.health") else {})}
    response = JsonResponse(told, status=200 if ready else 503)
    # Django would log each 503 as an error of ours, and probes come every few seconds.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def asker(request: HttpRequest) -> Who:
    """Who asks by the token, else the signed-in one; a bad token is nobody."""
    if "Authorization" in request.headers:
        text = request.headers["Authorization"].removeprefix("Bearer ").strip()
        token = tokens.find(text, client_address(request))
        return Actor(token.user, token=token) if token else None
    return request.user if isinstance(request.user, User) else None
