"""Sessions end: idle, at the latest after a fixed time, at sign-out; what refreshes itself keeps none alive."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tests.conftest import sign_in
from vms.models import Console, User, VirtualMachine
from vms.permissions import Actor
from vms.services import consoles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

IDLE = timedelta(seconds=settings.SESSION_IDLE_SECONDS)
ABSOLUTE = timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS)
MOMENT = timedelta(seconds=5)


def is_in(client: Client, **headers: str) -> bool:
    return client.get("/internal/session", headers=headers).status_code == 204


def aged(client: Client, *, idle: timedelta = timedelta(), age: timedelta = timedelta()) -> Client:
    now = timezone.now()
    UserSession.objects.filter(session_key=client.session.session_key).update(
        last_seen_at=now - idle, created_at=now - max(age, idle)
    )
    return client


def test_limits_are_those_of_the_settings() -> None:
    assert (timedelta(hours=8), timedelta(hours=12)) == (IDLE, ABSOLUTE)


def test_an_idle_session_ends(client_alice: Client) -> None:
    assert is_in(aged(client_alice, idle=IDLE - MOMENT))
    assert not is_in(aged(client_alice, idle=IDLE + MOMENT))


def test_an_active_session_ends_too(client_alice: Client) -> None:
    assert is_in(aged(client_alice, age=ABSOLUTE - MOMENT))
    assert not is_in(aged(client_alice, age=ABSOLUTE + MOMENT))


def test_activity_keeps_it_alive_and_a_refresh_does_not(client_alice: Client) -> None:
    aged(client_alice, idle=IDLE - MOMENT)
    is_in(client_alice, **{"X-Kvmweb-Refresh": "1"})
    assert UserSession.objects.get().last_seen_at < timezone.now() - IDLE + MOMENT * 2
    is_in(client_alice)
    assert UserSession.objects.get().last_seen_at > timezone.now() - MOMENT


def test_activity_is_noted_at_most_once_a_minute(client_alice: Client) -> None:
    aged(client_alice, idle=timedelta(seconds=30))
    before = UserSession.objects.get().last_seen_at
    is_in(client_alice)
    assert UserSession.objects.get().last_seen_at == before


def test_a_session_without_its_row_is_none(client_alice: Client) -> None:
    UserSession.objects.all().delete()
    assert not is_in(client_alice)


def test_signing_out_ends_it_for_good(alice: User) -> None:
    client = sign_in(alice)
    key = client.session.session_key
    client.post("/accounts/logout/")
    client.cookies[settings.SESSION_COOKIE_NAME] = str(key)
    assert not is_in(client)


def test_the_api_takes_no_ended_session(client_alice: Client) -> None:
    assert aged(client_alice, idle=IDLE + MOMENT).get("/api/v1/vms").status_code == 401


def test_a_changed_password_ends_the_other_sessions(alice: User) -> None:
    here, there = sign_in(alice), sign_in(alice)
    new = "another long password"
    here.post(
        "/accounts/password/change/", {"oldpassword": "correct horse battery", "password1": new, "password2": new}
    )
    assert is_in(here) and not is_in(there)


def test_a_changed_password_ends_the_consoles_of_the_other_sessions(alice: User, vm: VirtualMachine) -> None:
    here, there = sign_in(alice), sign_in(alice)
    console, _ = consoles.issue(Actor(alice, session_key=there.session.session_key or ""), vm)
    new = "another long password"
    here.post(
        "/accounts/password/change/", {"oldpassword": "correct horse battery", "password1": new, "password2": new}
    )
    assert consoles.no_longer_allowed(Console.objects.all()) == {console.pk: "signed_out"}
