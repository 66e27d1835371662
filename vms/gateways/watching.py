"""Once a second: who may no longer have his console open, and that this process is there."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress

import redis
from django.db import DatabaseError, connections

from vms import live
from vms.gateways.relay import Relay
from vms.services import consoles, driving

logger = logging.getLogger(__name__)

# Without an answer from the database for so long nobody knows who may: the default is no.
BLIND_SECONDS = 15.0
READY_EVERY = 3


def watch(relay: Relay, stop: threading.Event, every: float = 1.0) -> None:
    """Until stop: end what is no longer allowed, note activity, end slow handshakes, say that we are ready."""
    asked_at = time.monotonic()
    turn = 0
    while not rest(relay, stop, every):
        try:
            if relay.lines.has_viewers():
                relay.lines.drive(driving.drivers(relay.name))
            for console, reason in consoles.no_longer_allowed(consoles.of_relay(relay.name)).items():
                relay.end(console, reason)
            if acted := relay.acted():
                consoles.touch(acted)
            asked_at = time.monotonic()
        except DatabaseError:
            logger.exception("cannot ask who may have a console open")
            connections.close_all()
            if time.monotonic() - asked_at > BLIND_SECONDS:
                relay.end_all("unwatched")
        relay.end_slow_handshakes()
        if turn % READY_EVERY == 0:
            say_ready()
        turn += 1
    connections.close_all()


def rest(relay: Relay, stop: threading.Event, seconds: float) -> bool:
    """Wait so long, or until somebody who took over a console is in a hurry; whether to stop."""
    try:
        live.hurried(relay.name, seconds)
    except redis.RedisError:
        stop.wait(seconds)
    return stop.is_set()


def say_ready() -> None:
    try:
        live.connection().set(live.key("ready", "console"), 1, ex=10)
    except redis.RedisError:
        logger.warning("cannot say that the relay is ready: Redis does not answer")


def say_gone() -> None:
    with suppress(redis.RedisError):
        live.connection().delete(live.key("ready", "console"))
