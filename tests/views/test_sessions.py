"""The page of who is in: its lines, its pages, and closing a line."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tests.conftest import sign_in
from vms.models import Console, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def page(client: Client, path: str = "/sessions/") -> str:
    return client.get(path).content.decode()


def crowd(user: User, number: int) -> None:
    keys = [uuid.uuid4().hex for _ in range(number)]
    tomorrow = timezone.now() + timedelta(days=1)
    Session.objects.bulk_create(Session(session_key=key, session_data="", expire_date=tomorrow) for key in keys)
    UserSession.objects.bulk_create(
        UserSession(user=user, session_key=key, ip="192.0.2.1", user_agent="<i>tests") for key in keys
    )


def open_consoles(user: User, vm: VirtualMachine, number: int) -> None:
    Console.objects.bulk_create(
        Console(user=user, session_key="x", vm=vm, opened_at=timezone.now(), address="192.0.2.9") for _ in range(number)
    )


def test_one_line_and_no_console(client_alice: Client) -> None:
    text = page(client_alice)
    assert text.count('<span class="word">this browser</span>') == 1
    assert "/end/" not in text and "None." in text and 'aria-label="Pages' not in text


def test_a_line_can_be_closed_and_is_gone(client_alice: Client, mallory: User, vm: VirtualMachine) -> None:
    there = sign_in(mallory)
    open_consoles(mallory, vm, 1)
    text = page(client_alice)
    found = re.search(r"/sessions/(\d+)/end/", text)
    console = re.search(r"/consoles/(\d+)/close/", text)
    assert found and console and "web-01" in text and "192.0.2.9" in text
    assert client_alice.post(found[0])["Location"] == "/sessions/"
    assert there.get("/internal/session").status_code == 401
    assert client_alice.post(console[0])["Location"] == "/sessions/"
    assert Console.objects.get().dismissed_by is not None
    text = page(client_alice)
    assert "/end/" not in text and "/close/" not in text
    assert client_alice.post(found[0]).status_code == client_alice.post(console[0]).status_code == 404


def test_one_closes_ones_own_and_comes_back_to_them(client_mallory: Client, mallory: User, alice: User) -> None:
    there, hers = sign_in(mallory), sign_in(alice)
    other, foreign = (UserSession.objects.get(session_key=each.session.session_key) for each in (there, hers))
    assert client_mallory.post(f"/sessions/{foreign.pk}/end/").status_code == 404
    assert client_mallory.post(f"/sessions/{other.pk}/end/")["Location"] == "/accounts/sessions/"
    again = UserSession.objects.get(session_key=sign_in(mallory).session.session_key)
    assert client_mallory.post(f"/sessions/{again.pk}/end/", {"next": "/vms/"})["Location"] == "/vms/"
    last = UserSession.objects.get(session_key=sign_in(mallory).session.session_key)
    elsewhere = client_mallory.post(f"/sessions/{last.pk}/end/", {"next": "https://evil.example/"})
    assert elsewhere["Location"] == "/accounts/sessions/"
    assert there.get("/internal/session").status_code == 401
    assert hers.get("/internal/session").status_code == 204


def test_many_are_paged_each_list_on_its_own(
    client_alice: Client, mallory: User, vm: VirtualMachine, django_assert_max_num_queries: object
) -> None:
    crowd(mallory, 1000)
    open_consoles(mallory, vm, 1000)
    with django_assert_max_num_queries(20):  # type: ignore[operator]
        text = page(client_alice, "/sessions/?page=2&consoles=3")
    assert '<span class="count">1001</span>' in text and '<span class="count">1000</span>' in text
    assert "?consoles=3&amp;page=3" in text and "?page=2&amp;consoles=4" in text
    assert text.count("/end/") == text.count("/close/") and "&lt;i&gt;tests" in text and "<i>tests" not in text


def test_the_page_renews_itself_without_being_activity(client_alice: Client) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    UserSession.objects.update(last_seen_at=long_ago)
    client_alice.get("/sessions/", headers={"X-Kvmweb-Refresh": "1"})
    client_alice.get("/session/left", headers={"X-Kvmweb-Refresh": "1"})
    assert UserSession.objects.get().last_seen_at == long_ago
    assert client_alice.post("/session/active/").status_code == 204
    assert UserSession.objects.get().last_seen_at > timezone.now() - timedelta(minutes=1)


def test_a_page_is_told_how_long_it_has_when_it_is_loaded(client_alice: Client, vm: VirtualMachine) -> None:
    now = timezone.now()
    UserSession.objects.update(last_seen_at=now - timedelta(hours=3), created_at=now - timedelta(hours=11))
    for path in ("/", f"/vms/{vm.pk}/console/?own", f"/vms/{vm.pk}/serial/?own"):
        text = page(client_alice, path)
        found = re.search(r'data-idle="(\d+)" data-absolute="(\d+)" data-early="300"', text)
        assert found and int(found[1]) > 28790 and 3590 <= int(found[2]) <= 3600, path
    UserSession.objects.all().delete()
    assert 'id="ending"' not in page(client_alice, "/accounts/login/")


def test_the_door_says_that_a_session_has_ended(client: Client) -> None:
    assert "Your session has ended" in page(client, "/accounts/login/?ended&next=/vms/")
    assert "Your session has ended" not in page(client, "/accounts/login/?next=/vms/")


def test_a_page_learns_how_long_is_left(client_alice: Client) -> None:
    now = timezone.now()
    UserSession.objects.update(last_seen_at=now - timedelta(hours=7, minutes=56), created_at=now - timedelta(hours=11))
    left = client_alice.get("/session/left", headers={"X-Kvmweb-Refresh": "1"}).json()
    assert 230 <= left["idle"] <= 240 and 3590 <= left["absolute"] <= 3600
    UserSession.objects.all().delete()
    assert client_alice.get("/session/left").status_code == client_alice.post("/session/active/").status_code == 401
