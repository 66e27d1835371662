"""The database's tables: brought to this code's state, with a copy of the file before."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

KEPT_BACKUPS = 5


class NewerDatabase(Exception):
    """The database holds migrations that this code does not know."""


def pending() -> bool:
    """Whether migrations wait; NewerDatabase where the code is the older of the two."""
    executor = MigrationExecutor(connection)
    known = set(executor.loader.disk_migrations)
    replaced = {pair for migration in executor.loader.replacements.values() for pair in migration.replaces}
    unknown = set(executor.loader.applied_migrations) - known - replaced
    ours = {app for app, _ in known}
    foreign = sorted(f"{app}.{name}" for app, name in unknown if app in ours)
    if foreign:
        raise NewerDatabase(", ".join(foreign))
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def back_up(folder: Path) -> Path | None:
    """A consistent copy of the SQLite file in the folder, 0600, the last five kept; None while it is empty."""
    if not connection.introspection.table_names():
        return None
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}.sqlite3"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(path)])
    for old in sorted(folder.glob("*.sqlite3"))[:-KEPT_BACKUPS]:
        old.unlink()
    return path


def migrate(folder: Path) -> bool:
    """Apply what is pending, after a copy; whether there was anything to do."""
    if not pending():
        return False
    back_up(folder)
    call_command("migrate", verbosity=0, interactive=False)
    return True
