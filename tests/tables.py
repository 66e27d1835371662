"""The tables of an empty database, made by all migrations once for all runs of `scripts/test`."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

MANAGE = Path(__file__).parents[1] / "manage.py"
ONCE = os.environ.get("KVMWEB_TEST_TABLES", "")


def lay(database: Path) -> bool:
    """Make this file a database with nothing but its tables; False, and nothing done, where each run makes its own."""
    if not ONCE:
        return False
    made = Path(ONCE)
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make(made)
    for folder in (database.parents[1], database.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(made, database)
    database.chmod(0o600)
    return True


def make(made: Path) -> None:
    state = made.with_suffix("")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KVMWEB_")}
    subprocess.run(
        [sys.executable, MANAGE, "migrate", "--skip-checks", "--verbosity=0"],
        env={**kept, "KVMWEB_STATE_DIR": str(state)}, stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    (state / "db" / "kvmweb.sqlite3").rename(made)
