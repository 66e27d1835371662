"""The commands that make and end tokens."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.api.conftest import Program
from vms.models import ApiToken, AuditEvent, User

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


@pytest.mark.parametrize("arguments", [["bob"], ["alice", "--days", "0"], ["alice", "--name", "x" * 101]])
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
