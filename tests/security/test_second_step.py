"""Signing in with a second step: what a code opens it opens once, guessing is stopped, and the secrets lie nowhere."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import close_old_connections, connection
from django.test import Client

from tests.api.conftest import Program
from tests.conftest import sign_in
from tests.security.test_secrets import in_database, in_redis
from tests.views.test_account import code, set_up
from vms import live
from vms.models import AuditEvent, User
from vms.permissions import Actor
from vms.services import factors, failures, tokens, users
from vms.views.factors import OFFERED

PASSWORD = "correct horse battery"


class Person:
    """mallory, who has an app with the secret and a sheet of recovery codes."""

    def __init__(self, user: User, browser: Client | None = None) -> None:
        self.user = user
        self.browser = browser or sign_in(user)
        self.secret, self.codes = set_up(self.browser)

    def code(self, later: int = 0) -> str:
        return code(self.secret, later)

    def forgets(self) -> None:
        """As if the last code had been used long ago."""
        row = Authenticator.objects.get(user=self.user, type="totp")
        row.data["used"] = 0
        row.save()


@pytest.fixture
def person(redis: None, mallory: User) -> Person:
    return Person(mallory)


def half_in(address: str = "192.0.2.1", password: str = PASSWORD) -> Client:
    """A browser whose password was right."""
    client = Client(HTTP_X_REAL_IP=address)
    answer = client.post("/accounts/login/", {"login": "mallory", "password": password, "next": "/account/"})
    assert answer["Location"].startswith("/accounts/second-step/")
    return client


def gives(client: Client, given: str) -> bool:
    """Whether the code lets it in."""
    client.post("/accounts/second-step/", {"code": given})
    return is_in(client)


def is_in(client: Client) -> bool:
    return client.get("/internal/session").status_code == 204


pytestmark = [pytest.mark.usefixtures("redis", "still")]


@pytest.mark.django_db
def test_the_password_alone_lets_nobody_in(person: Person) -> None:
    client = half_in()
    assert not is_in(client) and client.get("/vms/").status_code == 302
    assert client.get("/api/v1/vms").status_code == 401
    assert "signed in" not in str(AuditEvent.objects.filter(action="opened:session"))
    assert gives(client, person.code())
    assert AuditEvent.objects.filter(action="opened:session", user_name="mallory").count() == 1
    assert client.get("/account/two-step/").status_code == 200


@pytest.mark.django_db
def test_one_lands_where_one_wanted_to_go(person: Person) -> None:
    answer = half_in().post("/accounts/second-step/", {"code": f" {person.code()[:3]} {person.code()[3:]} "})
    assert answer["Location"] == "/account/"


@pytest.mark.django_db
def test_a_code_opens_once_whatever_redis_forgets(person: Person) -> None:
    used = person.code(1)
    assert gives(half_in(), used)
    live.connection().flushall()
    assert not gives(half_in("192.0.2.2"), used)
    assert not gives(half_in("192.0.2.3"), person.code()), "an older one than that opens nothing any more"


@pytest.mark.django_db
@pytest.mark.parametrize(("later", "good"), [(-3, False), (-1, True), (0, True), (1, True), (3, False)])
def test_a_code_is_good_for_a_moment(person: Person, later: int, good: bool) -> None:
    person.forgets()
    assert gives(half_in(), person.code(later)) == good


@pytest.mark.django_db
def test_the_code_that_set_it_up_does_not_sign_in(mallory: User) -> None:
    browser = sign_in(mallory)
    secret, _ = set_up(browser)
    assert not gives(half_in(), code(secret, -1))


@pytest.mark.django_db
def test_a_recovery_code_opens_once(person: Person) -> None:
    assert gives(half_in(), person.codes[3])
    assert not gives(half_in("192.0.2.2"), person.codes[3])
    assert gives(half_in("192.0.2.3"), person.codes[4]) and factors.codes_left(person.user) == 8
    told = AuditEvent.objects.filter(action="used:recovery-code").order_by("pk")
    assert [(row.user_name, row.address, row.facts) for row in told] == [
        ("mallory", "192.0.2.1", {"left": 9}), ("mallory", "192.0.2.3", {"left": 8}),
    ]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["", "000", "ß" * 6, "0" * 41, "a\0b", "١٢٣٤٥٦"])
def test_nonsense_opens_nothing(person: Person, given: str) -> None:
    assert not gives(half_in(), given)


@pytest.mark.django_db
def test_guessing_is_stopped_by_account_and_address_and_keeps_nobody_else_out(person: Person) -> None:
    client = half_in()
    for number in range(5):
        assert not gives(client, f"{number:06}")
    page = client.post("/accounts/second-step/", {"code": person.code()}).content.decode()
    assert "Too many wrong codes" in page and not is_in(client)
    assert not gives(half_in(), person.codes[0]), "a new sign-in from there counts on"
    assert gives(half_in("192.0.2.2"), person.code())


@pytest.mark.django_db
def test_guessing_from_one_address_counts_for_all_accounts(person: Person, alice: User) -> None:
    client = half_in()
    for number in range(20):
        Client(HTTP_X_REAL_IP="192.0.2.1").post("/accounts/login/", {"login": f"user-{number}", "password": "guess"})
    assert not gives(client, person.code())


@pytest.mark.django_db
def test_who_comes_in_does_not_wipe_out_what_was_counted(person: Person) -> None:
    """Else who has an account of his own could go on guessing at another's from there."""
    client = half_in()
    for number in range(4):
        gives(client, f"{number:06}")
    assert gives(client, person.code())
    again = half_in()
    assert not gives(again, "000009") and not gives(again, person.codes[0])


@pytest.mark.django_db
def test_wrong_codes_are_counted_in_the_audit(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    client = half_in()
    for number in range(7):
        gives(client, f"{number:06}")
    now = time.time()
    monkeypatch.setattr(failures, "time", lambda: now + 130)
    failures.write_down()
    found = AuditEvent.objects.filter(action="failed:code")
    assert sum(row.facts["times"] for row in found) == 7
    assert {row.address for row in found} == {"192.0.2.1"}
    assert {name for row in found for name in row.facts["accounts"]} == {"mallory"}


@pytest.mark.django_db
def test_guessing_on_ones_own_page_is_stopped_too(person: Person) -> None:
    """Somebody sits down at an open browser, without the app."""
    for number in range(5):
        person.browser.post("/account/two-step/off/", {"off-code": f"{number:06}"})
    page = person.browser.post("/account/two-step/off/", {"off-code": person.code()}).content.decode()
    assert "Too many wrong codes" in page and factors.is_on(person.user)


@pytest.mark.django_db
def test_an_invitation_asks_for_it_too(person: Person, actor: Actor) -> None:
    token = users.invite(actor, person.user)
    client = Client(HTTP_X_REAL_IP="192.0.2.9")
    new = "staple battery horse"
    answer = client.post("/invitation/", {"token": token, "password1": new, "password2": new})
    assert answer["Location"] == "/accounts/second-step/" and not is_in(client)
    assert gives(client, person.code())


@pytest.mark.django_db
def test_who_is_switched_off_between_the_steps_is_not_let_in(person: Person) -> None:
    client = half_in()
    User.objects.filter(pk=person.user.pk).update(is_active=False)
    assert not gives(client, person.code())


@pytest.mark.django_db
def test_the_first_step_is_none_after_a_new_password(person: Person) -> None:
    client = half_in()
    person.user.set_password("staple battery horse")
    person.user.save()
    assert not gives(client, person.code())


@pytest.mark.django_db
def test_setting_it_up_asks_for_the_password_again_where_that_was_long_ago(mallory: User) -> None:

    old = sign_in(mallory, age=timedelta(minutes=11))
    assert old.get("/account/two-step/set-up/")["Location"].startswith("/accounts/reauthenticate/")


@pytest.mark.django_db
def test_the_password_alone_confirms(person: Person) -> None:
    page = person.browser.get("/accounts/reauthenticate/?next=/account/")
    assert page.status_code == 200
    assert person.browser.post("/accounts/reauthenticate/?next=/account/", {"password": PASSWORD}).status_code == 302


@pytest.mark.django_db
def test_tokens_are_asked_for_none(person: Person) -> None:
    assert Program(tokens.create(person.user)[1]).get("/vms").status_code == 200


@pytest.mark.django_db
def test_another_sites_key_opens_no_secret(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Authenticator.objects.get(type="totp")
    assert factors.unseal(row.data["secret"]) == person.secret
    sealed = get_adapter().encrypt("plain")
    assert "plain" not in sealed and get_adapter().decrypt(sealed) == "plain"
    monkeypatch.setattr(settings, "SECRET_KEY_FALLBACKS", [settings.SECRET_KEY])
    monkeypatch.setattr(settings, "SECRET_KEY", "another")
    assert factors.unseal(row.data["secret"]) == person.secret, "the key before it still opens"
    monkeypatch.setattr(settings, "SECRET_KEY_FALLBACKS", [])
    with pytest.raises(InvalidToken):
        factors.unseal(row.data["secret"])


@pytest.mark.django_db(transaction=True)
def test_two_at_once_with_one_code_are_one(person: Person) -> None:
    person.forgets()
    given, found = person.code(), list[Any]()
    ready = threading.Barrier(4)

    def try_it() -> None:
        ready.wait()
        try:
            found.append(factors.take(person.user, given) is not None)
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False, False, False, True]


@pytest.mark.django_db(transaction=True)
def test_secrets_lie_nowhere(mallory: User, alice: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    browser = sign_in(mallory)
    browser.get("/account/two-step/set-up/")
    offered = browser.session[OFFERED]
    person = Person(mallory, browser)
    assert factors.unseal(offered) == person.secret, "it was sealed while it was only offered, too"
    wrong = half_in()
    gives(wrong, person.codes[0] + "9")
    assert gives(half_in("192.0.2.2"), person.codes[0]) and gives(half_in("192.0.2.3"), person.code())
    boss = sign_in(alice)
    sessions = [str(session.get_decoded()) for session in Session.objects.all()]
    pages = [
        *(person.browser.get(path).content.decode() for path in ("/account/", "/account/two-step/")),
        *(boss.get(path).content.decode() for path in (f"/users/{mallory.pk}/", "/audit/", "/api/v1/audit")),
    ]
    kept = {"database": " ".join([*in_database(), *sessions]), "redis": " ".join(in_redis()), "log": caplog.text,
            "pages": " ".join(pages)}  # fmt: skip
    for where, text in kept.items():
        found = [secret for secret in (person.secret, *person.codes) if secret in text]
        assert (text or where == "log") and not found, where
