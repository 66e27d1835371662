"""The pages for what went wrong before a view could answer, and for what was refused."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from redis import RedisError

from vms.errors import NotAllowed, NotFresh, RequestRefused
from vms.services import disk
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
    """500 without details, which are in the log, or what trouble() says; nothing is asked of a database that may be
    what is broken."""
    error = sys.exc_info()[1]
    return (trouble(request, error) if error else None) or render(request, "500.html", {"frame": None}, status=500)


def trouble(request: HttpRequest, error: BaseException) -> HttpResponse | None:
    """The page for what is no mistake of ours: 507 for a full disk, 503 while Redis or the database does not answer."""
    if isinstance(error, OperationalError) and disk.is_full(error):
        logger.error("the disk is full: %s", error)
        return render(request, "507.html", {"frame": None, "folder": settings.STATE.root}, status=507)
    if isinstance(error, RedisError | OperationalError):
        part = "Redis" if isinstance(error, RedisError) else gettext("its database")
        logger.error("%s does not answer: %s", part, error)
        return render(request, "503.html", {"frame": None, "part": part}, status=503)
    return None


def not_fresh(request: HttpRequest, exception: NotFresh) -> HttpResponse:
    """Who wants to see a form gives his password first; where one was sent already, a page says how to send it again:
    nothing of it is kept here, because it may hold keys. A script is told where to go."""
    script = "HX-Request" in request.headers
    asked = request.method in ("GET", "HEAD") and not script
    to = request.get_full_path() if asked else came_from(request)
    confirm = f"{reverse('account_reauthenticate')}?{urlencode({'next': to})}"
    if asked:
        return redirect(confirm)
    if script:
        return HttpResponse(status=403, headers={"HX-Redirect": confirm})
    said = sentence(exception.code, exception.params)
    return render(request, "not_fresh.html", {"said": said, "confirm": confirm}, status=403)


def came_from(request: HttpRequest) -> str:
    """The page of ours on which the request was made."""
    page = request.headers.get("Referer", "")
    ours = url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    parts = urlsplit(page if ours else "")
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def refusals(get_response: Handler) -> Handler:
    """What no view answered becomes a page: 403 for a missing right, what not_fresh() and trouble() say (signing in
    counts in Redis), 409 with the sentence of another refusal."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return get_response(request)

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, NotAllowed):
            return forbidden(request, exception)
        if isinstance(exception, NotFresh):
            return not_fresh(request, exception)
        if isinstance(exception, RequestRefused):
            said = sentence(exception.code, exception.params)
            return render(request, "409.html", {"said": said}, status=409)
        return trouble(request, exception)

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware
