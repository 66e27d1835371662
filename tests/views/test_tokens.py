"""The page of one's own API tokens, and their place on the page of an account."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from tests.api.conftest import Program, problem
from tests.conftest import sign_in
from vms.models import ApiToken, User
from vms.services import tokens

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

SHOWN = re.compile(r"<code>(kvmweb_[A-Za-z0-9_-]{43})</code>")
WISH = {"name": "backup", "days": "30", "bundle": "operator"}


def test_it_is_made_shown_once_and_revoked(client_mallory: Client) -> None:
    answer = client_mallory.post("/account/tokens/", {**WISH, "single": ["vm.copy", "vm.delete"]})
    found = SHOWN.search(answer.content.decode())
    assert found and "no-store" in answer["Cache-Control"]
    program = Program(found[1])
    assert program.get("/me").json()["scopes"] == ["operator", "vm.copy", "vm.delete"]
    page = client_mallory.get("/account/tokens/").content.decode()
    assert "backup" in page and "from 192.0.2.7" in page and "delete it with its disks" in page
    assert found[1] not in page
    gone = client_mallory.post(f"/tokens/{ApiToken.objects.get().pk}/revoke/", follow=True)
    assert gone.redirect_chain == [("/account/tokens/", 302)] and "backup" not in gone.content.decode()
    assert program.get("/me").status_code == 401


def test_single_rights_need_no_bundle(client_mallory: Client) -> None:
    client_mallory.post("/account/tokens/", {**WISH, "bundle": "single", "single": "vm.power"})
    assert ApiToken.objects.get().scope_names == ["vm.power"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": ""}, "required"),
        ({"name": "taken"}, "A living token of yours has this name."),
        ({"bundle": "single"}, "This is needed."),
        ({"bundle": "administrator"}, "valid choice"),
        ({"days": "3650"}, "valid choice"),
        ({"single": "host.admin"}, "valid choice"),
    ],
)
def test_what_does_not_fit_is_said_and_makes_none(
    client_mallory: Client, mallory: User, given: dict[str, str], sentence: str
) -> None:
    tokens.create(mallory, name="taken")
    page = client_mallory.post("/account/tokens/", {**WISH, **given}).content.decode()
    assert "field-error" in page and sentence in page
    assert 'value="30" selected' in page or "days" in given
    assert ApiToken.objects.count() == 1


def test_only_administrators_are_offered_what_equals_root(client_alice: Client, client_mallory: Client) -> None:
    assert 'value="host.admin"' in client_alice.get("/account/tokens/").content.decode()
    page = client_mallory.get("/account/tokens/").content.decode()
    assert 'value="host.admin"' not in page and 'value="vm.delete"' in page


def test_an_administrator_revokes_from_the_page_of_the_account(
    client_alice: Client, client_mallory: Client, alice: User, mallory: User
) -> None:
    token, _ = tokens.create(mallory, name="theirs")
    own, _ = tokens.create(alice, name="own")
    page = client_alice.get(f"/users/{mallory.pk}/").content.decode()
    assert f"/tokens/{token.pk}/revoke/" in page and "theirs" in page
    assert "theirs" not in client_alice.get("/account/tokens/").content.decode()
    assert client_mallory.post(f"/tokens/{own.pk}/revoke/").status_code == 404
    answer = client_alice.post(f"/tokens/{token.pk}/revoke/")
    assert (answer.status_code, answer["Location"]) == (302, f"/users/{mallory.pk}/")
    assert not tokens.living(mallory).exists() and tokens.living(alice).exists()
    answer = client_alice.post(f"/tokens/{own.pk}/revoke/", {"account": alice.pk})
    assert answer["Location"] == f"/users/{alice.pk}/"


def test_an_old_sign_in_gives_the_password_first(mallory: User) -> None:
    old = sign_in(mallory, age=timedelta(minutes=11))
    page = old.get("/account/tokens/").content.decode()
    assert "?next=/account/tokens/" in page and 'name="bundle"' not in page
    assert old.post("/account/tokens/", WISH).status_code == 403
    wish = {"name": "backup", "scopes": ["viewer"]}
    problem(old.post("/api/v1/tokens", wish, content_type="application/json"), 403, "not_fresh")
    assert not ApiToken.objects.exists()
    token, _ = tokens.create(mallory)
    assert old.post(f"/tokens/{token.pk}/revoke/").status_code == 302
    assert not tokens.living(mallory).exists()
