"""The rest of a body that nobody wants any more is read on, so that the answer arrives: a socket that is closed with
bytes unread fails whoever writes into it, and the front would tell a 503 of its own in the answer's place."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from vms.gateways.answers import Receive, Send

# The front closes as soon as it has the answer; a sender that never does is left.
LONGEST: Final = 5.0


class Body:
    """The body of one request."""

    def __init__(self, said: Mapping[str, str], receive: Receive) -> None:
        self.source = receive
        self.over = said.get("content-length", "0") == "0" and "transfer-encoding" not in said

    async def receive(self) -> dict[str, Any]:
        message = await self.source()
        self.over = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    def answering(self, send: Send) -> Send:
        """The same, but an answer ends when nothing more comes."""

        async def send_it(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await self.pass_by()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        return send_it

    async def pass_by(self) -> None:
        """Return when all of it has come, its sender has gone, or it takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST):
                while not self.over:
                    await self.receive()
