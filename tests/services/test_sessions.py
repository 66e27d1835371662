"""Who is in: what is listed for whom, and ending it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, sign_in
from vms.errors import NotAllowed
from vms.models import AuditEvent, Console, Host, User, VirtualMachine
from vms.permissions import Actor
from vms.services import consoles, sessions, tokens
from vms.services.browsers import browser_name

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def row(client: Client) -> UserSession:
    return UserSession.objects.get(session_key=client.session.session_key)


def opened(user: User, vm: VirtualMachine, client: Client) -> Console:
    console, _ = consoles.issue(Actor(user, session_key=client.session.session_key or ""), vm)
    Console.objects.filter(pk=console.pk).update(opened_at=timezone.now(), relay="test")
    return console


def test_an_administrator_sees_all_and_others_their_own(alice: User, mallory: User) -> None:
    hers, his, again = row(sign_in(alice)), row(sign_in(mallory)), row(sign_in(alice))
    assert list(sessions.find_living(alice)) == [again, his, hers]
    assert list(sessions.find_living(mallory)) == [his]


def test_what_no_longer_lives_is_not_listed(alice: User, mallory: User) -> None:
    idle, old, gone, off, lives = (row(sign_in(user)) for user in (alice, alice, alice, mallory, alice))
    now = timezone.now()
    idle_since = now - timedelta(seconds=settings.SESSION_IDLE_SECONDS + 5)
    UserSession.objects.filter(pk=idle.pk).update(last_seen_at=idle_since)
    began = now - timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS + 5)
    UserSession.objects.filter(pk=old.pk).update(created_at=began)
    Session.objects.filter(session_key=gone.session_key).delete()
    User.objects.filter(pk=off.user_id).update(is_active=False)
    assert list(sessions.find_living(alice)) == [lives]


def test_an_ended_session_is_gone_with_its_console(alice: User, mallory: User, vm: VirtualMachine) -> None:
    there = sign_in(alice)
    console = opened(alice, vm, there)
    found, key = row(there), there.session.session_key or ""
    sessions.end(Actor(alice), found)
    assert sessions.living([key]) == {}
    assert not Session.objects.filter(session_key=key).exists()
    assert consoles.no_longer_allowed(Console.objects.all()) == {console.pk: "signed_out"}
    event = AuditEvent.objects.get(action="ended:session")
    assert (event.user_name, event.facts) == ("alice", {"of": "alice", "at": "127.0.0.1"})
    sessions.end(Actor(alice), found)
    assert AuditEvent.objects.filter(action="ended:session").count() == 1


def test_others_sessions_and_consoles_are_an_administrators_to_end(
    alice: User, mallory: User, vm: VirtualMachine
) -> None:
    hers = sign_in(alice)
    console, found = opened(alice, vm, hers), row(hers)
    with pytest.raises(NotAllowed):
        sessions.end(Actor(mallory), found)
    with pytest.raises(NotAllowed):
        consoles.dismiss(Actor(mallory), console)
    assert not AuditEvent.objects.filter(action__in=("ended:session", "dismissed:console")).exists()
    his = row(sign_in(mallory))
    sessions.end(Actor(mallory), his)
    assert not UserSession.objects.filter(pk=his.pk).exists()
    sessions.end(Actor(alice), row(sign_in(mallory)))
    assert not UserSession.objects.filter(user=mallory).exists()


def test_a_token_ends_nothing(alice: User, vm: VirtualMachine) -> None:
    here = sign_in(alice)
    by_token = Actor(alice, token=tokens.create(alice)[0])
    with pytest.raises(NotAllowed):
        sessions.end(by_token, row(here))
    with pytest.raises(NotAllowed):
        consoles.dismiss(by_token, opened(alice, vm, here))
    assert UserSession.objects.count() == 1


def test_a_dismissed_console_must_end_and_is_listed_no_more(alice: User, mallory: User, host: Host) -> None:
    vm, here = make_vm(host, "other"), sign_in(alice)
    first, second = opened(alice, vm, here), opened(alice, vm, here)
    assert list(consoles.find_open(alice)) == [second, first] and not consoles.find_open(mallory).exists()
    consoles.dismiss(Actor(alice), first)
    consoles.dismiss(Actor(alice), first)
    assert consoles.no_longer_allowed(Console.objects.all()) == {first.pk: "dismissed"}
    assert list(consoles.find_open(alice)) == [second]
    event = AuditEvent.objects.get(action="dismissed:console")
    assert (event.target_name, event.facts["of"], event.facts["console"]) == ("other", "alice", first.pk)


@pytest.mark.parametrize(
    ("says", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox 128, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
         "Safari/537.36 Edg/126.0.0.0", "Edge 126, Windows"),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile "
         "Safari/537.36", "Chrome 126, Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "Version/17.5 Mobile/15E148 Safari/604.1", "Safari 17, iPhone"),
        ("curl/8.5.0", "curl/8.5.0"), ("", ""), ("<b>" * 100, "<b>" * 20),
    ],
)  # fmt: skip
def test_a_browser_is_named_in_words(says: str, name: str) -> None:
    assert browser_name(says) == name
