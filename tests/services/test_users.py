"""Accounts: made by invitation, switched off at once, and never without somebody who can administer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from tests.conftest import sign_in
from vms.errors import BadFields, InvitationRefused, LastAdministrator, NotAllowed, RequestRefused, SwitchedOff
from vms.models import AuditEvent, Console, Invitation, User, VirtualMachine
from vms.permissions import Actor
from vms.services import consoles, sessions, tokens, users

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create(username="bob")


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def test_who_is_added_has_no_password_until_he_uses_his_link(actor: Actor) -> None:
    user, token = users.add(actor, "carol", "carol@example.org", administrator=True)
    assert not user.has_usable_password() and user.is_administrator
    assert users.find_invited(token) == user
    row = Invitation.objects.get()
    assert token not in str(row.__dict__) and token not in str(AuditEvent.objects.values_list("facts", flat=True))
    assert timedelta(hours=47) < row.expires_at - timezone.now() <= timedelta(hours=48)
    assert actions() == ["added:user", "invited:user"]


@pytest.mark.parametrize(
    ("name", "mail", "errors"),
    [
        ("", "", {"name": "missing"}), ("ALICE", "", {"name": "user_taken"}), ("a b", "", {"name": "user_name"}),
        ("-a", "", {"name": "user_name"}), ("x" * 151, "", {"name": "user_name"}), ("bob\n", "", {"name": "user_name"}),
        ("ｂob", "", {"name": "user_name"}), ("carol", "carol", {"mail": "mail"}),
    ],
)  # fmt: skip
def test_a_name_that_does_not_fit_makes_nobody(actor: Actor, name: str, mail: str, errors: dict[str, str]) -> None:
    with pytest.raises(BadFields) as bad:
        users.add(actor, name, mail)
    assert bad.value.errors == errors
    assert User.objects.count() == 1 and actions() == []


def test_an_invitation_opens_once_and_ends_what_was(actor: Actor, bob: User) -> None:
    browser = sign_in(bob)
    token = users.invite(actor, bob)
    assert sessions.living([browser.session.session_key or ""])
    assert users.consume(token, "192.0.2.1") == bob
    assert not sessions.living([browser.session.session_key or ""])
    for _ in range(2):
        with pytest.raises(InvitationRefused):
            users.consume(token, "192.0.2.1")


def test_a_new_link_ends_the_one_before(actor: Actor, bob: User) -> None:
    first, second = users.invite(actor, bob), users.invite(actor, bob)
    with pytest.raises(InvitationRefused):
        users.find_invited(first)
    assert users.find_invited(second) == bob


def test_a_late_link_and_one_of_who_is_switched_off_open_nothing(actor: Actor, bob: User) -> None:
    token = users.invite(actor, bob)
    Invitation.objects.update(expires_at=timezone.now())
    with pytest.raises(InvitationRefused):
        users.find_invited(token)
    token = users.invite(actor, bob)
    users.disable(actor, bob)
    users.enable(actor, bob)
    with pytest.raises(InvitationRefused):
        users.find_invited(token)
    users.disable(actor, bob)
    with pytest.raises(SwitchedOff):
        users.invite(actor, bob)


def test_switching_off_ends_sessions_tokens_and_consoles(actor: Actor, vm: VirtualMachine) -> None:
    bob = User.objects.create(username="bob", is_administrator=True)
    key = sign_in(bob).session.session_key or ""
    token, text = tokens.create(bob)
    by_session, _ = consoles.issue(Actor(bob, session_key=key), vm)
    by_token, _ = consoles.issue(Actor(bob, token=token), vm)
    users.disable(actor, bob)
    assert not UserSession.objects.filter(user=bob).exists() and not Session.objects.filter(session_key=key).exists()
    assert tokens.find(text) is None
    assert set(consoles.no_longer_allowed(Console.objects.all())) == {by_session.pk, by_token.pk}
    users.enable(actor, bob)
    assert not sessions.living([key])


def test_signing_out_ends_sessions_and_their_consoles_and_leaves_tokens(actor: Actor, vm: VirtualMachine) -> None:
    bob = User.objects.create(username="bob", is_administrator=True)
    key = sign_in(bob).session.session_key or ""
    _, text = tokens.create(bob)
    console, _ = consoles.issue(Actor(bob, session_key=key), vm)
    users.sign_out(actor, bob)
    assert consoles.no_longer_allowed(Console.objects.all()) == {console.pk: "signed_out"}
    assert not sessions.living([key]) and tokens.find(text)


CHANGES = (users.disable, users.enable, users.promote, users.demote, users.sign_out, users.invite)


@pytest.mark.parametrize("change", CHANGES)
def test_only_an_administrators_session_changes_accounts(
    change: Callable[[Actor, User], object], alice: User, bob: User
) -> None:
    token, _ = tokens.create(alice)
    User.objects.create(username="gone", is_administrator=True, is_active=False)
    for who in (Actor(bob), Actor(alice, token=token), Actor(User.objects.get(username="gone"))):
        with pytest.raises(NotAllowed):
            change(who, bob)
    assert actions() == ["created:token"]


@pytest.mark.parametrize("change", [users.disable, users.demote])
def test_the_last_administrator_stays_one(change: Callable[[Actor, User], None], actor: Actor, alice: User) -> None:
    User.objects.create(username="gone", is_administrator=True, is_active=False)
    with pytest.raises(LastAdministrator):
        change(actor, alice)
    alice.refresh_from_db()
    assert alice.is_active and alice.is_administrator and actions() == []
    User.objects.create(username="second", is_administrator=True)
    change(actor, alice)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [users.disable, users.demote])
def test_two_who_take_it_from_each_other_leave_one(change: Callable[[Actor, User], None], alice: User) -> None:
    bob = User.objects.create(username="bob", is_administrator=True)
    for _ in range(5):
        User.objects.update(is_active=True, is_administrator=True)
        barrier, refused = threading.Barrier(2), list[str]()

        def take(own: User, other: User, barrier: threading.Barrier, refused: list[str]) -> None:
            barrier.wait()
            try:
                change(Actor(own), other)
            except RequestRefused as error:
                refused.append(error.code)
            connection.close()

        pairs = ((alice, bob), (bob, alice))
        threads = [threading.Thread(target=take, args=(*pair, barrier, refused)) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert refused == ["not_allowed"]
        assert User.objects.filter(is_active=True, is_administrator=True).count() == 1
