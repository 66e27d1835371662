"""Who types into a serial line."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, sign_in
from vms import live
from vms.errors import NoConsole, NotAllowed
from vms.models import AuditEvent, Console, Host, User, VirtualMachine
from vms.permissions import Actor
from vms.services import consoles, driving

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def serial(host: Host) -> VirtualMachine:
    return make_vm(host, graphics=[], serials=["serial0", "serial1"])


@pytest.fixture
def here(alice: User, client_alice: Client) -> Actor:
    return Actor(alice, client_alice.session.session_key or "")


@pytest.fixture
def bob(db: None) -> Actor:
    user = User.objects.create(username="bob", is_administrator=True)
    return Actor(user, sign_in(user).session.session_key or "")


def opened(actor: Actor, vm: VirtualMachine, mode: str = "drive", device: str = "serial0") -> Console:
    """Asked for and redeemed."""
    _, ticket = consoles.issue(actor, vm, kind="serial", mode=mode, device=device)
    return consoles.redeem(ticket, vm=vm.pk, session_key=actor.session_key, has_origin=True, relay="r")


def mode(console: Console) -> str:
    console.refresh_from_db()
    return console.mode


def test_the_first_drives_and_the_second_watches(here: Actor, bob: Actor, serial: VirtualMachine) -> None:
    first, second = opened(here, serial), opened(bob, serial)
    assert (first.mode, second.mode) == ("drive", "view")
    assert opened(bob, serial, device="serial1").mode == "drive"
    assert driving.drivers("r") == {first.pk, Console.objects.latest("pk").pk}
    assert driving.drivers("another") == set()


def test_watching_takes_nothing_from_anybody(here: Actor, bob: Actor, serial: VirtualMachine) -> None:
    assert opened(bob, serial, "view").mode == "view"
    assert opened(here, serial).mode == "drive"


def test_a_page_that_is_loaded_again_goes_on_typing(here: Actor, serial: VirtualMachine) -> None:
    first, second = opened(here, serial), opened(here, serial)
    assert (mode(first), mode(second)) == ("view", "drive")
    elsewhere = Actor(here.user, "another session")
    assert consoles.issue(elsewhere, serial, kind="serial")[0].mode == "view"


def test_who_left_or_never_came_holds_nothing(here: Actor, bob: Actor, serial: VirtualMachine) -> None:
    first = opened(here, serial)
    consoles.closed(first.pk, "browser_left")
    never, _ = consoles.issue(here, serial, kind="serial")
    assert opened(bob, serial).mode == "view"
    Console.objects.filter(pk=never.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    assert consoles.issue(bob, serial, kind="serial")[0].mode == "drive"


def test_taking_over_and_back(here: Actor, bob: Actor, serial: VirtualMachine) -> None:
    alices, bobs = opened(here, serial), opened(bob, serial)
    driving.take_over(bob, serial, bobs.pk)
    assert (mode(alices), mode(bobs), alices.taken_by) == ("view", "drive", bob.user)
    seen = driving.company(here, serial, "serial0", alices.pk)
    assert seen == driving.Company(drives=False, driver="bob", is_self=False, taken=True, watchers=[])
    seen = driving.company(bob, serial, "serial0", bobs.pk)
    assert seen == driving.Company(drives=True, driver="", is_self=False, taken=False, watchers=["alice"])
    driving.take_over(here, serial, alices.pk)
    assert (mode(alices), mode(bobs), alices.taken_by, bobs.taken_by) == ("drive", "view", None, here.user)
    facts = list(AuditEvent.objects.filter(action="took:console").order_by("pk").values_list("user_name", "facts"))
    assert [(name, fact["driver"], fact["device"]) for name, fact in facts] == [
        ("bob", "alice", "serial0"), ("alice", "bob", "serial0"),
    ]  # fmt: skip


def test_it_hurries_the_relay(
    here: Actor, bob: Actor, serial: VirtualMachine, django_capture_on_commit_callbacks: pytest.FixtureRequest
) -> None:
    opened(here, serial)
    bobs = opened(bob, serial)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        driving.take_over(bob, serial, bobs.pk)
    assert live.connection().exists(live.key("hurry", "r"))
    assert live.hurried("r", 5.0)
    assert not live.hurried("r", 0.1)
    assert not live.connection().exists(live.key("hurry", "r"))


def test_nobody_is_told_who_left(here: Actor, bob: Actor, serial: VirtualMachine) -> None:
    alices, bobs = opened(here, serial), opened(bob, serial)
    consoles.closed(alices.pk, "browser_left")
    seen = driving.company(bob, serial, "serial0", bobs.pk)
    assert seen == driving.Company(drives=False, driver="", is_self=False, taken=False, watchers=[])
    driving.take_over(bob, serial, bobs.pk)
    assert mode(bobs) == "drive"


def test_only_with_a_console_of_ones_own_that_is_open(here: Actor, bob: Actor, serial: VirtualMachine) -> None:
    alices = opened(here, serial)
    bobs = opened(bob, serial)
    other_session = Actor(bob.user, "another session")
    other_vm = make_vm(serial.placement.host, "other", serials=["serial0"])  # type: ignore[union-attr]
    for actor, vm, console in ((bob, serial, alices), (other_session, serial, bobs), (bob, other_vm, bobs)):
        with pytest.raises(NoConsole):
            driving.take_over(actor, vm, console.pk)
        assert driving.company(actor, vm, "serial0", console.pk) is None
    consoles.closed(bobs.pk, "browser_left")
    with pytest.raises(NoConsole):
        driving.take_over(bob, serial, bobs.pk)
    assert mode(alices) == "drive"


def test_only_who_may_type(here: Actor, mallory: User, serial: VirtualMachine) -> None:
    alices = opened(here, serial)
    row = Console.objects.create(
        user=mallory, session_key="m", vm=serial, kind="serial", device="serial0", mode="view", opened_at=timezone.now()
    )
    with pytest.raises(NotAllowed):
        driving.take_over(Actor(mallory, "m"), serial, row.pk)
    assert mode(alices) == "drive"


def test_the_database_knows_that_one_drives(here: Actor, bob: Actor, serial: VirtualMachine) -> None:
    opened(here, serial)
    bobs = opened(bob, serial)
    with pytest.raises(IntegrityError), transaction.atomic():
        Console.objects.filter(pk=bobs.pk).update(mode="drive")
