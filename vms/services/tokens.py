"""API tokens: made once, stored as a hash, believed until they expire, are revoked, or their user is disabled."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import Final

from django.db import OperationalError, transaction
from django.utils import timezone

from vms.models import ApiToken, User
from vms.services import audit

PREFIX: Final = "kvmweb_"
SHOWN: Final = 12
DAYS: Final = 90
NOTED_EVERY: Final = timedelta(minutes=1)


def digest(text: str) -> str:
    """What is stored of a token; its 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(text.encode()).hexdigest()


def create(user: User, *, name: str = "", days: int = DAYS) -> tuple[ApiToken, str]:
    """The row and the token itself, which nobody can read again."""
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=user,
            name=name,
            prefix=text[:SHOWN],
            token_hash=digest(text),
            expires_at=timezone.now() + timedelta(days=days),
        )
        audit.record(
            "created:token", address="manage.py", prefix=token.prefix, name=name, owner=user.get_username(), days=days
        )
    return token, text


def find(text: str) -> ApiToken | None:
    """The token with its user while both are good; notes the use at most once a minute, if it can."""
    now = timezone.now()
    token = (
        ApiToken.objects.select_related("user")
        .filter(token_hash=digest(text), revoked_at=None, expires_at__gt=now, user__is_active=True)
        .first()
    )
    if token and (token.last_used_at is None or token.last_used_at < now - NOTED_EVERY):
        with suppress(OperationalError):
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def revoke(user: User, prefix: str) -> int:
    """End the user's tokens that begin with these characters; how many it were."""
    tokens = ApiToken.objects.filter(user=user, prefix=prefix[:SHOWN], revoked_at=None)
    with transaction.atomic():
        ended = tokens.update(revoked_at=timezone.now())
        audit.record(
            "revoked:token", address="manage.py", prefix=prefix[:SHOWN], owner=user.get_username(), tokens=ended
        )
    return ended
