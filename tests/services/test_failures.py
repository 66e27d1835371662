"""Failures are counted by minute and address: a row each in the audit, however often somebody guesses."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.api.conftest import Program
from vms import live
from vms.models import AuditEvent, User
from vms.services import failures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

LAST_WORDS = "a password in the wrong field"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """later(n): the clock stands that many minutes after now."""
    now = time.time() // 60 * 60 + 30

    def at(minutes: int) -> None:
        monkeypatch.setattr("vms.services.failures.time", lambda: now + minutes * 60)

    at(0)
    return at


def rows() -> list[tuple[str, str, int, dict[str, int]]]:
    events = AuditEvent.objects.filter(action__startswith="failed:").order_by("address")
    return [(event.action, event.address, event.facts["times"], event.facts["accounts"]) for event in events]


def sign_in(name: str, address: str) -> None:
    Client().post("/accounts/login/", {"login": name, "password": "wrong"}, headers={"X-Real-IP": address})


def test_they_are_one_row_a_minute_and_address(alice: User, later: Any) -> None:
    for _ in range(7):  # the last two are refused unseen, because they were too many
        sign_in("alice", "192.0.2.1")
    for name in ("alice", LAST_WORDS):
        sign_in(name, "192.0.2.2")
    assert failures.write_down() == 0 and rows() == []
    later(1)
    assert failures.write_down() == 2
    assert rows() == [
        ("failed:sign-in", "192.0.2.1", 7, {"alice": 7}), ("failed:sign-in", "192.0.2.2", 2, {"alice": 1}),
    ]  # fmt: skip
    assert failures.write_down() == 0 and len(rows()) == 2
    assert LAST_WORDS not in str(list(AuditEvent.objects.values()))


def test_what_is_no_name_of_an_account_is_kept_nowhere(later: Any) -> None:
    sign_in(LAST_WORDS, "192.0.2.1")
    kept: Any = live.connection()
    assert not any(LAST_WORDS.encode() in field for key in kept.keys("*failures:*") for field in kept.hgetall(key))


def test_another_minute_is_another_row(alice: User, later: Any) -> None:
    failures.count("sign-in", "192.0.2.1", "alice")
    later(1)
    failures.count("sign-in", "192.0.2.1", "alice")
    later(3)
    assert failures.write_down() == 2 and len(rows()) == 2


def test_bad_tokens_are_counted(later: Any) -> None:
    for _ in range(3):
        assert Program("kvmweb_" + "x" * 43).get("/vms").status_code == 401
    later(2)
    failures.write_down()
    assert [(action, times) for action, _, times, _ in rows()] == [("failed:token", 3)]


def test_a_flood_from_many_addresses_is_few_rows(later: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MOST", 3)
    for number in range(20):
        failures.count("sign-in", f"192.0.2.{number}")
    failures.count("sign-in", "192.0.2.0")
    later(2)
    failures.write_down()
    assert [(address, times) for _, address, times, _ in rows()] == [
        ("", 17), ("192.0.2.0", 2), ("192.0.2.1", 1), ("192.0.2.2", 1),
    ]  # fmt: skip


def test_two_workers_write_a_minute_once(later: Any) -> None:
    failures.count("sign-in", "192.0.2.1")
    later(2)
    live.connection().set(live.key("failures", "writer"), 1)
    assert failures.write_down() == 0
    live.connection().delete(live.key("failures", "writer"))
    assert failures.write_down() == 1 and len(rows()) == 1


def test_without_redis_nothing_breaks(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    away = Redis(unix_socket_path="/nonexistent", retry=Retry(NoBackoff(), 0))
    with monkeypatch.context() as patch:
        patch.setattr(live, "connection", lambda: away)
        failures.count("sign-in", "192.0.2.1")
    assert "is not counted" in caplog.text
    assert not AuditEvent.objects.exists()
