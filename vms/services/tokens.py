"""API tokens: made once, stored as a hash, believed until they expire, are revoked, or their user is disabled.

What one can do is in its scopes and what its user holds at that moment (vms.permissions). People make and end them, in
a session or at the machine's command line; a token does neither.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from django.db import OperationalError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from vms.errors import BadFields, NeedsPerson
from vms.kinds.privileges import PRIVILEGES
from vms.kinds.scopes import ALL, SCOPES
from vms.models import ApiToken, User
from vms.permissions import Actor, is_administrator, may, require, require_fresh
from vms.services import audit

PREFIX: Final = "kvmweb_"
SHOWN: Final = 12
DAYS: Final = 90
MOST_DAYS: Final = 365
LONGEST_NAME: Final = 100
NOTED_EVERY: Final = timedelta(minutes=1)
# Whoever may change accounts may end the tokens of others.
ADMIN: Final = "user.admin"


def digest(text: str) -> str:
    """What is stored of a token; its 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(text.encode()).hexdigest()


def create(
    user: User, *, name: str = "", days: int = DAYS, scopes: Collection[str] = (ALL,), actor: Actor | None = None
) -> tuple[ApiToken, str]:
    """The row and the token itself, which nobody can read again. By an actor through make(); without one it is the
    machine's command line, which needs no name. Raises BadFields ("scopes")."""
    if wrong := wrong_scopes(user, scopes):
        raise BadFields(wrong)
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=user,
            name=name,
            prefix=text[:SHOWN],
            token_hash=digest(text),
            scopes=f" {' '.join(ordered(scopes))} ",
            expires_at=timezone.now() + timedelta(days=days),
        )
        tell("created:token", actor, prefix=token.prefix, name=name, owner=user.get_username(), days=days,
             scopes=token.scope_names)  # fmt: skip
    return token, text


def make(actor: Actor, *, name: str, scopes: Collection[str], days: int = DAYS) -> tuple[ApiToken, str]:
    """One's own new token, and its text. Raises NeedsPerson, NotFresh, BadFields ("name", "scopes", "days")."""
    require_person(actor)
    require_fresh(actor)
    with transaction.atomic():
        # One after the other, so that two of the same name are seen (SQLite has one writer anyway).
        user = User.objects.select_for_update().get(pk=actor.user.pk)
        wrong = {**wrong_name(user, name), **wrong_scopes(user, scopes)}
        if not 1 <= days <= MOST_DAYS:
            wrong["days"] = "days"
        if wrong:
            raise BadFields(wrong)
        return create(user, name=name, days=days, scopes=scopes, actor=actor)


def require_person(actor: Actor) -> None:
    """NeedsPerson where a token asks."""
    if actor.token:
        raise NeedsPerson(privilege="")


def wrong_name(user: User, name: str) -> dict[str, str]:
    """The living ones of a user are told apart by their names."""
    if not name or len(name) > LONGEST_NAME:
        return {"name": "label_long" if name else "missing"}
    if not name.isprintable():
        return {"name": "text"}
    return {"name": "token_name"} if living(user).filter(name=name).exists() else {}


def wrong_scopes(user: User, scopes: Collection[str]) -> dict[str, str]:
    """A scope may go beyond what the user holds today, because grants come and go and are asked for at each use. What
    equals root is no grant's to give, so that one is refused at once."""
    if not scopes:
        return {"scopes": "missing"}
    if set(scopes) - set(SCOPES):
        return {"scopes": "scope"}
    root = any(name in PRIVILEGES and PRIVILEGES[name].root for name in scopes)
    return {"scopes": "scope_root"} if root and not is_administrator(user) else {}


def ordered(scopes: Collection[str]) -> list[str]:
    """Each once, as the table has them."""
    return [name for name in SCOPES if name in scopes]


def living(user: User) -> QuerySet[ApiToken]:
    """The user's tokens that open something, the newest first."""
    return ApiToken.objects.filter(user=user, revoked_at=None, expires_at__gt=timezone.now()).order_by("-pk")


def visible_tokens(actor: Actor, user: User | None = None) -> QuerySet[ApiToken]:
    """The living tokens of oneself, or of another for who may change accounts. Raises NeedsPerson, NotAllowed."""
    require_person(actor)
    if user is not None and user.pk != actor.user.pk:
        require(actor, ADMIN)
    return living(user or actor.user).select_related("user")


def get_token(actor: Actor, pk: int) -> ApiToken | None:
    """The living token, where it is one's own or one may change accounts; else none. Raises NeedsPerson."""
    require_person(actor)
    tokens = ApiToken.objects.select_related("user").filter(pk=pk, revoked_at=None, expires_at__gt=timezone.now())
    return (tokens if may(actor, ADMIN) else tokens.filter(user=actor.user)).first()


def end(actor: Actor, token: ApiToken) -> None:
    """End it: it opens nothing any more, what it asked for and did not begin is not done, and its consoles close within
    seconds. Raises NeedsPerson, NotAllowed."""
    require_person(actor)
    if token.user_id != actor.user.pk:
        require(actor, ADMIN)
    with transaction.atomic():
        if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            tell("revoked:token", actor, prefix=token.prefix, name=token.name, owner=token.user.get_username())


def find(text: str, address: str = "") -> ApiToken | None:
    """The token with its user while both are good. Notes the use and from where, if it can: at most once a minute, but
    another address at once."""
    now = timezone.now()
    token = (
        ApiToken.objects.select_related("user")
        .filter(token_hash=digest(text), revoked_at=None, expires_at__gt=now, user__is_active=True)
        .first()
    )
    if token and (
        token.last_used_at is None or token.last_used_at < now - NOTED_EVERY or token.last_address != address
    ):
        with suppress(OperationalError):
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now, last_address=address)
    return token


def revoke(user: User, prefix: str) -> int:
    """End the user's tokens that begin with these characters, at the machine's command line; how many it were."""
    tokens = ApiToken.objects.filter(user=user, prefix=prefix[:SHOWN], revoked_at=None)
    with transaction.atomic():
        ended = tokens.update(revoked_at=timezone.now())
        tell("revoked:token", None, prefix=prefix[:SHOWN], owner=user.get_username(), tokens=ended)
    return ended


def tell(action: str, actor: Actor | None, **facts: Any) -> None:
    audit.record(action, actor=actor, address="" if actor else "manage.py", **facts)
