"""Whether somebody signed in just now. A browser may have been left open: what equals root on a host, or gives rights
and ways in to others, is not for whoever sits down in front of it."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from vms.errors import NotFresh
from vms.kinds.privileges import PRIVILEGES
from vms.permissions.who import Actor, Who


def is_fresh(who: Who) -> bool:
    """Whether the session saw its user's password within the limit. Others than sessions are not asked: a token's scope
    names what it may, and a worker does what was asked for when it was fresh."""
    if not isinstance(who, Actor) or not who.session_key:
        return True
    # A time in the future is from before the clock was set back.
    limit = timedelta(seconds=settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)
    return who.authenticated_at is not None and abs(timezone.now() - who.authenticated_at) <= limit


def require_fresh(who: Who) -> None:
    """Nothing, or NotFresh."""
    if not is_fresh(who):
        raise NotFresh(minutes=max(1, settings.ACCOUNT_REAUTHENTICATION_TIMEOUT // 60))


def require_fresh_for(who: Who, privilege: str) -> None:
    """The same where the privilege equals root on a host."""
    if PRIVILEGES[privilege].root:
        require_fresh(who)
