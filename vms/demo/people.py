"""The demo's two accounts: one that works with the demo's VMs, one that looks at a single one of them.

They are known by a mark in the row and never by their names, which somebody may have. Like all accounts they are
switched off and not removed; a password is made only where somebody reads it, and is kept nowhere but as its hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils import timezone

from vms import live
from vms.demo.machines import Say, free_name
from vms.models import Grant, Invitation, Role, User, VirtualMachine
from vms.services import audit, grants, tokens
from vms.services.first_start import generate_password
from vms.services.users import end_sessions

# Who starts the dashboard in a terminal is no account.
ADDRESS: Final = "scripts/run"
MARK: Final = "kvmweb demo: "

Tell = Callable[[str, str], None]


@dataclass(frozen=True)
class Person:
    """One account; its name is the next free one. on: what its role is on, as fields of a grant."""

    name: str
    role: str
    on: Mapping[str, Any]


def people(tag: str, web: VirtualMachine | None) -> list[Person]:
    """The two; nothing is given on a VM that the dashboard does not know yet."""
    return [
        Person("demo-operator", "operator", {"tag": tag}),
        Person("demo-viewer", "viewer", {"vm": web} if web else {}),
    ]


def make(wanted: Iterable[Person], say: Say, tell: Tell | None) -> None:
    """Both are there, with their rights; tell(name, password) is told of each that gets a password, which is one that
    has none. Without tell an account has none until an administrator makes it a link."""
    for person in wanted:
        with transaction.atomic():
            user = ours(person) or add(person, say)
            give(person, user)
            password = renew(user) if tell and not user.has_usable_password() else ""
        if tell and password:
            tell(user.get_username(), password)


def ours(person: Person) -> User | None:
    return User.objects.select_for_update().filter(last_name=MARK + person.name).first()


def add(person: Person, say: Say) -> User:
    taken = {name.lower() for name in User.objects.values_list("username", flat=True)}
    user = User(username=free_name(person.name, taken), last_name=MARK + person.name)
    user.set_unusable_password()
    user.save()
    audit.record("added:user", address=ADDRESS, of=user.get_username(), administrator=False)
    say(f"{user.get_username()} made")
    return user


def give(person: Person, user: User) -> None:
    if not person.on:
        return
    role = Role.objects.get(name=person.role)
    grant, made = Grant.objects.get_or_create(user=user, role=role, ends_at=None, **person.on)
    if made:
        grants.tell("gave:grant", None, grant, ADDRESS)


def renew(user: User) -> str:
    """Its new password; it is on from now on, since what was switched off by hand keeps the password that it has."""
    password = generate_password()
    user.set_password(password)
    if not user.is_active:
        user.is_active = True
        audit.record("enabled:user", address=ADDRESS, of=user.get_username())
    user.save()
    audit.record("renewed:password", address=ADDRESS, name=user.get_username())
    return password


def remove(say: Say) -> None:
    """Nobody signs in to them any more and nothing is granted to them; what they did keeps its name."""
    for user in User.objects.filter(last_name__startswith=MARK).order_by("pk"):
        with transaction.atomic():
            for grant in Grant.objects.filter(user=user):
                grants.tell("took:grant", None, grant, ADDRESS)
                grant.delete()
            if not user.is_active and not user.has_usable_password():
                continue
            user.is_active = False
            user.set_unusable_password()
            user.save()
            # What somebody left there must open nothing, nor stand in the way, when the demo comes back.
            tokens.living(user).update(revoked_at=timezone.now())
            Authenticator.objects.filter(user=user).delete()
            Invitation.objects.filter(user=user).delete()
            sessions = end_sessions(user)
            audit.record("disabled:user", address=ADDRESS, of=user.get_username(), sessions=sessions)
        live.announce(["*"])
        say(f"{user.get_username()} switched off")
