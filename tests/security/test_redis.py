"""Redis is believed about liveness only: nothing that lies in it is unpickled, and who writes it runs nothing here."""

from __future__ import annotations

import json
import os
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from kombu.utils.uuid import uuid

from kvmweb.celery import app
from vms import live
from vms.models import User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def bomb(tmp_path: Path) -> bytes:
    return pickle.dumps(Bomb(tmp_path / "exploded"))


@pytest.fixture(autouse=True)
def nothing_explodes(tmp_path: Path) -> Any:
    yield
    assert not (tmp_path / "exploded").exists()


def test_the_bomb_is_one(tmp_path: Path, bomb: bytes) -> None:
    pickle.loads(bomb)
    (tmp_path / "exploded").rmdir()


def test_the_cache_reads_json_only(bomb: bytes) -> None:
    cache.set("number", 3)
    cache.set("list", [1.5, "x"])
    assert (cache.incr("number"), cache.get("list")) == (4, [1.5, "x"])
    live.connection().set(cache.make_key("list"), bomb)
    with pytest.raises(ValueError):
        cache.get("list")


def test_a_bomb_in_every_key_of_a_sign_in_does_nothing(alice: User, bomb: bytes) -> None:
    form = {"login": "alice", "password": "wrong"}
    client = Client(HTTP_X_REAL_IP="192.0.2.1", raise_request_exception=False)
    client.post("/accounts/login/", form)
    keys = live.connection().keys(f"{settings.REDIS_PREFIX}cache*")
    assert keys
    for key in keys:
        live.connection().set(key, bomb)
    client.post("/accounts/login/", form)


def test_a_bomb_where_the_dashboard_looks_does_nothing(bomb: bytes) -> None:
    for name in ("watcher", "worker", "console", "transfer"):
        live.connection().set(live.key("ready", name), bomb)
    live.connection().set(live.key("numbers", 1), bomb)
    live.connection().rpush(live.key("look", 1), bomb)
    assert Client().get("/readyz").status_code == 200
    for reader in (lambda: live.numbers([1]), lambda: live.next_look([1], 1)):
        with pytest.raises(ValueError):
            reader()


def test_a_pickled_task_is_not_read(tmp_path: Path, bomb: bytes) -> None:
    """A worker meets a message whose body is a pickle, then a good one, and does only the good one."""
    done: list[int] = []

    @app.task(name="tests.good")
    def good() -> None:
        done.append(1)

    queue = settings.CELERY_TASK_DEFAULT_QUEUE
    with app.connection_for_write() as connection:
        producer = connection.Producer()
        headers = {"id": uuid(), "task": "tests.good", "lang": "py"}
        producer.publish(
            bomb, routing_key=queue, content_type="application/x-python-serialize", content_encoding="binary",
            headers=headers, declare=[app.amqp.queues[queue]],
        )  # fmt: skip
    app.send_task("tests.good", queue=queue)
    waiting = [json.loads(item) for item in live.connection().lrange(f"{settings.REDIS_PREFIX}celery:{queue}", 0, -1)]
    assert {item["content-type"] for item in waiting} == {"application/x-python-serialize", "application/json"}
    with start_worker(app, pool="solo", queues=[queue], perform_ping_check=False, shutdown_timeout=20):
        for _ in range(100):
            if done:
                break
            time.sleep(0.1)
    assert done == [1]
    del app.tasks["tests.good"]


def test_sessions_are_not_in_redis(alice: User) -> None:
    assert settings.SESSION_ENGINE == "django.contrib.sessions.backends.db"
    assert settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
