"""The site's choice of database and Redis, as Django and Celery read it."""

from __future__ import annotations

import os

import pytest

from kvmweb import environment
from kvmweb.environment import BadSetting
from kvmweb.storage import broker, database


def chosen(monkeypatch: pytest.MonkeyPatch, url: str) -> dict[str, object]:
    monkeypatch.setenv("KVMWEB_DATABASE_URL", url)
    return database(environment.load())


def test_sqlite_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    found = chosen(monkeypatch, "")
    assert found["ENGINE"] == "kvmweb.sqlite"
    assert found["NAME"] == environment.load().state.database


def test_postgresql_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found = chosen(monkeypatch, "postgresql://kvm:s%40crt@db.example.org:5433/kvmweb?sslmode=verify-full")
    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("db.example.org", 5433, "kvmweb")
    assert (found["USER"], found["PASSWORD"]) == ("kvm", "s@crt")
    assert found["OPTIONS"] == {"sslmode": "verify-full", "application_name": f"kvmweb {os.getpid()}"}


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "sqlite:////etc/passwd", "nonsense", "foo://secret@h/d"])
def test_any_other_is_refused_without_telling_it(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(BadSetting, match="KVMWEB_DATABASE_URL") as refused:
        chosen(monkeypatch, url)
    assert "secret" not in str(refused.value)


def test_a_unix_socket_has_another_name_at_the_broker() -> None:
    assert broker("unix:///run/redis.sock?db=3") == "redis+socket:///run/redis.sock?virtual_host=3"
    assert broker("redis://localhost:6379/0") == "redis://localhost:6379/0"
