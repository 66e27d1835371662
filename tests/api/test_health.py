"""Is the process there, is everything there."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection
from django.test import Client

from tests.api.conftest import Program
from vms import live
from vms.services import health

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def all_ready(redis: None) -> None:
    for name in health.PROCESSES:
        live.connection().set(live.key("ready", name), 1)


def test_healthz_is_always_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "parts", dict)
    response = Client().get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.usefixtures("all_ready")
def test_readyz_is_200_when_all_parts_answer() -> None:
    response = Client().get("/readyz")
    assert (response.status_code, response.json()) == (200, {"ready": True})


@pytest.mark.usefixtures("all_ready")
@pytest.mark.parametrize("name", health.PROCESSES)
def test_readyz_is_503_without_a_process(client_alice: Client, name: str) -> None:
    live.connection().delete(live.key("ready", name))
    response = client_alice.get("/readyz")
    assert response.status_code == 503 and response.json()["parts"][name] is False


@pytest.mark.usefixtures("all_ready")
def test_readyz_is_503_without_redis(client_alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    with monkeypatch.context() as patch:
        patch.setattr(live, "connection", lambda: redis.Redis.from_url("unix:///nowhere/redis.sock"))
        response = client_alice.get("/readyz")
    assert response.status_code == 503
    assert response.json()["parts"] == dict.fromkeys(health.PROCESSES, False) | {"database": True, "redis": False}


@pytest.mark.usefixtures("all_ready")
def test_readyz_is_503_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise DatabaseError

    monkeypatch.setattr(connection, "cursor", broken)
    assert Client().get("/readyz").status_code == 503


def test_only_an_administrator_is_told_what_is_missing(
    client_alice: Client, client_mallory: Client, program: Program, stranger: Program
) -> None:
    def told(client: Client, **headers: str) -> set[str]:
        return set(client.get("/readyz", headers=headers).json())

    assert told(client_alice) == told(Client(), **program.headers) == {"ready", "parts"}
    assert told(Client()) == told(client_mallory) == told(Client(), **stranger.headers) == {"ready"}
    assert told(client_alice, Authorization="Bearer wrong") == {"ready"}
