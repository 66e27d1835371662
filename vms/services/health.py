"""Whether everything that the dashboard is made of answers."""

from __future__ import annotations

from typing import Final

import redis
from django.db import DatabaseError, connection

from vms import live

# Each of these sets its key "ready" anew every few seconds; the key's own expiry tells its absence.
PROCESSES: Final = ("watcher", "worker", "console", "transfer")


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
        heard = live.connection().mget([live.key("ready", name) for name in PROCESSES])
        answers = True
    except redis.RedisError:
        heard, answers = [None] * len(PROCESSES), False
    processes = {name: value is not None for name, value in zip(PROCESSES, heard, strict=True)}
    return {"database": database_answers(), "redis": answers, **processes}
