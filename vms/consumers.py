"""The browser's live channel: names of what changed, as far as this user may be told them (decisions 15)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.contrib.auth.models import AnonymousUser

from vms import live
from vms.live import ACCESS, GROUP, MOST_NAMES
from vms.models import User
from vms.permissions import standing, visible_names
from vms.services.sessions import living

logger = logging.getLogger(__name__)

Rights = tuple[bool, frozenset[tuple[int, int]]]

EVERYTHING = "*"
ASK_EVERY = 1.0
# Of all channels together, in a storm: who may be told what is asked so often, not once a channel and name.
GATHER = 0.025
SIGNED_OUT = 4401
# Try again later (RFC 6455's registry): the page says that it hears nothing, and does.
DEAF = 1013
DEAF_AFTER = 3
# Longer than it takes to find out that it is deaf.
HEARS_WITHIN = 8.0

Anybody = User | AnonymousUser


class LiveConsumer(AsyncWebsocketConsumer):
    """Sends {"n": count, "names": [...]}; a browser that is slow gets "*" instead of a growing queue.

    n counts this connection's messages, so that it tells nothing of what others change.
    """

    async def connect(self) -> None:
        scope: Any = self.scope
        self.user: Anybody = scope["user"]
        self.session_key: str = scope["session"].session_key or ""
        self.waiting: set[str] = set()
        self.anew = False
        self.wake = asyncio.Event()
        self.sent = 0
        if not self.user.is_authenticated:
            await self.close()
            return
        self.rights = await database_sync_to_async(rights_of)(self.user)
        # What is announced from here on is told, though it were before the browser hears that it is connected.
        await registry.add(self)
        await self.accept()
        if registry.is_deaf:
            await self.close(code=DEAF)
            return
        self.sender = asyncio.create_task(self.send_names())

    def tell(self, names: Iterable[str]) -> None:
        """Never waits for the browser."""
        self.waiting.update(names)
        if len(self.waiting) > MOST_NAMES:
            self.waiting = {EVERYTHING}
        self.wake.set()

    def make_up(self) -> None:
        """For announcements that did not arrive; who has no grant is shown nothing that one could have taken away."""
        if self.rights[1]:
            self.tell_all()
        else:
            self.tell([EVERYTHING])

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
            allowed = [EVERYTHING] if anew else await registry.visible(self.user, names)
            if allowed:
                self.sent += 1
                await self.send(json.dumps({"n": self.sent, "names": allowed}))

    async def look_again(self, users: dict[str, User], rights: dict[int, Rights]) -> None:
        """Once a second: close when the session ended, have the page read anew when its user's rights changed."""
        user = users.get(self.session_key)
        if user is None:
            await self.close(code=SIGNED_OUT)
            return
        self.user = user
        if rights[user.pk] != self.rights:
            self.rights = rights[user.pk]
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


class Counter:
    """Notes which announcements have arrived: each has a number, and one that is missed for a second is lost."""

    def __init__(self) -> None:
        self.last: int | None = None
        self.missing: dict[int, int] = {}

    def count(self, number: int) -> bool:
        """Note the announcement's number; False when the numbers began anew and nothing is known."""
        last, self.last = self.last, number if self.last is None else max(number, self.last)
        if self.missing.pop(number, None) is not None or last is None:
            return True
        if number <= last or number > last + MOST_NAMES:
            self.last, self.missing = number, {}
            return False
        self.missing.update(dict.fromkeys(range(last + 1, number), 0))
        return True

    def lost(self) -> bool:
        """Asked once a second: whether one has not arrived since the last time but one."""
        overdue = any(self.missing.values())
        self.missing = {number: looks + 1 for number, looks in self.missing.items() if not looks}
        return overdue


class Registry:
    """The open channels of this process. One listener hears for all of them, one question a second goes to the
    database for all, and what several of them would be told is asked together: so another open page costs little."""

    def __init__(self) -> None:
        self.open: set[LiveConsumer] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.tasks: list[asyncio.Task[None]] = []
        self.hears = asyncio.Event()
        self.unheard = 0
        self.counter = Counter()
        self.questions: list[tuple[Anybody, list[str], asyncio.Future[list[str]]]] = []
        self.answering: asyncio.Task[None] | None = None

    @property
    def is_deaf(self) -> bool:
        """Whether nothing has been heard of Redis for several looks: who opens a page is not told that it is live."""
        return self.unheard >= DEAF_AFTER

    async def add(self, consumer: LiveConsumer) -> None:
        """Return when it hears what is announced from now on, or Redis does not answer."""
        self.open.add(consumer)
        if self.loop is not asyncio.get_running_loop() or all(task.done() for task in self.tasks):
            self.loop = asyncio.get_running_loop()
            self.hears, self.counter, self.unheard = asyncio.Event(), Counter(), 0
            self.questions, self.answering = [], None
            self.tasks = [asyncio.create_task(self.listen()), asyncio.create_task(self.ask())]
        with suppress(TimeoutError):
            await asyncio.wait_for(self.hears.wait(), HEARS_WITHIN)

    def discard(self, consumer: LiveConsumer) -> None:
        self.open.discard(consumer)
        self.rest()

    def rest(self) -> None:
        """Ask nothing more while no channel is open; deaf, it goes on until it knows that this is over."""
        if not self.open and not self.is_deaf:
            for task in self.tasks:
                task.cancel()
            self.tasks = []

    async def listen(self) -> None:
        """Pass on what is announced, to all."""
        layer: Any = get_channel_layer()
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                self.hears.set()
                try:
                    while True:
                        event = await layer.receive(channel)
                        if self.counter.count(event["number"]):
                            self.tell(event["names"])
                        else:
                            self.make_up()
                finally:
                    await layer.group_discard(GROUP, channel)
            except Exception:
                # Without Redis; what is announced meanwhile is made up for.
                logger.exception("the live channels hear nothing")
                self.hears.set()
                await asyncio.sleep(ASK_EVERY)
                self.make_up()

    def tell(self, names: list[str]) -> None:
        several = [name for name in names if name != ACCESS]
        for consumer in self.open:
            if ACCESS in names and consumer.rights[1]:
                consumer.tell_all()
            consumer.tell(several)

    def make_up(self) -> None:
        for consumer in self.open:
            consumer.make_up()

    async def visible(self, user: Anybody, names: list[str]) -> list[str]:
        """Those of the names that the user may be told; asked at once, in a storm a moment later with the others."""
        answer: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self.questions.append((user, names, answer))
        if self.answering is None or self.answering.done():
            self.answering = asyncio.create_task(self.answer())
        return await answer

    async def answer(self) -> None:
        while self.questions:
            questions, self.questions = self.questions, []
            try:
                found = await database_sync_to_async(all_visible)([(user, names) for user, names, _ in questions])
            except Exception:
                logger.exception("could not ask who may be told what")
                self.questions = questions + self.questions
                await asyncio.sleep(ASK_EVERY)
                continue
            for (_, _, answer), allowed in zip(questions, found, strict=True):
                if not answer.done():
                    answer.set_result(allowed)
            await asyncio.sleep(GATHER)

    async def ask(self) -> None:
        while True:
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
                if self.counter.lost():
                    self.make_up()
            except Exception:
                # It must ask again in a second, whatever went wrong: a busy database, a connection that just closed.
                logger.exception("could not look whether the live channels may stay open")
            self.rest()


def all_visible(questions: list[tuple[Anybody, list[str]]]) -> list[list[str]]:
    """The answers of visible_names() in the same order; the same question is asked once."""
    known: dict[tuple[int | None, tuple[str, ...]], list[str]] = {}
    answers = []
    for user, names in questions:
        asked = (user.pk, tuple(names))
        if asked not in known:
            known[asked] = visible_names(user, names)
        answers.append(known[asked])
    return answers


registry = Registry()
