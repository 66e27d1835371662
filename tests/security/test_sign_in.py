"""Signing in: slow for who guesses, without locking out who knows; one hash; an address that cannot be chosen."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password, identify_hasher, make_password
from django.test import Client

from vms.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

PASSWORD = "correct horse battery"


def attempt(password: str, *, name: str = "alice", address: str = "192.0.2.1", **headers: str) -> Any:
    return Client().post(
        "/accounts/login/", {"login": name, "password": password}, headers={"X-Real-IP": address, **headers}
    )


def signs_in(**where: str) -> bool:
    return bool(attempt(PASSWORD, **where).status_code == 302)


def test_guessing_at_an_account_from_one_address_is_stopped(alice: User) -> None:
    assert signs_in()
    for number in range(5):
        attempt(f"guess {number}")
    assert not signs_in()


def test_the_owner_elsewhere_is_not_locked_out(alice: User) -> None:
    for number in range(8):
        attempt(f"guess {number}")
    assert not signs_in() and signs_in(address="192.0.2.2")


def test_guessing_at_many_accounts_from_one_address_is_stopped(alice: User) -> None:
    for number in range(20):
        attempt("guess", name=f"user-{number}")
    assert not signs_in() and signs_in(address="192.0.2.2")


def test_an_address_of_the_clients_own_choice_does_not_help(alice: User) -> None:
    for number in range(8):
        attempt(f"guess {number}", **{"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"})
    assert not signs_in(**{"X-Forwarded-For": "203.0.113.99"})


def test_another_name_for_this_site_does_not_help(alice: User) -> None:
    for number in range(8):
        attempt(f"guess {number}", Host="localhost" if number % 2 else "127.0.0.1")
    assert not signs_in(Host="[::1]")


def test_without_an_address_nobody_signs_in(alice: User) -> None:
    assert not signs_in(address="")


@pytest.mark.parametrize("name", ["alice", "nobody-of-this-name"])
def test_a_failure_does_not_tell_whether_the_account_exists(alice: User, name: str) -> None:
    page = attempt("wrong", name=name).content.decode()
    assert "not correct" in page and "not found" not in page


def test_a_disabled_user_does_not_sign_in(alice: User) -> None:
    User.objects.update(is_active=False)
    answer = attempt(PASSWORD)
    assert settings.SESSION_COOKIE_NAME not in answer.client.cookies or "_auth_user_id" not in answer.client.session


def test_nobody_signs_up() -> None:
    for path in ("/accounts/signup/", "/accounts/password/reset/", "/accounts/email/", "/admin/"):
        assert Client().get(path).status_code == 404


def test_passwords_are_hashed_by_argon2_and_by_nothing_else(alice: User) -> None:
    assert alice.password.startswith("argon2$argon2id$")
    assert settings.PASSWORD_HASHERS == ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    with pytest.raises(ValueError):
        identify_hasher("pbkdf2_sha256$1$salt$hash")
    assert not check_password("x", "md5$salt$9dd4e461268c8034f5c8564e155c67a6")
    assert identify_hasher(make_password("x")).algorithm == "argon2"


def test_signing_in_gives_a_new_session(alice: User) -> None:
    client = Client(HTTP_X_REAL_IP="127.0.0.1")
    session = client.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    client.cookies[settings.SESSION_COOKIE_NAME] = str(planted)
    client.post("/accounts/login/", {"login": "alice", "password": PASSWORD})
    assert client.session.session_key != planted


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(alice: User, to: str) -> None:
    answer = Client(HTTP_X_REAL_IP="127.0.0.1").post(
        "/accounts/login/", {"login": "alice", "password": PASSWORD, "next": to}
    )
    assert answer.status_code == 302 and answer["Location"] == "/"
