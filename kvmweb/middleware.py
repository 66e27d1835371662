"""Sessions end when idle and at the latest after a fixed time, whatever refreshes itself meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import logout
from django.db import OperationalError, transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from vms.services import audit
from vms.services.actors import session_actor

Handler = Callable[[HttpRequest], HttpResponseBase]

TOUCH_EVERY = timedelta(minutes=1)


def ended(session: UserSession, now: datetime) -> bool:
    """Whether the session is past its idle or absolute limit."""
    return bool(
        session.created_at < now - timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS)
        or session.last_seen_at < now - timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    )


def end(request: HttpRequest, session: UserSession | None) -> None:
    """Sign out, and say so in the audit where it was its age; who ended it otherwise has said so himself."""
    with transaction.atomic():
        if session is not None:
            audit.record("expired:session", actor=session_actor(request), since=session.created_at.isoformat())
        logout(request)


def session_age(get_response: Handler) -> Handler:
    """Sign out a session past its idle or absolute limit; note activity at most once a minute.

    A request with the header X-Kvmweb-Refresh renews a page by itself and is no activity. The session's row is the
    request's user_session from here on.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated:
            session = UserSession.objects.filter(session_key=request.session.session_key).first()
            now = timezone.now()
            if session is None or ended(session, now):
                end(request, session)
            else:
                if "X-Kvmweb-Refresh" not in request.headers and session.last_seen_at < now - TOUCH_EVERY:
                    # A page is shown also where that cannot be noted, as on a full disk.
                    with suppress(OperationalError):
                        UserSession.objects.filter(pk=session.pk).update(last_seen_at=now)
                        session.last_seen_at = now
                request.user_session = session  # type: ignore[attr-defined]
        return get_response(request)

    return middleware
