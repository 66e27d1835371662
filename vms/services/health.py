"""Whether everything that the dashboard is made of answers."""

from __future__ import annotations

from functools import cache
from typing import Final

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from vms import live

# Each of these sets its key "ready" anew every few seconds; the key's own expiry tells its absence.
PROCESSES: Final = ("watcher", "worker", "console")


@cache
def impatient() -> redis.Redis:
    """A Redis client that gives up within a second: a probe must not hang with what it probes."""
    url = settings.REDIS_URL
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


def database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def parts() -> dict[str, bool]:
    """Each part and whether it answers; a process that is heard through Redis is unheard without it."""
    try:
        heard = impatient().mget([live.key("ready", name) for name in PROCESSES])
        answers = True
    except redis.RedisError:
        heard, answers = [None] * len(PROCESSES), False
    processes = {name: value is not None for name, value in zip(PROCESSES, heard, strict=True)}
    return {"database": database_answers(), "redis": answers, **processes}
