"""The database is copied before its tables change, and never opened by older code."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from vms.models import Host
from vms.services import schema


@pytest.mark.django_db
def test_nothing_is_copied_where_nothing_is_pending(tmp_path: Path) -> None:
    assert not schema.migrate(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.django_db(transaction=True)
def test_the_copy_holds_what_was_there_and_is_for_nobody_else(tmp_path: Path) -> None:
    Host.objects.create(name="before", node="n")
    path = schema.back_up(tmp_path)
    assert path and path.stat().st_mode & 0o777 == 0o600
    copy = sqlite3.connect(path)
    assert copy.execute("SELECT name FROM vms_host").fetchall() == [("before",)]
    copy.close()


@pytest.mark.django_db(transaction=True)
def test_it_keeps_five_copies(tmp_path: Path) -> None:
    for day in range(1, 8):
        (tmp_path / f"2026010{day}T000000.sqlite3").touch()
    schema.back_up(tmp_path)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert len(kept) == 5 and kept[0] == "20260104T000000.sqlite3"


@pytest.mark.django_db
def test_a_pending_migration_is_seen() -> None:
    newest = sorted(name for app, name in MigrationRecorder(connection).applied_migrations() if app == "vms")[-1]
    MigrationRecorder(connection).record_unapplied("vms", newest)
    assert schema.pending()


@pytest.mark.django_db
def test_a_newer_database_is_refused() -> None:
    MigrationRecorder(connection).record_applied("vms", "9999_from_the_future")
    with pytest.raises(schema.NewerDatabase, match=r"vms\.9999_from_the_future"):
        schema.pending()
