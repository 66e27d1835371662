"""An answer ends when nothing more of the body comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vms.gateways import lingering
from vms.gateways.answers import answer
from vms.gateways.lingering import Body

SAID = {"content-length": "100"}
MORE = {"type": "http.request", "body": b"x", "more_body": True}
LAST = {"type": "http.request", "body": b"x", "more_body": False}
GONE = {"type": "http.disconnect"}


def told(said: dict[str, str], *messages: dict[str, Any]) -> list[str]:
    """What happens, in order: r for a message that is read, s for one that is sent, e for the one that ends it."""
    order: list[str] = []
    coming = list(messages)

    async def receive() -> dict[str, Any]:
        order.append("r")
        return coming.pop(0) if coming else await asyncio.Future()

    async def send(message: dict[str, Any]) -> None:
        ends = message["type"] == "http.response.body" and not message.get("more_body", False)
        order.append("e" if ends else "s")

    async def refuse() -> None:
        body = Body(said, receive)
        await body.receive() if messages else None
        await answer(body.answering(send), 409, body=b"no")

    asyncio.run(refuse())
    return order


@pytest.mark.parametrize("last", [LAST, GONE])
def test_the_rest_is_read_between_the_answer_and_its_end(last: dict[str, Any]) -> None:
    assert told(SAID, MORE, MORE, last) == ["r", "s", "s", "r", "r", "e"]


def test_what_has_come_is_not_waited_for() -> None:
    assert told(SAID, LAST) == ["r", "s", "s", "e"]


@pytest.mark.parametrize("said", [{}, {"content-length": "0"}])
def test_a_request_without_a_body_has_no_rest(said: dict[str, str]) -> None:
    assert told(said) == ["s", "s", "e"]


@pytest.mark.parametrize("said", [SAID, {"transfer-encoding": "chunked"}])
def test_who_never_ends_is_left(said: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LONGEST", 0.05)
    assert told(said) == ["s", "s", "r", "e"]
