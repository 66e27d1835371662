"""Accounts as an administrator makes and changes them, and the links by which people set their own passwords.

Whoever may do this holds every privilege (vms.permissions), so there is nobody who holds more than he does. Accounts
are switched off and never removed: what their owners did keeps its name.
"""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from typing import Any, Final

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from vms.errors import BadFields, InvitationRefused, LastAdministrator, NotAllowed, SwitchedOff
from vms.models import Invitation, User
from vms.permissions import Actor, Who, require, require_fresh
from vms.services import audit
from vms.services.tokens import digest

PRIVILEGE: Final = "user.admin"
INVITED_FOR: Final = timedelta(hours=48)
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9@.+_-]{0,149}\Z", re.ASCII)
LONGEST_MAIL: Final = 254


def find_users(who: Who, q: str = "") -> QuerySet[User]:
    """All accounts by name, with seen_at (when a living session of theirs was last active) and their invitation; those
    whose name or mail address holds q. Raises NotAllowed."""
    require(who, PRIVILEGE)
    users = User.objects.annotate(seen_at=Max("usersession__last_seen_at")).select_related("invitation")
    found = users.filter(Q(username__icontains=q) | Q(email__icontains=q)) if q else users
    return found.order_by("username", "pk")


def add(actor: Actor, name: str, mail: str = "", *, administrator: bool = False) -> tuple[User, str]:
    """The new account, which nobody can sign in to yet, and the token of its invitation. Raises NotAllowed, NotFresh,
    BadFields ("name", "mail")."""
    with transaction.atomic():
        lock(actor)
        require_fresh(actor)
        wrong = {**wrong_name(name), **wrong_mail(mail)}
        if wrong:
            raise BadFields(wrong)
        user = User(username=name, email=mail, is_administrator=administrator)
        user.set_unusable_password()
        user.save()
        tell("added:user", actor, user, administrator=administrator, **({"mail": mail} if mail else {}))
        return user, invite(actor, user)


def wrong_name(name: str) -> dict[str, str]:
    """Names differ in more than capitals: signing in does not look at these."""
    if not NAME.match(name):
        return {"name": "user_name" if name else "missing"}
    return {"name": "user_taken"} if User.objects.filter(username__iexact=name).exists() else {}


def wrong_mail(mail: str) -> dict[str, str]:
    try:
        if mail:
            validate_email(mail)
    except ValidationError:
        return {"mail": "mail"}
    return {"mail": "mail"} if len(mail) > LONGEST_MAIL else {}


def invite(actor: Actor, user: User) -> str:
    """The token of a new invitation, which nobody can read again; the one before opens nothing any more. Password and
    sessions stay until it is used. Raises NotAllowed, NotFresh, SwitchedOff."""
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        lock(actor)
        require_fresh(actor)
        user = User.objects.get(pk=user.pk)
        if not user.is_active:
            raise SwitchedOff(name=user.get_username())
        until = timezone.now() + INVITED_FOR
        Invitation.objects.update_or_create(user=user, defaults={"token_hash": digest(token), "expires_at": until})
        tell("invited:user", actor, user)
    return token


def link(request: HttpRequest, token: str) -> str:
    """What is given to the invited one. The token stands behind the #: browsers send that part to nobody, so it comes
    into no log. The site's own address where it is set, else the one that was asked."""
    base = settings.ENVIRONMENT.base_url.rstrip("/") or f"{request.scheme}://{request.get_host()}"
    return f"{base}{reverse('invitation')}#{token}"


def find_invited(token: str) -> User:
    """For whom the invitation is, as long as it is good; nothing is consumed. Raises InvitationRefused."""
    invitation = (
        Invitation.objects.select_related("user")
        .filter(token_hash=digest(token), expires_at__gt=timezone.now(), user__is_active=True)
        .first()
    )
    if invitation is None:
        raise InvitationRefused
    return invitation.user


def consume(token: str, address: str) -> User:
    """The user whose password is set now, with his sessions ended and the invitation used; to be called in the
    transaction that sets it. Raises InvitationRefused."""
    user = find_invited(token)
    if not Invitation.objects.filter(user=user, token_hash=digest(token)).delete()[0]:
        raise InvitationRefused
    end_sessions(user)
    tell("accepted:invitation", Actor(user, address=address), user)
    return user


def disable(actor: Actor, user: User) -> None:
    """Nobody signs in to it any more: its sessions, its consoles, its invitation end, its tokens open nothing. Raises
    NotAllowed, LastAdministrator."""
    with transaction.atomic():
        leave_one(lock(actor), user)
        if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
            Invitation.objects.filter(user=user).delete()
            tell("disabled:user", actor, user, sessions=end_sessions(user))


def enable(actor: Actor, user: User) -> None:
    """It is as it was before it was switched off, but signed in nowhere. Raises NotAllowed."""
    with transaction.atomic():
        lock(actor)
        if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
            tell("enabled:user", actor, user)


def promote(actor: Actor, user: User) -> None:
    """Every privilege is his. Raises NotAllowed, NotFresh."""
    with transaction.atomic():
        lock(actor)
        require_fresh(actor)
        if User.objects.filter(pk=user.pk, is_administrator=False).update(is_administrator=True):
            tell("promoted:user", actor, user)


def demote(actor: Actor, user: User) -> None:
    """Nothing is left to him but what grants give. Raises NotAllowed, LastAdministrator."""
    with transaction.atomic():
        leave_one(lock(actor), user)
        if User.objects.filter(pk=user.pk, is_administrator=True).update(is_administrator=False):
            tell("demoted:user", actor, user)


def sign_out(actor: Actor, user: User) -> None:
    """End his sessions and what hangs on them, consoles too; his tokens stay. Raises NotAllowed."""
    with transaction.atomic():
        lock(actor)
        tell("signed-out:user", actor, user, sessions=end_sessions(user))


def lock(actor: Actor) -> set[int]:
    """The administrators who can act now. One changes accounts at a time, and whoever waited here is asked anew whether
    he may: two who take it from each other do so one after the other. Raises NotAllowed; a token may never."""
    active = User.objects.select_for_update().filter(is_administrator=True, is_active=True).order_by("pk")
    administrators = set(active.values_list("pk", flat=True))
    require(User.objects.filter(pk=actor.user.pk).first(), PRIVILEGE)
    if actor.token is not None:
        raise NotAllowed(privilege=PRIVILEGE)
    return administrators


def leave_one(administrators: set[int], user: User) -> None:
    """Raises LastAdministrator where it is the only one."""
    if administrators == {user.pk}:
        raise LastAdministrator(name=user.get_username())


def end_sessions(user: User, *, but: str = "") -> int:
    """Sign him out everywhere, but in the session with that key; how many sessions it were."""
    sessions = UserSession.objects.filter(user=user).exclude(session_key=but)
    keys = list(sessions.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    sessions.delete()
    return len(keys)


def tell(action: str, actor: Actor, user: User, **facts: Any) -> None:
    audit.record(action, actor=actor, of=user.get_username(), **facts)
