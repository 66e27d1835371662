"""Who the API believes: a session with CSRF, or a good token, and never both."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tests.api.conftest import Program, problem
from tests.conftest import sign_in
from vms.models import ApiToken, Operation, User, VirtualMachine
from vms.services import tokens

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

Token = tuple[ApiToken, str]


def test_it_answers_a_session(client_alice: Client) -> None:
    assert client_alice.get("/api/v1/vms").status_code == 200


def test_it_answers_a_token(program: Program) -> None:
    assert program.get("/vms").status_code == 200


def test_it_refuses_nobody() -> None:
    problem(Client().get("/api/v1/vms"), 401, "not_signed_in")
    problem(Client(enforce_csrf_checks=True).post("/api/v1/vms/1/start"), 401, "not_signed_in")


def test_a_change_by_a_session_needs_its_csrf_token(alice: User, vm: VirtualMachine) -> None:
    client = sign_in(alice)
    client.handler.enforce_csrf_checks = True
    address = f"/api/v1/vms/{vm.pk}/pause"
    problem(client.post(address), 403, "csrf")
    assert not Operation.objects.exists()
    cookie = "c" * 32
    client.cookies[settings.CSRF_COOKIE_NAME] = cookie
    problem(client.post(address, {"csrfmiddlewaretoken": cookie}), 400, "unreadable")
    problem(client.post(address, headers={"X-CSRFToken": "x" * 32}), 403, "csrf")
    foreign = {"X-CSRFToken": cookie, "Origin": "https://example.org"}
    problem(client.post(address, content_type="application/json", headers=foreign), 403, "csrf")
    good = client.post(address, content_type="application/json", headers={"X-CSRFToken": cookie})
    assert good.status_code == 202


def test_a_change_by_a_token_needs_none(program: Program, vm: VirtualMachine) -> None:
    assert program.post(f"/vms/{vm.pk}/pause").status_code == 202
    assert Operation.objects.get().actor_token == ApiToken.objects.get()


@pytest.mark.parametrize(
    "header", ["Bearer kvmweb_wrong", "Bearer", "Bearer ", "bearer x", "Basic YWxpY2U6eA==", "", "kvmweb_x"]
)
def test_an_authorization_header_that_is_no_good_never_falls_back_to_the_cookie(
    client_alice: Client, header: str
) -> None:
    problem(client_alice.get("/api/v1/vms", headers={"Authorization": header}), 401, "not_signed_in")


def test_a_token_is_good_in_the_header_only(token: Token) -> None:
    for query in ("token", "access_token", "Authorization"):
        problem(Client().get(f"/api/v1/vms?{query}={token[1]}"), 401, "not_signed_in")


def test_an_expired_token_is_refused(program: Program) -> None:
    ApiToken.objects.update(expires_at=timezone.now())
    problem(program.get("/vms"), 401, "not_signed_in")


def test_a_revoked_token_is_refused(program: Program, token: Token, alice: User) -> None:
    assert tokens.revoke(alice, token[0].prefix) == 1
    problem(program.get("/vms"), 401, "not_signed_in")


def test_the_token_of_a_disabled_user_is_refused(program: Program) -> None:
    User.objects.update(is_active=False)
    problem(program.get("/vms"), 401, "not_signed_in")


def test_its_use_is_noted_at_most_once_a_minute(program: Program, token: Token) -> None:
    def noted(at: timedelta) -> bool:
        then = timezone.now() - at
        ApiToken.objects.update(last_used_at=then)
        program.get("/vms")
        return ApiToken.objects.get().last_used_at != then

    program.get("/vms")
    assert ApiToken.objects.get().last_used_at is not None
    assert noted(timedelta(seconds=50)) is False
    assert noted(timedelta(seconds=70)) is True


def test_only_a_hash_is_kept(token: Token) -> None:
    row, text = token
    kept = [str(value) for value in ApiToken.objects.values_list().get()]
    assert text.startswith("kvmweb_") and len(text) == 50
    assert not any(text in value for value in kept)
    assert row.expires_at - timezone.now() > timedelta(days=89)


def test_the_address_of_who_asks_is_the_fronts_word(program: Program, vm: VirtualMachine) -> None:
    from vms.models import AuditEvent

    program.post(f"/vms/{vm.pk}/pause", **{"X-Forwarded-For": "203.0.113.9"})
    assert AuditEvent.objects.get(action="asked:vm.pause").address == "192.0.2.7"
