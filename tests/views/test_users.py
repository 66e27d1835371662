"""Accounts by page and by API, and the way of somebody who was invited."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from tests.conftest import sign_in
from vms.models import AuditEvent, Invitation, User
from vms.permissions import Actor
from vms.services import users

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

LINK = re.compile(r"<code>http://testserver/invitation/#([A-Za-z0-9_-]{43})</code>")
PASSWORD = "staple battery horse"


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create(username="bob")


def newcomer() -> Client:
    return Client(HTTP_X_REAL_IP="192.0.2.9")


def accept(client: Client, token: str, first: str = PASSWORD, second: str = PASSWORD) -> str:
    answer = client.post("/invitation/", {"token": token, "password1": first, "password2": second}, follow=True)
    return answer.content.decode()


def test_who_is_invited_sets_his_password_and_is_in(client_alice: Client) -> None:
    page = client_alice.post("/users/add/", {"name": "carol", "mail": "carol@example.org"})
    assert "no-store" in page["Cache-Control"]
    found = LINK.search(page.content.decode())
    assert found
    carol = newcomer()
    assert "Choose your password" in carol.get("/invitation/").content.decode()
    assert "Account: carol" in accept(carol, found[1])
    assert User.objects.get(username="carol").check_password(PASSWORD)
    assert AuditEvent.objects.filter(action="opened:session", user_name="carol", address="192.0.2.9").exists()
    assert found[1] not in client_alice.get(f"/users/{User.objects.get(username='carol').pk}/").content.decode()


def test_unknown_used_and_late_links_get_one_answer(actor: Actor, bob: User) -> None:
    used = users.invite(actor, bob)
    accept(newcomer(), used)
    late = users.invite(actor, bob)
    Invitation.objects.update(expires_at="2026-01-01T00:00:00Z")
    answers = {re.sub(r'name="csrf[^>]*', "", accept(newcomer(), token)) for token in (used, late, "guess", "")}
    assert len(answers) == 1 and "This link opens nothing" in answers.pop()


@pytest.mark.parametrize(("first", "second"), [("short", "short"), ("password123", "password123"), (PASSWORD, "other")])
def test_a_bad_password_leaves_the_link(actor: Actor, bob: User, first: str, second: str) -> None:
    token = users.invite(actor, bob)
    assert "field-error" in accept(newcomer(), token, first, second)
    assert users.find_invited(token) == bob
    assert not User.objects.get(pk=bob.pk).password


def test_who_was_signed_in_as_another_is_the_invited_one_afterwards(
    actor: Actor, bob: User, client_mallory: Client
) -> None:
    before = client_mallory.session.session_key
    assert "Account: bob" in accept(client_mallory, users.invite(actor, bob))
    assert client_mallory.session.session_key != before


def test_guessing_is_slowed_down_by_address() -> None:
    client = newcomer()
    statuses = [client.post("/invitation/", {"token": "guess"}).status_code for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    assert Client(HTTP_X_REAL_IP="192.0.2.10").post("/invitation/", {"token": "guess"}).status_code == 200


def test_the_site_of_a_link_is_the_one_that_is_set(
    client_alice: Client, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "ENVIRONMENT", replace(settings.ENVIRONMENT, base_url="https://kvm.example.org/"))
    assert (
        "<code>https://kvm.example.org/invitation/#" in client_alice.post(f"/users/{bob.pk}/invite/").content.decode()
    )


def test_the_list_says_how_each_stands(client_alice: Client, actor: Actor, bob: User) -> None:
    users.invite(actor, bob)
    off = User.objects.create(username="off", is_active=False)
    page = client_alice.get("/users/").content.decode()
    assert [word in page for word in ("administrator", "invited", "switched off", "last seen")] == [True] * 4
    users.enable(actor, off)
    assert "switched off" not in client_alice.get("/users/").content.decode()


def test_the_page_shows_where_somebody_is_and_changes_him(client_alice: Client, bob: User, alice: User) -> None:
    sign_in(bob)
    assert "signed in" in client_alice.get(f"/users/{bob.pk}/").content.decode()
    for verb, field, value in (("promote", "is_administrator", True), ("demote", "is_administrator", False),
                               ("disable", "is_active", False), ("enable", "is_active", True)):  # fmt: skip
        assert client_alice.post(f"/users/{bob.pk}/{verb}/").status_code == 302
        assert User.objects.filter(pk=bob.pk, **{field: value}).exists(), verb
    page = client_alice.post(f"/users/{alice.pk}/demote/", follow=True).content.decode()
    assert "alice is the only administrator who can sign in" in page


def test_the_side_bar_leads_there_for_administrators_alone(client_alice: Client, client_mallory: Client) -> None:
    assert 'href="/users/"' in client_alice.get("/").content.decode()
    assert 'href="/users/"' not in client_mallory.get("/").content.decode()


def test_the_api_does_the_same_by_session_alone(client_alice: Client, alice: User) -> None:
    post: dict[str, Any] = {"content_type": "application/json"}
    made = client_alice.post("/api/v1/users", '{"name": "carol"}', **post)
    pk = made.json()["user"]
    assert made.status_code == 201 and made["Location"] == f"/api/v1/users/{pk}"
    assert "/invitation/#" in made.json()["link"]
    assert client_alice.get(made["Location"]).json()["invited_until"] == made.json()["until"]
    both = client_alice.patch(made["Location"], '{"administrator": true, "active": false}', **post).json()
    assert (both["administrator"], both["active"], both["invited_until"]) == (True, False, None)
    last = client_alice.patch(f"/api/v1/users/{alice.pk}", '{"active": false}', **post)
    assert (last.status_code, last.json()["code"]) == (409, "last_administrator")
    assert client_alice.get("/api/v1/me").json() == {
        "id": alice.pk, "name": "alice", "administrator": True, "token": "", "scopes": [],
    }  # fmt: skip
