"""The database's tables: brought to this code's state, with a copy of the file before."""

from __future__ import annotations

import os
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

KEPT_BACKUPS = 5


class NewerDatabase(Exception):
    """The database holds migrations that this code does not know."""


class UnfitDatabase(Exception):
    """A process and its database are not of the same version; the text says what to do."""


def require_current() -> None:
    """Nothing, or UnfitDatabase: a process that starts on other tables than it knows would write what is not true."""
    try:
        waits = pending()
    except NewerDatabase as newer:
        raise UnfitDatabase(f"The database was made by a newer version ({newer}); update this program.") from newer
    if waits:
        raise UnfitDatabase(
            "The database is older than this program: start with scripts/run, or `manage.py setup` first."
        )


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
    """A consistent copy of the database in the folder, 0600, the last five kept; None while it is empty.

    Of PostgreSQL it is pg_dump's custom format; FileNotFoundError where the program is missing.
    """
    if not connection.introspection.table_names():
        return None
    ending = "sqlite3" if connection.vendor == "sqlite" else "pgdump"
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}.{ending}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [str(path)])
        else:
            dump(path)
    except BaseException:
        # Half a copy would pass for one.
        path.unlink()
        raise
    for old in sorted(folder.glob(f"*.{ending}"))[:-KEPT_BACKUPS]:
        old.unlink()
    return path


def dump(path: Path) -> None:
    """pg_dump into the file; who it is and its password go by a file of its own, not by argv or environment."""
    settings = connection.settings_dict
    words = {"host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"]}
    words |= {"password": settings["PASSWORD"], "dbname": settings["NAME"], **settings["OPTIONS"]}
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as service:
        service.write("[kvmweb]\n" + "".join(f"{name}={value}\n" for name, value in words.items() if value))
        service.flush()
        subprocess.run(
            ["pg_dump", "--format=custom", "--file", str(path), "service=kvmweb"],
            env={"PATH": os.environ.get("PATH", ""), "PGSERVICEFILE": service.name}, check=True,
        )  # fmt: skip


def migrate(folder: Path) -> bool:
    """Apply what is pending, after a copy; whether there was anything to do."""
    if not pending():
        return False
    back_up(folder)
    call_command("migrate", verbosity=0, interactive=False)
    return True
