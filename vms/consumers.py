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

from vms import live
from vms.live import ACCESS, GROUP, MOST_NAMES
from vms.models import User
from vms.permissions import is_administrator, standing, visible_names
from vms.services.sessions import living

logger = logging.getLogger(__name__)

Rights = tuple[bool, frozenset[tuple[int, int]]]

EVERYTHING = "*"
ASK_EVERY = 1.0
SIGNED_OUT = 4401
# Try again later (RFC 6455's registry): the page says that it hears nothing, and does.
DEAF = 1013
DEAF_AFTER = 3


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
        self.anew = False
        self.wake = asyncio.Event()
        self.announced: int | None = None
        self.missing: dict[int, int] = {}
        self.sent = 0
        if not self.user.is_authenticated:
            await self.close()
            return
        self.rights = await database_sync_to_async(rights_of)(self.user)
        await self.accept()
        if registry.is_deaf:
            await self.close(code=DEAF)
            return
        registry.add(self)
        self.sender = asyncio.create_task(self.send_names())

    async def names(self, event: dict[str, Any]) -> None:
        """From the channel layer; never waits for the browser."""
        if not self.count(event["number"]):
            self.tell_all()
            return
        if ACCESS in event["names"] and not is_administrator(self.user):
            self.tell_all()
        self.tell(name for name in event["names"] if name != ACCESS)

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

    def tell_all(self) -> None:
        """The page is to read all of itself again, also where nothing of it may be seen any more."""
        self.anew = True
        self.wake.set()

    async def send_names(self) -> None:
        """Send what is waiting, one message at a time; while one is under way, names gather."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            names, self.waiting = sorted(self.waiting), set()
            anew, self.anew = self.anew, False
            allowed = [EVERYTHING] if anew else await database_sync_to_async(visible_names)(self.user, names)
            if allowed:
                self.sent += 1
                await self.send(json.dumps({"n": self.sent, "names": allowed}))

    async def look_again(self, users: dict[str, User], rights: dict[int, Rights]) -> None:
        """Once a second: close when the session ended, have the page read anew when its user's rights changed; make up
        for announcements that did not arrive."""
        user = users.get(self.session_key)
        if user is None:
            await self.close(code=SIGNED_OUT)
            return
        self.user = user
        if rights[user.pk] != self.rights:
            self.rights = rights[user.pk]
            self.tell_all()
        overdue = [number for number, looks in self.missing.items() if looks]
        self.missing = {number: looks + 1 for number, looks in self.missing.items() if not looks}
        if overdue:
            self.tell_all()

    async def disconnect(self, code: int) -> None:
        registry.discard(self)
        if hasattr(self, "sender"):
            self.sender.cancel()


def look(keys: set[str]) -> tuple[dict[str, User], dict[int, Rights]]:
    """The users of those sessions that live, and what their rights hang on."""
    users = living(keys)
    return users, standings(users.values())


def standings(users: Iterable[User]) -> dict[int, Rights]:
    """{user: whether he is an administrator, and his grants}; equal as long as nothing changed."""
    several = {user.pk: user for user in users}
    grants = standing(several.values())
    return {pk: (user.is_administrator, grants[pk]) for pk, user in several.items()}


def rights_of(user: User) -> Rights:
    return standings([user])[user.pk]


class Registry:
    """The open channels of this process, and one question a second to the database for all of them."""

    def __init__(self) -> None:
        self.open: set[LiveConsumer] = set()
        self.asking: asyncio.Task[None] | None = None
        self.unheard = 0

    @property
    def is_deaf(self) -> bool:
        """Whether nothing has been heard of Redis for several looks: who opens a page is not told that it is live."""
        return self.unheard >= DEAF_AFTER

    def add(self, consumer: LiveConsumer) -> None:
        self.open.add(consumer)
        if self.asking is None or self.asking.done():
            self.asking = asyncio.create_task(self.ask())

    def discard(self, consumer: LiveConsumer) -> None:
        self.open.discard(consumer)

    async def ask(self) -> None:
        while self.open or self.is_deaf:
            await asyncio.sleep(ASK_EVERY)
            try:
                self.unheard = 0 if await asyncio.to_thread(live.hears) else self.unheard + 1
                if self.is_deaf:
                    for consumer in list(self.open):
                        await consumer.close(code=DEAF)
                # Whoever comes while the database is asked is not among those that were asked about.
                asked = list(self.open)
                users, rights = await database_sync_to_async(look)({consumer.session_key for consumer in asked})
                for consumer in self.open.intersection(asked):
                    await consumer.look_again(users, rights)
            except Exception:
                # It must ask again in a second, whatever went wrong: a busy database, a connection that just closed.
                logger.exception("could not look whether the live channels may stay open")


registry = Registry()
