"""The commands that make and end tokens, and the addresses at which people do."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from tests.api.conftest import Program, problem
from vms.models import ApiToken, AuditEvent, User
from vms.services import tokens

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def made(*arguments: str) -> str:
    out = io.StringIO()
    call_command("create_token", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_it_prints_the_token_last_and_the_token_works(alice: User) -> None:
    text = made("alice", "--name", "backup").strip().splitlines()[-1]
    assert Program(text).get("/vms").status_code == 200
    row = ApiToken.objects.get()
    assert (row.user, row.name, row.prefix) == (alice, "backup", text[:12])
    days = row.expires_at - timezone.now()
    assert timedelta(days=89) < days <= timedelta(days=90)
    assert text not in str(AuditEvent.objects.values_list())


def test_it_lasts_as_many_days_as_asked(alice: User) -> None:
    made("alice", "--days", "2")
    assert ApiToken.objects.get().expires_at - timezone.now() < timedelta(days=2)


@pytest.mark.parametrize(
    "arguments",
    [["bob"], ["alice", "--days", "0"], ["alice", "--name", "x" * 101], ["alice", "--scope", "root"]],
)
def test_it_refuses_what_makes_no_token(alice: User, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        made(*arguments)
    assert not ApiToken.objects.exists()


def test_it_ends_a_token(alice: User) -> None:
    text = made("alice").strip()
    call_command("revoke_token", "alice", text[:12], stdout=io.StringIO())
    assert Program(text).get("/vms").status_code == 401
    with pytest.raises(CommandError):
        call_command("revoke_token", "alice", text[:12])


def test_the_command_takes_scopes(alice: User, mallory: User) -> None:
    made("alice")
    assert ApiToken.objects.latest("pk").scope_names == ["all"]
    made("alice", "--scope", "host.admin", "--scope", "viewer")
    assert ApiToken.objects.latest("pk").scope_names == ["viewer", "host.admin"]
    with pytest.raises(CommandError, match="administrator"):
        made("mallory", "--scope", "host.admin")


POST: dict[str, Any] = {"content_type": "application/json"}
WISH = {"name": "backup", "scopes": ["viewer", "vm.power"]}


def test_a_person_makes_and_revokes_it_by_a_session(client_mallory: Client, mallory: User) -> None:
    answer = client_mallory.post("/api/v1/tokens", WISH, **POST)
    text = answer.json()["token"]
    assert answer.status_code == 201 and answer["Cache-Control"] == "no-store"
    item = client_mallory.get(answer["Location"]).json()
    assert (item["scopes"], item["user"], "token" in item) == (WISH["scopes"], "mallory", False)
    program = Program(text)
    me = program.get("/me").json()
    assert (me["name"], me["token"], me["scopes"]) == ("mallory", text[:12], WISH["scopes"])
    assert program.get("/vms").status_code == 200
    [listed] = client_mallory.get("/api/v1/tokens").json()["items"]
    assert listed["last_address"] == "192.0.2.7" and listed["last_used_at"]
    assert client_mallory.delete(answer["Location"]).status_code == 204
    assert program.get("/me").status_code == 401
    assert client_mallory.get(answer["Location"]).status_code == 404
    assert client_mallory.get("/api/v1/tokens").json()["items"] == []


def test_what_does_not_fit_is_told_by_field(client_mallory: Client) -> None:
    for wish, where in (({"name": ""}, "name"), ({"scopes": ["host.admin"]}, "scopes"), ({"days": 366}, "days")):
        answer = client_mallory.post("/api/v1/tokens", {**WISH, **wish}, **POST)
        assert [error["where"] for error in problem(answer, 422, "bad_fields")["errors"]] == [["body", where]]
    assert not ApiToken.objects.exists()


def test_no_token_makes_lists_or_revokes_any(program: Program, token: tuple[ApiToken, str]) -> None:
    for method, path, body in (
        ("POST", "/tokens", WISH), ("GET", "/tokens", None), ("GET", f"/tokens/{token[0].pk}", None),
        ("DELETE", f"/tokens/{token[0].pk}", None),
    ):  # fmt: skip
        problem(program.send(method, path, body), 403, "needs_person")
    assert ApiToken.objects.get().revoked_at is None


def test_an_administrator_lists_and_revokes_those_of_others(
    client_alice: Client, client_mallory: Client, mallory: User, alice: User
) -> None:
    tokens.create(mallory, name="theirs")
    [item] = client_alice.get(f"/api/v1/tokens?user={mallory.pk}").json()["items"]
    assert (item["name"], item["user"]) == ("theirs", "mallory")
    assert client_alice.get("/api/v1/tokens").json()["items"] == []
    assert client_alice.get("/api/v1/tokens?user=999999").status_code == 404
    assert client_mallory.get(f"/api/v1/tokens?user={mallory.pk}").json()["count"] == 1
    for pk in (alice.pk, 999999):
        problem(client_mallory.get(f"/api/v1/tokens?user={pk}"), 403, "not_allowed")
    assert client_alice.delete(f"/api/v1/tokens/{item['id']}").status_code == 204
    assert not tokens.living(mallory).exists()
