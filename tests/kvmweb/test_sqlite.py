"""Who waits for SQLite's one writer begins when that ends, and hears of it when it does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from kvmweb.sqlite.base import LOOK, DatabaseWrapper


@pytest.fixture
def shared(tmp_path: Path, django_db_blocker: Any) -> Iterator[tuple[DatabaseWrapper, sqlite3.Connection]]:
    """The same file as Django opens it, and as somebody else does."""
    path = tmp_path / "shared.sqlite3"
    other = sqlite3.connect(path, isolation_level=None)
    other.executescript("pragma journal_mode=wal; create table a (b integer)")
    settings: dict[str, Any] = {
        "ENGINE": "kvmweb.sqlite", "NAME": path, "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 0.3},
        "AUTOCOMMIT": True, "ATOMIC_REQUESTS": False, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False, "TIME_ZONE": None,
        "TEST": {},
    }  # fmt: skip
    with django_db_blocker.unblock():
        ours = DatabaseWrapper(settings)
        ours.ensure_connection()
        yield ours, other
        ours.close()
    other.close()


def begin(ours: DatabaseWrapper) -> None:
    ours.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def write(ours: DatabaseWrapper) -> None:
    """One statement that is no part of a transaction."""
    with ours.cursor() as cursor:
        cursor.execute("INSERT INTO a (b) VALUES (%s)", [1])


def test_one_statement_looks_again_at_once_too(
    shared: tuple[DatabaseWrapper, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would starve beside those that begin transactions (docs/decisions/0091)."""
    ours, other = shared
    other.execute("begin immediate")
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            other.execute("rollback")

    monkeypatch.setattr("kvmweb.sqlite.base.time.sleep", sleep)
    write(ours)
    assert looks == [LOOK] * 3
    assert other.execute("select b from a").fetchall() == [(1,)]
    begin(ours)
    write(ours)
    ours.rollback()
    assert other.execute("select count(*) from a").fetchone() == (1,)


def test_it_looks_again_at_once_and_begins_in_the_first_gap(
    shared: tuple[DatabaseWrapper, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = shared
    other.execute("begin immediate")
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            other.execute("rollback")

    monkeypatch.setattr("kvmweb.sqlite.base.time.sleep", sleep)
    begin(ours)
    assert looks == [LOOK] * 3
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("pragma busy_timeout = 0").connection.execute("begin immediate")
    ours.rollback()


@pytest.mark.parametrize("do", [begin, write])
def test_who_has_waited_long_enough_is_told(
    shared: tuple[DatabaseWrapper, sqlite3.Connection], do: Callable[[DatabaseWrapper], None]
) -> None:
    ours, other = shared
    other.execute("begin immediate")
    with pytest.raises(OperationalError, match="locked"):
        do(ours)
    other.execute("rollback")
    ours.set_autocommit(True)
    assert ours.connection.execute("pragma busy_timeout").fetchone() == (300,)


def test_another_error_is_not_waited_out(
    shared: tuple[DatabaseWrapper, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = shared
    monkeypatch.setattr(ours, "transaction_mode", "NONSENSE")
    monkeypatch.setattr("kvmweb.sqlite.base.time.sleep", lambda seconds: pytest.fail("it looked again"))
    with pytest.raises(OperationalError, match="syntax"):
        begin(ours)


def mark(ours: DatabaseWrapper) -> None:
    """What only this connection has."""
    ours.connection.execute("create temp table mark (a)")


def again(ours: DatabaseWrapper) -> bool:
    """Whether the next request gets the connection that was marked."""
    ours.close()
    ours.ensure_connection()
    return bool(ours.connection.execute("select * from sqlite_temp_master").fetchall())


def test_what_one_left_in_order_the_next_one_takes(shared: tuple[DatabaseWrapper, sqlite3.Connection]) -> None:
    ours, other = shared
    mark(ours)
    write(ours)
    assert again(ours)
    other.execute("insert into a (b) values (2)")
    with ours.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM a").fetchone() == (2,)


def test_what_is_not_in_order_is_closed(shared: tuple[DatabaseWrapper, sqlite3.Connection]) -> None:
    ours, other = shared
    mark(ours)
    write(ours)
    write(ours)
    left = ours.connection.execute("select b from a")
    left.fetchone()
    assert not again(ours)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        left.fetchone()
    mark(ours)
    begin(ours)
    write(ours)
    assert not again(ours)
    assert other.execute("select count(*) from a").fetchone() == (2,)


def test_another_file_in_its_place_is_opened(
    shared: tuple[DatabaseWrapper, sqlite3.Connection], tmp_path: Path
) -> None:
    ours, _ = shared
    ours.close()
    (tmp_path / "shared.sqlite3").rename(tmp_path / "before.sqlite3")
    other = sqlite3.connect(tmp_path / "shared.sqlite3")
    other.execute("create table c (d integer)")
    other.close()
    with ours.cursor() as cursor:
        assert cursor.execute("SELECT name FROM sqlite_master").fetchall() == [("c",)]
