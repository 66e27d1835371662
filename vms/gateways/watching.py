"""Once a second: who may no longer have his console open, and that this process is there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import redis
from django.db import DatabaseError, connections

from vms import live
from vms.gateways.relay import Relay
from vms.services import consoles, driving

logger = logging.getLogger(__name__)

# Without an answer from the database for so long nobody knows who may: the default is no.
BLIND_SECONDS = 15.0
READY_SECONDS = 3.0


def watch(relay: Relay, stop: threading.Event, every: float = 1.0) -> None:
    """Until stop: end what is no longer allowed, let type who drives, note activity, end slow handshakes.

    Nothing here asks Redis, which may hang: a thread beside it does, for what is only quicker by it.
    """
    asked_at = turned_at = time.monotonic()
    wake = threading.Event()
    beside = (relay.name, stop, wake, lambda: time.monotonic() - turned_at < BLIND_SECONDS)
    threading.Thread(target=listen, args=beside, name="redis", daemon=True).start()
    while True:
        wake.wait(every)
        wake.clear()
        if stop.is_set():
            break
        try:
            if relay.lines.has_viewers():
                at = time.monotonic()
                relay.lines.drive(driving.drivers(relay.name), at)
            there = consoles.of_relay(relay.name)
            # Most of the time there is none, and the other question is long.
            for console, reason in consoles.no_longer_allowed(there).items() if there.exists() else ():
                relay.end(console, reason)
            asked_at = time.monotonic()
            if acted := relay.acted():
                consoles.touch(acted)
        except DatabaseError:
            logger.exception("cannot ask who may have a console open")
            connections.close_all()
            if time.monotonic() - asked_at > BLIND_SECONDS:
                relay.end_all("unwatched")
        relay.end_slow_handshakes()
        turned_at = time.monotonic()
    connections.close_all()


def listen(relay: str, stop: threading.Event, wake: threading.Event, watches: Callable[[], bool]) -> None:
    """Until stop: say that we are ready while somebody watches, and wake him when somebody is in a hurry."""
    while not stop.is_set():
        if watches():
            say_ready()
        try:
            if live.hurried(relay, READY_SECONDS):
                wake.set()
        except redis.RedisError:
            stop.wait(READY_SECONDS)


def say_ready() -> None:
    try:
        live.connection().set(live.key("ready", "console"), 1, ex=10)
    except redis.RedisError:
        logger.warning("cannot say that the relay is ready: Redis does not answer")


def say_gone() -> None:
    with suppress(redis.RedisError):
        live.connection().delete(live.key("ready", "console"))
