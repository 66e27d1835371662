"""Who is in, by API."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone

from tests.api.conftest import API, Program, problem
from tests.conftest import sign_in
from vms.models import Console, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def console(mallory: User, vm: VirtualMachine) -> Console:
    return Console.objects.create(user=mallory, session_key="x", vm=vm, opened_at=timezone.now(), address="192.0.2.9")


def listed(answer: Any) -> list[Any]:
    assert answer.status_code == 200, answer.content
    items: list[Any] = answer.json()["items"]
    return items


def test_an_administrator_is_shown_all_and_others_their_own(
    client_alice: Client, client_mallory: Client, console: Console, stranger: Program
) -> None:
    assert [(each["user"], each["here"]) for each in listed(client_alice.get(f"{API}/sessions"))] == [
        ("mallory", False), ("alice", True),
    ]  # fmt: skip
    assert [each["user"] for each in listed(client_mallory.get(f"{API}/sessions"))] == ["mallory"]
    [item] = listed(client_alice.get(f"{API}/consoles"))
    assert (item["id"], item["user"], item["vm_name"], item["token"]) == (console.pk, "mallory", "web-01", "")
    assert [each["id"] for each in listed(stranger.get("/consoles"))] == [console.pk]


def test_a_session_ends_others_and_a_token_none(
    client_alice: Client, program: Program, mallory: User, console: Console
) -> None:
    sign_in(mallory)
    found = UserSession.objects.get(user=mallory)
    for path in (f"/sessions/{found.pk}", f"/consoles/{console.pk}"):
        problem(program.send("DELETE", path), 403, "not_allowed")
        assert client_alice.delete(API + path).status_code == 204
        problem(client_alice.delete(API + path), 404, "not_there")
    assert not UserSession.objects.filter(user=mallory).exists()
    assert Console.objects.get().dismissed_by == User.objects.get(username="alice")
