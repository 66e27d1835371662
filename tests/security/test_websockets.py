"""The live channel: for pages of this site and signed-in people only, names out and nothing in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from kvmweb.asgi import application
from tests.conftest import make_vm, sign_in
from vms import live
from vms.models import Host, Operation, User
from vms.services import tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

HERE = "localhost:8000"
Headers = list[tuple[bytes, bytes]]


def headers(client: Client | None, *, origin: str | None = f"http://{HERE}", host: str = HERE) -> Headers:
    found = [(b"host", host.encode())]
    if origin is not None:
        found.append((b"origin", origin.encode()))
    if client is not None:
        cookies = "; ".join(f"{name}={cookie.value}" for name, cookie in client.cookies.items())
        found.append((b"cookie", cookies.encode()))
    return found


def channel(found: Headers, path: str = "/ws/live") -> Any:
    return WebsocketCommunicator(application, path, headers=found)


async def opens(found: Headers, path: str = "/ws/live") -> bool:
    communicator = channel(found, path)
    try:
        accepted, _ = await communicator.connect(timeout=5)
    except ValueError:  # no route
        return False
    await communicator.disconnect()
    return bool(accepted)


async def heard(communicator: Any, seconds: float = 3) -> list[str]:
    message = json.loads(await communicator.receive_from(timeout=seconds))
    assert set(message) == {"n", "names"}
    return list(message["names"])


@pytest.fixture
def signed_in(alice: User) -> Client:
    return sign_in(alice)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://localhost:9000", "http://localhost", "http://localhost:8000.evil.example",
     "http://evil.example/localhost:8000", "http://evil@localhost:8000", "null", "", "file://localhost:8000", None],
)  # fmt: skip
async def test_a_page_from_elsewhere_is_refused(signed_in: Client, origin: str | None) -> None:
    assert await opens(headers(signed_in))
    assert not await opens(headers(signed_in, origin=origin))


async def test_two_origins_are_refused(signed_in: Client) -> None:
    found = [*headers(signed_in), (b"origin", b"https://evil.example")]
    assert not await opens(found) and not await opens([*found[-1:], *headers(signed_in)])


async def test_a_name_of_another_site_is_refused(signed_in: Client) -> None:
    assert not await opens(headers(signed_in, origin="http://evil.example", host="evil.example"))


async def test_nobody_is_refused(signed_in: Client) -> None:
    assert not await opens(headers(None))
    assert not await opens([*headers(None), (b"cookie", f"{settings.SESSION_COOKIE_NAME}=guess".encode())])


async def test_a_token_opens_no_live_channel(alice: User) -> None:
    text = (await database_sync_to_async(tokens.create)(alice))[1]
    assert not await opens([*headers(None), (b"authorization", f"Bearer {text}".encode())])


async def test_other_addresses_are_no_channels(signed_in: Client) -> None:
    for path in ("/ws/", "/ws/live/", "/ws/live2", "/", "/console/1"):
        assert not await opens(headers(signed_in), path)


async def test_names_reach_who_may_read_them_and_nobody_else(signed_in: Client, mallory: User) -> None:
    stranger = await database_sync_to_async(sign_in)(mallory)
    alices, mallorys = channel(headers(signed_in)), channel(headers(stranger))
    assert (await alices.connect())[0] and (await mallorys.connect())[0]
    await asyncio.sleep(0.3)
    live.announcer().send(["vm:12", "op:7"])
    assert sorted(await heard(alices)) == ["op:7", "vm:12"]
    assert await mallorys.receive_nothing(timeout=0.5)
    await alices.disconnect()
    await mallorys.disconnect()


async def test_what_a_browser_sends_does_nothing(signed_in: Client, host: Host) -> None:
    vm = await database_sync_to_async(make_vm)(host)
    communicator = channel(headers(signed_in))
    await communicator.connect()
    for text in (
        " ",
        "{",
        json.dumps({"verb": "force-off", "vm": vm.pk}),
        "[" * 10_000,
        '{"type": "names", "names": ["*"]}',
    ):
        await communicator.send_to(text_data=text)
    await communicator.send_to(bytes_data=b"\x00\xff" * 1000)
    await asyncio.sleep(0.3)
    live.announcer().send([f"vm:{vm.pk}"])
    assert await heard(communicator) == [f"vm:{vm.pk}"]
    assert not await database_sync_to_async(Operation.objects.exists)()
    await communicator.disconnect()


async def closes(communicator: Any, seconds: float = 4) -> bool:
    """Whether the server closes it in time; 2 s are promised."""
    for _ in range(5):
        message = await communicator.receive_output(timeout=seconds)
        if message["type"] == "websocket.close":
            return True
    return False


async def test_it_closes_when_the_session_signs_out(signed_in: Client) -> None:
    communicator = channel(headers(signed_in))
    await communicator.connect()
    await database_sync_to_async(signed_in.post)("/accounts/logout/")
    assert await closes(communicator)


async def test_it_closes_when_the_user_is_disabled(signed_in: Client) -> None:
    communicator = channel(headers(signed_in))
    await communicator.connect()
    await database_sync_to_async(User.objects.update)(is_active=False)
    assert await closes(communicator)


async def test_it_goes_quiet_when_the_right_is_taken_away(signed_in: Client) -> None:
    communicator = channel(headers(signed_in))
    await communicator.connect()
    await database_sync_to_async(User.objects.update)(is_administrator=False)
    await asyncio.sleep(1.6)
    while not await communicator.receive_nothing(timeout=0.1):
        await communicator.receive_from()
    live.announcer().send(["vm:12"])
    assert await communicator.receive_nothing(timeout=0.5)
    await communicator.disconnect()
