"""The live channel: names that one may be told, for as long as one is signed in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from kvmweb.asgi import application
from tests.conftest import make_vm, sign_in
from tests.grants import grant
from vms import consumers
from vms.live import ACCESS, GROUP, MOST_NAMES
from vms.models import Grant, Host, User, VirtualMachine

Change = Callable[[User, VirtualMachine], None]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis"), pytest.mark.asyncio]


def socket(
    client: Client, *, origin: str | None = "http://localhost", host: str = "localhost"
) -> WebsocketCommunicator:
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    headers = [(b"host", host.encode()), (b"cookie", cookie.encode())]
    headers += [(b"origin", origin.encode())] if origin is not None else []
    return WebsocketCommunicator(application, "/ws/live", headers=headers)


@asynccontextmanager
async def opened(client: Client) -> AsyncIterator[WebsocketCommunicator]:
    communicator = socket(client)
    assert (await communicator.connect())[0]
    try:
        yield communicator
    finally:
        await communicator.disconnect()


async def announce(number: int, *names: str) -> None:
    layer: Any = get_channel_layer()
    await layer.group_send(GROUP, {"type": "names", "number": number, "names": list(names)})


async def heard(communicator: WebsocketCommunicator) -> dict[str, Any]:
    return dict(await communicator.receive_json_from(timeout=3))


async def test_it_passes_names_on_and_counts_them(client_alice: Client) -> None:
    async with opened(client_alice) as browser:
        await announce(41, "vm:1", "op:2")
        assert await heard(browser) == {"n": 1, "names": ["op:2", "vm:1"]}
        await announce(42, "vm:1")
        assert await heard(browser) == {"n": 2, "names": ["vm:1"]}


async def test_who_has_no_right_is_told_nothing(client_mallory: Client, client_alice: Client) -> None:
    async with opened(client_mallory) as mallory, opened(client_alice) as alice:
        await announce(1, "vm:1")
        assert await heard(alice)
        assert await mallory.receive_nothing(timeout=0.3)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "localhost"),
        (None, "localhost"),
        ("null", "localhost"),
        ("http://localhost:1", "localhost"),
        ("http://evil.example", "evil.example"),
        ("ftp://localhost", "localhost"),
    ],
)
async def test_a_foreign_page_cannot_open_it(client_alice: Client, origin: str | None, host: str) -> None:
    connected, _ = await socket(client_alice, origin=origin, host=host).connect()
    assert not connected


async def test_a_stranger_cannot_open_it(client: Client) -> None:
    client.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    assert not (await socket(client).connect())[0]


async def test_a_port_of_a_tunnel_is_no_foreign_page(client_alice: Client) -> None:
    communicator = socket(client_alice, origin="http://localhost:9999", host="localhost:9999")
    assert (await communicator.connect())[0]
    await communicator.disconnect()


def drop_session(user: User) -> None:
    Session.objects.all().delete()


def switch_off(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def change_password(user: User) -> None:
    user.set_password("another horse")
    user.save()


def let_it_age(user: User) -> None:
    from allauth.usersessions.models import UserSession

    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(days=1))


@pytest.mark.parametrize("end", [drop_session, switch_off, change_password, let_it_age])
async def test_it_closes_within_two_seconds_of_the_sessions_end(
    client_alice: Client, alice: User, end: Callable[[User], None]
) -> None:
    async with opened(client_alice) as browser:
        await sync_to_async(end)(alice)
        closed = await browser.receive_output(timeout=2)
        assert (closed["type"], closed["code"]) == ("websocket.close", consumers.SIGNED_OUT)


class Asked(consumers.LiveConsumer):
    """A channel that notes in whose answer it was looked for."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.session_key = key
        self.answers: list[dict[str, User]] = []
        self.twice = asyncio.Event()

    async def look_again(self, users: dict[str, User], rights: dict[int, consumers.Rights]) -> None:
        self.answers.append(users)
        if len(self.answers) > 1:
            self.twice.set()


async def test_who_comes_while_it_is_asked_about_others_is_not_looked_for(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, before, late = consumers.Registry(), Asked("before"), Asked("late")

    def living(keys: Collection[str]) -> dict[str, User]:
        registry.open.add(late)
        return dict.fromkeys(keys, alice)

    monkeypatch.setattr(consumers, "living", living)
    monkeypatch.setattr(consumers, "ASK_EVERY", 0.05)
    await registry.add(before)
    await asyncio.wait_for(late.twice.wait(), 10)
    for page in (before, late):
        registry.discard(page)
    assert all("late" in users for users in late.answers)


async def test_a_right_that_was_taken_away_takes_the_names_away(client_alice: Client, alice: User) -> None:
    async with opened(client_alice) as browser:
        await sync_to_async(User.objects.filter(pk=alice.pk).update)(is_administrator=False)
        assert (await heard(browser))["names"] == ["*"]
        await announce(1, "vm:1")
        assert await browser.receive_nothing(timeout=0.3)


async def test_an_announcement_that_was_lost_is_made_up_for(client_alice: Client) -> None:
    async with opened(client_alice) as browser:
        await announce(1, "vm:1")
        await heard(browser)
        await announce(3, "vm:3")
        assert (await heard(browser))["names"] == ["vm:3"]
        assert (await heard(browser))["names"] == ["*"]


async def test_many_open_pages_ask_together_who_may_be_told(
    client_alice: Client, client_mallory: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = consumers.all_visible

    def ask(questions: Any) -> list[list[str]]:
        asked.append(len(questions))
        return real(questions)

    monkeypatch.setattr(consumers, "all_visible", ask)
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(opened(client_alice)) for _ in range(20)]
        mallory = await stack.enter_async_context(opened(client_mallory))
        for number in range(1, 6):
            await announce(number, f"vm:{number}")
        for page in pages:
            told: set[str] = set()
            while len(told) < 5:
                told.update((await heard(page))["names"])
        assert await mallory.receive_nothing(timeout=0.1)
    assert sum(asked) >= 21 and len(asked) < 21


async def test_a_question_that_fails_is_asked_again(client_alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    real = consumers.all_visible
    failed: list[int] = []

    def fail_once(questions: Any) -> list[list[str]]:
        if not failed:
            failed.append(1)
            raise OSError("the database is locked")
        return real(questions)

    monkeypatch.setattr(consumers, "all_visible", fail_once)
    async with opened(client_alice) as browser:
        await announce(1, "vm:1")
        assert (await heard(browser))["names"] == ["vm:1"]
    assert failed


async def test_announcements_in_another_order_lose_nothing(client_alice: Client) -> None:
    async with opened(client_alice) as browser:
        for number in (1, 3, 2):
            await announce(number, f"vm:{number}")
        told: set[str] = set()
        while len(told) < 3:
            told.update((await heard(browser))["names"])
        assert told == {"vm:1", "vm:2", "vm:3"}
        assert await browser.receive_nothing(timeout=2.5)


async def test_a_browser_that_does_not_read_gets_one_name_instead_of_a_queue(alice: User) -> None:
    consumer = consumers.LiveConsumer()
    consumer.waiting, consumer.wake = set(), asyncio.Event()
    for number in range(5 * MOST_NAMES):
        consumer.tell([f"vm:{number}"])
        assert len(consumer.waiting) <= MOST_NAMES
    assert "*" in consumer.waiting


@pytest.fixture
def client_alice(alice: User) -> Client:
    return sign_in(alice)


def give(mallory: User, vm: VirtualMachine) -> None:
    grant(mallory, "viewer", vm)


def put_into_a_group(mallory: User, vm: VirtualMachine) -> None:
    group = Group.objects.create(name="viewers")
    grant(group, "viewer", vm)
    group.user_set.add(mallory)


def take(mallory: User, vm: VirtualMachine) -> None:
    Grant.objects.all().delete()


def take_out_of_the_group(mallory: User, vm: VirtualMachine) -> None:
    mallory.groups.clear()


def let_it_end(mallory: User, vm: VirtualMachine) -> None:
    Grant.objects.update(ends_at=timezone.now())


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (None, give),
        (None, put_into_a_group),
        (give, take),
        (put_into_a_group, take_out_of_the_group),
        (give, let_it_end),
    ],
)
async def test_a_page_reads_itself_again_within_two_seconds_of_a_change_of_rights(
    mallory: User, vm: VirtualMachine, before: Change | None, change: Change
) -> None:
    if before:
        await sync_to_async(before)(mallory, vm)
    async with opened(await sync_to_async(sign_in)(mallory)) as browser:
        await sync_to_async(change)(mallory, vm)
        assert (await heard(browser))["names"] == ["*"]
        await announce(1, f"vm:{vm.pk}")
        if before:
            assert await browser.receive_nothing(timeout=0.3)
        else:
            assert (await heard(browser))["names"] == [f"vm:{vm.pk}"]


async def test_what_a_tag_gives_and_takes_is_announced_to_who_is_no_administrator(
    mallory: User, client_alice: Client, vm: VirtualMachine
) -> None:
    await sync_to_async(grant)(mallory, "viewer", tag="red")
    async with opened(await sync_to_async(sign_in)(mallory)) as browser, opened(client_alice) as alice:
        await announce(1, ACCESS)
        assert (await heard(browser))["names"] == ["*"]
        assert await alice.receive_nothing(timeout=0.3)


async def test_a_neighbours_name_never_goes_out(mallory: User, vm: VirtualMachine, host: Host) -> None:
    neighbour = await sync_to_async(make_vm)(host, "neighbour")
    await sync_to_async(grant)(mallory, "owner", vm)
    async with opened(await sync_to_async(sign_in)(mallory)) as browser:
        await announce(1, f"vm:{neighbour.pk}", f"vm:{vm.pk}")
        assert (await heard(browser))["names"] == [f"vm:{vm.pk}"]
