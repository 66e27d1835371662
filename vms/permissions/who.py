"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AnonymousUser

from vms.kinds.privileges import PRIVILEGES
from vms.kinds.scopes import let_through
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


def in_scope(who: Who) -> frozenset[str]:
    """The privileges that he can use by what he asks with: all by a session, by a token those of its scopes."""
    token = who.token if isinstance(who, Actor) else None
    return let_through(token.scope_names) if token else frozenset(PRIVILEGES)


def is_administrator(who: Who, *privileges: str) -> bool:
    """Whether he needs no grant for these privileges, nor for any where none is named; is_staff and is_superuser say
    nothing. By a token only where they are named and in its scopes: no token has all."""
    user = account(who)
    if user is None or not user.is_administrator:
        return False
    if isinstance(who, Actor) and who.token:
        return bool(privileges) and in_scope(who) >= set(privileges)
    return True
