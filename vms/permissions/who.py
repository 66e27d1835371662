"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AnonymousUser

from vms.models import ApiToken, User


@dataclass(frozen=True)
class Actor:
    """Who acts and by what: a signed-in session or an API token. authenticated_at: when that session last saw the
    password, None where it never did."""

    user: User
    session_key: str = ""
    token: ApiToken | None = None
    address: str = ""
    authenticated_at: datetime | None = None


Who = Actor | User | AnonymousUser | None


def account(who: Who) -> User | None:
    """The account behind it, where there is one that is not switched off."""
    user = who.user if isinstance(who, Actor) else who
    return user if isinstance(user, User) and user.is_active else None


def is_administrator(who: Who) -> bool:
    """Whether all privileges are his; is_staff and is_superuser say nothing."""
    user = account(who)
    return user is not None and user.is_administrator
