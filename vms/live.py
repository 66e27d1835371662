"""Names out, looks in: announce("vm:12") tells every open page to read again, look() asks the watcher to.

A name says that something changed, never what: "vm:12", "host:1", "op:7", "vms:*" (many VMs), "*" (everything),
"grant:3", "group:5" and "schedule:2" (told to administrators alone), and "access" (what somebody may see or do), on
which a page reads all of itself again.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import json
import logging
import threading
import uuid
from collections.abc import Iterable
from concurrent import futures
from contextlib import suppress
from functools import cache
from typing import Any

import redis
import redis.asyncio
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

GROUP = "names"
ACCESS = "access"
MOST_NAMES = 500
# After an announcement the next waits so long, and takes along what comes meanwhile: a storm is forty a second.
GATHER = 0.025
PRESENT_SECONDS = 10
PICTURE_SECONDS = 30
ANSWERS_WITHIN = 1.0
LONGEST_WAIT = 5.0
PUBLISHED_WITHIN = 5.0


@cache
def connection() -> redis.Redis:
    """This process's Redis client. A Redis that hangs costs whoever asks it a second: TimeoutError, a RedisError."""
    return client(ANSWERS_WITHIN)


@cache
def patient() -> redis.Redis:
    """The client for those who wait for something to come, for a few seconds at most."""
    return client(LONGEST_WAIT + ANSWERS_WITHIN)


def client(seconds: float) -> redis.Redis:
    # Again at once where a connection had been left by a Redis that was started anew, never where none answers.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=seconds, socket_connect_timeout=ANSWERS_WITHIN, retry=retry
    )


def hears() -> bool:
    """Whether Redis answers, so that announcements are heard."""
    try:
        return bool(connection().ping())
    except redis.RedisError:
        return False


def key(*parts: str | int) -> str:
    """A Redis key of this instance."""
    return settings.REDIS_PREFIX + ":".join(str(part) for part in parts)


class Announcer:
    """One event loop thread a process; a message that could not be sent is made up for by a "*" with the next."""

    def __init__(self) -> None:
        self.missed = False
        self.waiting: dict[str, None] = {}
        self.sending = asyncio.Lock()
        self.loop = asyncio.new_event_loop()
        # A client of its own: a thread pool's would refuse work in the moment in which a command ends.
        self.redis = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=None)
        self.last: futures.Future[None] | None = None
        self.thread = threading.Thread(target=self.loop.run_forever, name="announcer", daemon=True)
        self.thread.start()
        atexit.register(self.end)

    def send(self, names: list[str]) -> None:
        self.last = asyncio.run_coroutine_threadsafe(self.publish(names), self.loop)

    def end(self) -> None:
        """A command that announces and ends has been heard; a thread still at work then would abort the process."""
        if self.last:
            futures.wait([self.last], timeout=2)
        futures.wait([asyncio.run_coroutine_threadsafe(self.redis.aclose(), self.loop)], timeout=2)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(2)

    async def publish(self, names: list[str]) -> None:
        """Return when they are told, with those of others or alone."""
        self.waiting |= dict.fromkeys(names)
        async with self.sending:
            if self.waiting:
                several, self.waiting = list(self.waiting), {}
                await self.tell(capped(several))
                await asyncio.sleep(GATHER)

    async def tell(self, names: list[str]) -> None:
        layer: Any = get_channel_layer()
        try:
            async with asyncio.timeout(PUBLISHED_WITHIN):
                number = await self.redis.incr(key("announced"))
                names = ["*", ACCESS] if self.missed else names
                await layer.group_send(GROUP, {"type": "names", "number": number, "names": names})
            self.missed = False
        except (OSError, redis.RedisError):
            self.missed = True
            logger.warning("could not announce %s", names)


def capped(names: list[str]) -> list[str]:
    """More than 500 names are "*"; that rights changed is not in it."""
    return names if len(names) <= MOST_NAMES else ["*", *(name for name in names if name == ACCESS)]


@cache
def announcer() -> Announcer:
    return Announcer()


def announce(names: Iterable[str]) -> None:
    """Tell the open pages after this transaction's commit; more than 500 names become "*"."""
    several = sorted(set(names))
    if not several:
        return
    transaction.on_commit(lambda: announcer().send(capped(several)))


def look(host: int, name: str, *, wait: float = 2.0) -> bool:
    """Ask the host's watcher to read the thing again; whether it said within wait seconds that it did.

    A request that is lost is healed by the watcher's next sweep, so False needs no retry.
    """
    answer = key("looked", uuid.uuid4().hex) if wait else ""
    return ask_for_look(host, name, answer) and bool(wait) and await_look(answer, wait)


def begin_look(host: int, name: str) -> str:
    """The same, begun: what await_look() takes."""
    answer = key("looked", uuid.uuid4().hex)
    return answer if ask_for_look(host, name, answer) else ""


def ask_for_look(host: int, name: str, answer: str) -> bool:
    try:
        connection().rpush(key("look", host), json.dumps({"name": name, "answer": answer}))
    except redis.RedisError:
        return False
    return True


def await_look(answer: str, wait: float = 2.0) -> bool:
    """Whether what was begun was said to be done within wait seconds."""
    try:
        return bool(answer) and patient().blpop([answer], timeout=wait) is not None
    except redis.RedisError:
        return False


def next_look(hosts: Iterable[int], timeout: float) -> tuple[int, str, str] | None:
    """For the watcher: (host, name, answer key) of the next request, or None after timeout seconds."""
    keys = {key("look", host): host for host in hosts}
    item: Any = patient().blpop(list(keys), timeout=timeout)
    if item is None:
        return None
    request = json.loads(item[1])
    return keys[item[0].decode()], str(request["name"]), str(request["answer"])


def looked(answer: str) -> None:
    """For the watcher: tell the asker that the thing has been read and stored; without Redis he waits in vain."""
    if answer:
        with suppress(redis.RedisError):
            pipeline = connection().pipeline()
            pipeline.rpush(answer, 1)
            pipeline.expire(answer, 10)
            pipeline.execute()


def hurry(relay: str) -> None:
    """Have the relay ask at once who may do what, after this transaction's commit; it does so every second anyway."""

    def knock() -> None:
        with suppress(redis.RedisError):
            pipeline = connection().pipeline()
            pipeline.rpush(key("hurry", relay), 1)
            pipeline.expire(key("hurry", relay), 5)
            pipeline.execute()

    transaction.on_commit(knock)


def hurried(relay: str, timeout: float) -> bool:
    """For the relay: whether somebody is in a hurry, as soon as he is and after timeout seconds at the latest."""
    if patient().blpop([key("hurry", relay)], timeout=timeout) is None:
        return False
    connection().delete(key("hurry", relay))
    return True


def store_numbers(host: int, numbers: dict[str, dict[str, float]]) -> None:
    """For the watcher: the present numbers of a host's running VMs by placement, as numbers() tells them; for 30 s."""
    connection().set(key("numbers", host), json.dumps(numbers), ex=30)


def numbers(hosts: Iterable[int]) -> dict[str, dict[str, float]]:
    """{placement id: {"cpu": share of its vCPUs 0..1, "memory_kib": used}} as last sampled, and where they are known
    "disk_read", "disk_write", "net_in" and "net_out" in bytes a second; {} without Redis."""
    keys = [key("numbers", host) for host in hosts]
    found: dict[str, dict[str, float]] = {}
    try:
        values: Any = connection().mget(keys) if keys else []
    except redis.RedisError:
        return found
    for value in values:
        if value:
            found.update(json.loads(value))
    return found


def store_counters(host: int, counters: str) -> None:
    """For the watcher: the counters of a host's running VMs as JSON, for a minute."""
    connection().set(key("counters", host), counters, ex=60)


def counters(hosts: Iterable[int]) -> dict[int, dict[str, Any]]:
    """{VM: its counters by the names of vms.virt.Numbers} as last sampled; disks and cards are lists of their fields in
    order. {} without Redis."""
    keys = [key("counters", host) for host in hosts]
    found: dict[int, dict[str, Any]] = {}
    try:
        values: Any = connection().mget(keys) if keys else []
    except redis.RedisError:
        return found
    for value in filter(None, values):
        told = json.loads(value)
        for vm, fields in told["vms"].items():
            found[int(vm)] = dict(zip(told["names"], fields, strict=True))
    return found


def store_host_use(host: int, use: dict[str, Any]) -> None:
    """For the watcher: how much of the host is used now; for 30 s."""
    connection().set(key("use", host), json.dumps(use), ex=30)


def host_use(host: int) -> dict[str, Any]:
    """{"cpu": share of its processors 0..1 or None, "memory_kib": used, "of_kib": all, "pages": {cell: {size: free}},
    "free_kib": {cell: free}, "period": seconds between samples} as last sampled; {} without Redis; of a host that tells
    nothing the period alone."""
    try:
        value: Any = connection().get(key("use", host))
    except redis.RedisError:
        return {}
    return dict(json.loads(value)) if value else {}


def store_picture(vm: int, png: bytes, taken: float) -> None:
    """For the watcher: the VM's screen as it was at that time; for half a minute."""
    renew(key("screen", vm), "png", png, "version", hashlib.sha256(png).hexdigest()[:16], "taken", taken)


def store_no_picture(vm: int, code: str) -> None:
    """For the watcher: why there is none; for half a minute."""
    renew(key("screen", vm), "code", code)


def renew(name: str, *fields: str | bytes | float) -> None:
    pipeline = connection().pipeline()
    pipeline.delete(name)
    pipeline.hset(name, items=list(fields))
    pipeline.expire(name, PICTURE_SECONDS)
    pipeline.execute()


def pictures(vms: Iterable[int]) -> dict[int, tuple[str, float, str]]:
    """{VM: (version, when it was taken, why there is none)} of those whose screen was asked for lately: the version is
    another with each other picture. {} without Redis."""
    several = list(vms)
    pipeline = connection().pipeline(transaction=False)
    for vm in several:
        pipeline.hmget(key("screen", vm), ["version", "taken", "code"])
    try:
        told = pipeline.execute()
    except redis.RedisError:
        return {}
    return {
        vm: ((version or b"").decode(), float(taken or 0), (code or b"").decode())
        for vm, (version, taken, code) in zip(several, told, strict=True)
        if version or code
    }


def picture(vm: int) -> bytes | None:
    """The PNG of the VM's screen, where it was taken lately."""
    try:
        found: bytes | None = connection().hget(key("screen", vm), "png")  # type: ignore[assignment]
    except redis.RedisError:
        return None
    return found


def present(kind: str, name: str) -> int:
    """Say that this process is there, and how many of its kind said so in the last 10 s; 1 without Redis."""
    try:
        redis_client, crowd = connection(), key("present", kind)
        seconds: Any = redis_client.time()
        now = seconds[0] + seconds[1] / 1e6
        pipeline = redis_client.pipeline()
        pipeline.zadd(crowd, {name: now})
        pipeline.zremrangebyscore(crowd, 0, now - PRESENT_SECONDS)
        pipeline.zremrangebyscore(crowd, now + PRESENT_SECONDS, "+inf")
        pipeline.zcard(crowd)
        return int(pipeline.execute()[-1])
    except redis.RedisError:
        return 1
