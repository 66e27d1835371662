"""The database is copied before its tables change, and never opened by older code."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from vms.models import Host
from vms.services import schema

ENDING = "sqlite3" if connection.vendor == "sqlite" else "pgdump"


def content(copy: Path) -> list[str]:
    """The names of the hosts in the copy."""
    if connection.vendor == "sqlite":
        database = sqlite3.connect(copy)
        names = [name for (name,) in database.execute("SELECT name FROM vms_host")]
        database.close()
        return names
    restore = ["pg_restore", "--data-only", "--table=vms_host", "--file=-", str(copy)]
    told = subprocess.run(restore, capture_output=True, text=True, check=True).stdout
    return [line.split("\t")[1] for line in told.splitlines() if "\t" in line]


@pytest.mark.django_db
def test_nothing_is_copied_where_nothing_is_pending(tmp_path: Path) -> None:
    assert not schema.migrate(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.django_db(transaction=True)
def test_the_copy_holds_what_was_there_and_is_for_nobody_else(tmp_path: Path) -> None:
    Host.objects.create(name="before", node="n")
    path = schema.back_up(tmp_path)
    assert path and path.stat().st_mode & 0o777 == 0o600
    assert "before" in content(path)


@pytest.mark.django_db(transaction=True)
def test_it_keeps_five_copies(tmp_path: Path) -> None:
    for day in range(1, 8):
        (tmp_path / f"2026010{day}T000000.{ENDING}").touch()
    schema.back_up(tmp_path)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert len(kept) == 5 and kept[0] == f"20260104T000000.{ENDING}"


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


@pytest.mark.django_db
def test_a_process_starts_on_the_tables_that_it_knows_and_on_no_others() -> None:
    schema.require_current()
    recorder = MigrationRecorder(connection)
    recorder.record_applied("vms", "9999_from_the_future")
    with pytest.raises(schema.UnfitDatabase, match="newer version"):
        schema.require_current()
    recorder.record_unapplied("vms", "9999_from_the_future")
    newest = sorted(name for app, name in recorder.applied_migrations() if app == "vms")[-1]
    recorder.record_unapplied("vms", newest)
    with pytest.raises(schema.UnfitDatabase, match="older than this program"):
        schema.require_current()
