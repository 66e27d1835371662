"""Browser sessions: which live (asked once a second for all that hold a WebSocket or a console open), how long they
have left, and ending one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from vms.errors import NotAllowed
from vms.models import User
from vms.permissions import Actor, Who, account, may, require
from vms.services import audit

EVERYBODYS: Final = "user.admin"
# Less where the limit itself is only minutes.
EARLY: Final = 300


@dataclass(frozen=True)
class Left:
    """Seconds until the session ends: idle without further activity, absolute in any case; none is below 0. early: how
    long before that its pages say so."""

    idle: int
    absolute: int
    early: int


def within_limits(now: datetime) -> Q:
    """A condition on sessions: neither idle nor there for too long."""
    return Q(
        created_at__gte=now - timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS),
        last_seen_at__gte=now - timedelta(seconds=settings.SESSION_IDLE_SECONDS),
    )


def living(keys: Collection[str]) -> dict[str, User]:
    """{session key: its user} for those that are signed in, within their limits, and whose user is active.

    A sign-out, a time limit, a changed password or a switched-off account takes the key away. Two queries.
    """
    now = timezone.now()
    rows = UserSession.objects.select_related("user").filter(
        within_limits(now), session_key__in=keys, user__is_active=True
    )
    users = {row.session_key: row.user for row in rows}
    stored = Session.objects.filter(session_key__in=users, expire_date__gt=now)
    return {session.session_key: users[session.session_key] for session in stored if fits(session, users)}


def fits(session: Session, users: dict[str, User]) -> bool:
    """Whether the session was made with the user's present password."""
    made_with = session.get_decoded().get(HASH_SESSION_KEY, "")
    return constant_time_compare(made_with, users[session.session_key].get_session_auth_hash())


def find_living(who: Who) -> QuerySet[UserSession]:
    """The sessions that live, those last active first: an administrator's are everybody's, else one's own."""
    now = timezone.now()
    stored = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=now)
    sessions: QuerySet[UserSession] = (
        UserSession.objects.filter(within_limits(now), Exists(stored), user__is_active=True)
        .select_related("user")
        .order_by("-last_seen_at", "-pk")
    )
    return sessions if may(who, EVERYBODYS) else sessions.filter(user=account(who))


def end(actor: Actor, session: UserSession) -> None:
    """Sign that browser out; its pages and consoles hear it within a second. NotAllowed for somebody else's, and for a
    token."""
    require_person(actor)
    if session.user_id != actor.user.pk:
        require(actor, EVERYBODYS)
    with transaction.atomic():
        if UserSession.objects.filter(pk=session.pk).delete()[0]:
            Session.objects.filter(session_key=session.session_key).delete()
            audit.record("ended:session", actor=actor, of=session.user.get_username(), at=session.ip)


def require_person(actor: Actor) -> None:
    """NotAllowed where a token asks: who is in is decided by people."""
    if actor.token:
        raise NotAllowed(privilege=EVERYBODYS)


def touch(actor: Actor) -> None:
    """Somebody is at this browser."""
    UserSession.objects.filter(session_key=actor.session_key).update(last_seen_at=timezone.now())


def left(session: UserSession) -> Left:
    """How long it has, as of now."""
    now = timezone.now()
    idle = session.last_seen_at + timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    absolute = session.created_at + timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS)
    return Left(seconds(idle - now), seconds(absolute - now), early=min(EARLY, settings.SESSION_IDLE_SECONDS // 3))


def seconds(length: timedelta) -> int:
    return max(0, int(length.total_seconds()))
