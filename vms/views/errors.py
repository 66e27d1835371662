"""The pages for what went wrong before a view could answer, and for what was refused."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from redis import RedisError

from vms.errors import NotAllowed, RequestRefused
from vms.services.sentences import sentence

logger = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponseBase]


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 with the way out: reload the page and send again."""
    return render(request, "csrf_failure.html", status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 for what no browser of ours sends."""
    return render(request, "400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 for what one sees and may not do."""
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, the same words for what does not exist and what one may not see."""
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500 without details, which are in the log; nothing is asked of a database that may be what is broken."""
    return render(request, "500.html", {"frame": None}, status=500)


def refusals(get_response: Handler) -> Handler:
    """What no view answered becomes a page: 403 for a missing right, 409 with the sentence of another refusal, 503
    while Redis is away (signing in counts there)."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return get_response(request)

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, NotAllowed):
            return forbidden(request, exception)
        if isinstance(exception, RequestRefused):
            said = sentence(exception.code, exception.params)
            return render(request, "409.html", {"said": said}, status=409)
        if isinstance(exception, RedisError):
            logger.error("Redis does not answer: %s", exception)
            return render(request, "503.html", {"frame": None}, status=503)
        return None

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware
