"""Who tried in vain: counted in Redis by minute and address, and written to the audit as one row for each.

So nobody can fill the audit by guessing. What was counted in the last minute is lost with Redis, without which nobody
can sign in. Of names only those of accounts are kept: people type passwords into that field.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from time import time
from typing import Any, Final

import redis
from django.db import transaction

from vms import live
from vms.models import User
from vms.services import audit

logger = logging.getLogger(__name__)

# So many addresses and accounts are told apart in a minute; the others are one.
MOST: Final = 1000
# For the stragglers of a minute that is over.
GRACE: Final = 5
KEPT_SECONDS: Final = 86400


def count(what: str, address: str, name: str = "") -> None:
    """One failure of that kind ("sign-in", "token", "ticket") from there, at the account of that name if it is one."""
    minute = int(time()) // 60
    known = name and User.objects.filter(username=name).exists()
    field = json.dumps([what, address, name if known else ""])
    try:
        client, key = live.connection(), live.key("failures", minute)
        if not client.hexists(key, field) and int(client.hlen(key)) >= MOST:
            field = json.dumps([what, "", ""])
        pipeline = client.pipeline()
        pipeline.hincrby(key, field, 1)
        pipeline.expire(key, KEPT_SECONDS)
        pipeline.sadd(live.key("failures"), minute)
        pipeline.execute()
    except redis.RedisError as error:
        logger.warning("a failed %s is not counted: %s", what, error)


def write_down() -> int:
    """The rows written for the minutes that are over, by one worker at a time; a worker that dies between the commit
    and the forgetting has them written twice rather than never."""
    client = live.connection()
    over = (time() - GRACE) // 60
    minutes = [minute for minute in map(int, client.smembers(live.key("failures"))) if minute < over]
    if not minutes or not client.set(live.key("failures", "writer"), 1, nx=True, ex=60):
        return 0
    try:
        return sum(write_minute(client, minute) for minute in sorted(minutes))
    finally:
        with suppress(redis.RedisError):
            client.delete(live.key("failures", "writer"))


def write_minute(client: redis.Redis, minute: int) -> int:
    key = live.key("failures", minute)
    times: dict[tuple[str, str], int] = defaultdict(int)
    accounts: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    counted: Any = client.hgetall(key)
    for field, number in counted.items():
        what, address, name = json.loads(field)
        times[what, address] += int(number)
        if name:
            accounts[what, address][name] = int(number)
    began = datetime.fromtimestamp(minute * 60, UTC).isoformat()
    with transaction.atomic():
        for (what, address), number in sorted(times.items()):
            names = accounts[what, address]
            audit.record(f"failed:{what}", address=address, times=number, minute=began, accounts=names)
    client.delete(key)
    client.srem(live.key("failures"), minute)
    return len(times)
