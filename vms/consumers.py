"""The browser's live channel: names of what changed, as far as this user may be told them (decisions 15)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import AnonymousUser

from vms.live import GROUP, MOST_NAMES
from vms.models import User
from vms.permissions import may, visible_names
from vms.services.sessions import living

logger = logging.getLogger(__name__)

EVERYTHING = "*"
ASK_EVERY = 1.0
SIGNED_OUT = 4401


class LiveConsumer(AsyncWebsocketConsumer):
    """Sends {"n": count, "names": [...]}; a browser that is slow gets "*" instead of a growing queue.

    n counts this connection's messages, so that it tells nothing of what others change.
    """

    groups = [GROUP]

    async def connect(self) -> None:
        scope: Any = self.scope
        self.user: User | AnonymousUser = scope["user"]
        self.session_key: str = scope["session"].session_key or ""
        self.waiting: set[str] = set()
        self.wake = asyncio.Event()
        self.announced: int | None = None
        self.missing: dict[int, int] = {}
        self.sent = 0
        if not self.user.is_authenticated:
            await self.close()
            return
        await self.accept()
        registry.add(self)
        self.sender = asyncio.create_task(self.send_names())

    async def names(self, event: dict[str, Any]) -> None:
        """From the channel layer; never waits for the browser."""
        if self.count(event["number"]):
            self.tell(event["names"])
        else:
            self.tell([EVERYTHING])

    def count(self, number: int) -> bool:
        """Note the announcement's number; False when the numbers began anew and nothing is known."""
        last, self.announced = self.announced, number if self.announced is None else max(number, self.announced)
        if self.missing.pop(number, None) is not None or last is None:
            return True
        if number <= last or number > last + MOST_NAMES:
            self.announced, self.missing = number, {}
            return False
        self.missing.update(dict.fromkeys(range(last + 1, number), 0))
        return True

    def tell(self, names: Iterable[str]) -> None:
        self.waiting.update(names)
        if len(self.waiting) > MOST_NAMES:
            self.waiting = {EVERYTHING}
        self.wake.set()

    async def send_names(self) -> None:
        """Send what is waiting, one message at a time; while one is under way, names gather."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            names, self.waiting = sorted(self.waiting), set()
            allowed = await database_sync_to_async(visible_names)(self.user, names)
            if allowed:
                self.sent += 1
                await self.send(json.dumps({"n": self.sent, "names": allowed}))

    async def look_again(self, users: dict[str, User]) -> None:
        """Once a second: close when the session ended; make up for announcements that did not arrive."""
        user = users.get(self.session_key)
        if user is None:
            await self.close(code=SIGNED_OUT)
            return
        if may(user, "vm.view") != may(self.user, "vm.view"):
            self.tell([EVERYTHING])
        self.user = user
        overdue = [number for number, looks in self.missing.items() if looks]
        self.missing = {number: looks + 1 for number, looks in self.missing.items() if not looks}
        if overdue:
            self.tell([EVERYTHING])

    async def disconnect(self, code: int) -> None:
        registry.discard(self)
        if hasattr(self, "sender"):
            self.sender.cancel()


class Registry:
    """The open channels of this process, and one question a second to the database for all of them."""

    def __init__(self) -> None:
        self.open: set[LiveConsumer] = set()
        self.asking: asyncio.Task[None] | None = None

    def add(self, consumer: LiveConsumer) -> None:
        self.open.add(consumer)
        if self.asking is None or self.asking.done():
            self.asking = asyncio.create_task(self.ask())

    def discard(self, consumer: LiveConsumer) -> None:
        self.open.discard(consumer)

    async def ask(self) -> None:
        while self.open:
            await asyncio.sleep(ASK_EVERY)
            try:
                # Whoever comes while the database is asked is not among those that were asked about.
                asked = list(self.open)
                users = await database_sync_to_async(living)({consumer.session_key for consumer in asked})
                for consumer in self.open.intersection(asked):
                    await consumer.look_again(users)
            except Exception:
                # It must ask again in a second, whatever went wrong: a busy database, a connection that just closed.
                logger.exception("could not look whether the live channels may stay open")


registry = Registry()
