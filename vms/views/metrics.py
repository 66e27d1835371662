"""Numbers for Prometheus, and the pages with charts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from vms.permissions import may
from vms.services import failures, prometheus
from vms.services.actors import client_address
from vms.views.health import asker


@require_safe
def scrape(request: HttpRequest) -> HttpResponse:
    """All numbers, for who may read them all: by a token, or in his session."""
    who = asker(request)
    if who is None:
        if "Authorization" in request.headers:
            failures.count("token", client_address(request))
        return HttpResponse("A token is needed.\n", "text/plain", 401, headers={"WWW-Authenticate": "Bearer"})
    if not may(who, prometheus.PRIVILEGE):
        return HttpResponse(f"It needs {prometheus.PRIVILEGE}.\n", "text/plain", 403)
    return HttpResponse(prometheus.exposition(who), prometheus.CONTENT_TYPE)
