"""Tickets: what gives one, what refuses one, and what ends an open console."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tests.conftest import make_vm
from vms import live
from vms.errors import BadParameters, HostLeftAlone, NoConsole, NotAllowed, TicketRefused, TooManyConsoles
from vms.models import ApiToken, AuditEvent, Console, Host, Placement, User, VirtualMachine
from vms.permissions import Actor
from vms.services import consoles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def session(alice: User, client_alice: Client) -> Actor:
    """Alice in her browser."""
    return Actor(alice, client_alice.session.session_key or "", address="127.0.0.1")


@pytest.fixture
def token(alice: User) -> Actor:
    """Alice's script."""
    row = ApiToken.objects.create(
        user=alice, prefix="kvw_1", token_hash="0" * 64, scopes=" all ", expires_at=timezone.now() + timedelta(days=1)
    )
    return Actor(alice, token=row)


def redeem(ticket: str, actor: Actor, vm: VirtualMachine, *, has_origin: bool = True) -> Console:
    return consoles.redeem(ticket, vm=vm.pk, session_key=actor.session_key, has_origin=has_origin, relay="r")


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(TicketRefused) as refusal:
        call()
    return str(refusal.value.params["reason"])


def test_a_ticket_opens_once_and_its_text_is_nowhere(session: Actor, vm: VirtualMachine) -> None:
    console, ticket = consoles.issue(session, vm)
    assert len(ticket) == 43
    assert ticket not in str(live.connection().keys("*"))
    assert redeem(ticket, session, vm).pk == console.pk
    console.refresh_from_db()
    assert console.opened_at and console.relay == "r"
    assert reason_of(lambda: redeem(ticket, session, vm)) == "used"
    assert AuditEvent.objects.filter(action="opened:console").count() == 1
    assert AuditEvent.objects.get(action="refused:console").facts["reason"] == "used"


def test_a_ticket_dies_after_its_seconds(session: Actor, vm: VirtualMachine) -> None:
    _, ticket = consoles.issue(session, vm)
    assert 0 < live.connection().ttl(consoles.ticket_key(ticket)) <= consoles.TICKET_SECONDS
    live.connection().delete(consoles.ticket_key(ticket))
    assert reason_of(lambda: redeem(ticket, session, vm)) == "late"


@pytest.mark.parametrize("age", [31, -31, -3600], ids=["old", "clock set back", "clock set back an hour"])
def test_redis_cannot_make_an_old_ticket_young(session: Actor, vm: VirtualMachine, age: int) -> None:
    console, ticket = consoles.issue(session, vm)
    Console.objects.update(created_at=timezone.now() - timedelta(seconds=age))
    assert reason_of(lambda: redeem(ticket, session, vm)) == "late"
    console.refresh_from_db()
    assert console.opened_at is None


def test_redis_cannot_make_a_used_ticket_new(session: Actor, vm: VirtualMachine) -> None:
    console, ticket = consoles.issue(session, vm)
    redeem(ticket, session, vm)
    live.connection().set(consoles.ticket_key(ticket), console.pk)
    assert reason_of(lambda: redeem(ticket, session, vm)) == "late"


def test_another_session_of_the_same_user_is_refused_and_does_not_spend_it(session: Actor, vm: VirtualMachine) -> None:
    _, ticket = consoles.issue(session, vm)
    stranger = Actor(session.user, "x" * 32)
    assert reason_of(lambda: redeem(ticket, stranger, vm)) == "other_session"
    assert reason_of(lambda: redeem(ticket, Actor(session.user), vm)) == "other_session"
    assert redeem(ticket, session, vm)


def test_a_ticket_is_for_one_vm(session: Actor, vm: VirtualMachine, host: Host) -> None:
    _, ticket = consoles.issue(session, vm)
    assert reason_of(lambda: redeem(ticket, session, make_vm(host, "other"))) == "other_vm"


def test_only_a_script_may_come_without_an_origin(session: Actor, token: Actor, vm: VirtualMachine) -> None:
    _, ticket = consoles.issue(session, vm)
    assert reason_of(lambda: redeem(ticket, session, vm, has_origin=False)) == "no_origin"
    _, scripted = consoles.issue(token, vm)
    assert redeem(scripted, token, vm, has_origin=False)


def test_nobody_ever_gave_out_this_one(session: Actor, vm: VirtualMachine) -> None:
    assert reason_of(lambda: redeem("a" * 43, session, vm)) == "unknown"


ENDS: dict[str, tuple[str, Callable[[Console], object]]] = {
    "signed out": ("signed_out", lambda console: Session.objects.all().delete()),
    "ended from the list of sessions": ("signed_out", lambda console: UserSession.objects.all().delete()),
    "idle for too long": (
        "session_ended",
        lambda console: UserSession.objects.update(
            last_seen_at=timezone.now() - timedelta(seconds=settings.SESSION_IDLE_SECONDS + 1)
        ),
    ),
    "past the absolute limit": (
        "session_ended",
        lambda console: UserSession.objects.update(
            created_at=timezone.now() - timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS + 1)
        ),
    ),
    "disabled": ("right_gone", lambda console: User.objects.update(is_active=False)),
    "no administrator any more": ("right_gone", lambda console: User.objects.update(is_administrator=False)),
    "VM deleted here": ("vm_gone", lambda console: VirtualMachine.objects.update(deleted_at=timezone.now())),
    "host left alone": ("left_alone", lambda console: Host.objects.update(left_alone=True)),
    "VM vanished": ("vm_gone", lambda console: Placement.objects.update(present=False)),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("mode", ["drive", "view"])
def test_what_ends_a_console_also_refuses_its_ticket(name: str, mode: str, session: Actor, vm: VirtualMachine) -> None:
    expected, change = ENDS[name]
    opened, ticket = consoles.issue(session, vm, mode=mode)
    redeem(ticket, session, vm)
    _, second = consoles.issue(session, vm, mode=mode)
    assert consoles.no_longer_allowed(consoles.of_relay("r")) == {}
    change(opened)
    assert consoles.no_longer_allowed(consoles.of_relay("r")) == {opened.pk: expected}
    assert reason_of(lambda: redeem(second, session, vm)) == expected


@pytest.mark.parametrize("fields", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now()}])
def test_a_console_ends_with_its_token(fields: dict[str, object], token: Actor, vm: VirtualMachine) -> None:
    opened, ticket = consoles.issue(token, vm)
    redeem(ticket, token, vm, has_origin=False)
    assert consoles.no_longer_allowed(consoles.of_relay("r")) == {}
    ApiToken.objects.update(**fields)
    assert consoles.no_longer_allowed(consoles.of_relay("r")) == {opened.pk: "token_ended"}


def test_one_query_asks_for_all(
    session: Actor, vm: VirtualMachine, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        redeem(consoles.issue(session, vm)[1], session, vm)
    Session.objects.all().delete()
    with django_assert_num_queries(1):
        assert len(consoles.no_longer_allowed(consoles.of_relay("r"))) == 5


def test_it_asks_for_the_right_before_all_else(mallory: User, vm: VirtualMachine) -> None:
    for mode in ("drive", "view"):
        with pytest.raises(NotAllowed):
            consoles.issue(Actor(mallory), vm, mode=mode)
    assert not Console.objects.exists()


@pytest.mark.parametrize("state", ["shut_off", "saved", "unknown"])
def test_a_vm_that_is_off_has_no_screen(state: str, session: Actor, host: Host) -> None:
    with pytest.raises(NoConsole):
        consoles.issue(session, make_vm(host, state=state))
    assert consoles.issue(session, make_vm(host, "p", state="paused"))


@pytest.mark.parametrize("graphics", [[], ["spice"]])
def test_a_vm_without_vnc_has_no_console(graphics: list[str], session: Actor, host: Host) -> None:
    with pytest.raises(NoConsole):
        consoles.issue(session, make_vm(host, graphics=graphics))


@pytest.mark.parametrize("wish", [{"kind": "spice"}, {"mode": "own"}])
def test_it_knows_no_other_kind_or_mode(wish: dict[str, Any], session: Actor, vm: VirtualMachine) -> None:
    with pytest.raises(BadParameters):
        consoles.issue(session, vm, **wish)


def test_a_user_has_a_limit_and_closed_or_unused_ones_do_not_count(session: Actor, vm: VirtualMachine) -> None:
    for _ in range(consoles.MOST_OF_A_USER):
        consoles.issue(session, vm)
    with pytest.raises(TooManyConsoles):
        consoles.issue(session, vm)
    Console.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    console, _ = consoles.issue(session, vm)
    assert Console.objects.filter(closed_at=None).get() == console


def test_the_machine_has_a_limit(session: Actor, mallory: User, vm: VirtualMachine) -> None:
    now = timezone.now()
    Console.objects.bulk_create(Console(user=mallory, vm=vm, opened_at=now) for _ in range(consoles.MOST))
    with pytest.raises(TooManyConsoles):
        consoles.issue(session, vm)


def test_a_relay_that_died_leaves_no_open_rows(session: Actor, vm: VirtualMachine) -> None:
    redeem(consoles.issue(session, vm)[1], session, vm)
    assert consoles.close_stale("another") == 0
    assert consoles.close_stale("r") == 1
    assert Console.objects.get().close_reason == "relay_ended"


def test_typing_is_activity_of_the_session(session: Actor, vm: VirtualMachine) -> None:
    console = redeem(consoles.issue(session, vm)[1], session, vm)
    before = timezone.now() - timedelta(hours=1)
    UserSession.objects.update(last_seen_at=before)
    consoles.touch([console.pk])
    assert UserSession.objects.get().last_seen_at > before


def test_no_ticket_leads_to_a_host_that_is_left_alone(actor: Actor, vm: VirtualMachine) -> None:
    Host.objects.update(left_alone=True)
    vm = VirtualMachine.objects.select_related("placement__host").get(pk=vm.pk)
    with pytest.raises(HostLeftAlone):
        consoles.issue(actor, vm)
