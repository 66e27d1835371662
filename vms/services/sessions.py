"""Which browser sessions live: asked once a second for all that hold a WebSocket or a console open."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from vms.models import User


def living(keys: Collection[str]) -> dict[str, User]:
    """{session key: its user} for those that are signed in, within their limits, and whose user is active.

    A sign-out, a time limit, a changed password or a switched-off account takes the key away. Two queries.
    """
    now = timezone.now()
    rows = UserSession.objects.select_related("user").filter(
        session_key__in=keys,
        user__is_active=True,
        created_at__gte=now - timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS),
        last_seen_at__gte=now - timedelta(seconds=settings.SESSION_IDLE_SECONDS),
    )
    users = {row.session_key: row.user for row in rows}
    stored = Session.objects.filter(session_key__in=users, expire_date__gt=now)
    return {session.session_key: users[session.session_key] for session in stored if fits(session, users)}


def fits(session: Session, users: dict[str, User]) -> bool:
    """Whether the session was made with the user's present password."""
    made_with = session.get_decoded().get(HASH_SESSION_KEY, "")
    return constant_time_compare(made_with, users[session.session_key].get_session_auth_hash())
