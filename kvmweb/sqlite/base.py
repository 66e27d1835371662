"""The database backend; Django looks for it in a module of this name."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from django.db import OperationalError
from django.db.backends.sqlite3 import base

LOOK: Final = 0.0005


class DatabaseWrapper(base.DatabaseWrapper):
    """Begins a transaction within a millisecond of the end of another's.

    SQLite's own busy handler sleeps 1, 2, 5, 10, 15, 20, 25 ms and so on between its looks, and meets the gaps between
    short transactions by luck (https://www.sqlite.org/c3ref/busy_timeout.html).
    """

    def _start_transaction_under_autocommit(self) -> None:
        patience = self.connection.execute("PRAGMA busy_timeout").fetchone()[0]
        until = time.monotonic() + patience / 1000
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            while not self.begun(last=time.monotonic() > until):
                time.sleep(LOOK)
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {patience}")

    def begun(self, *, last: bool) -> bool:
        """Begin; False where another one writes, at last Django's OperationalError."""
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # not in django-stubs
        except OperationalError as error:
            if last or not is_busy(error.__cause__):
                raise
            return False
        return True


def is_busy(cause: BaseException | None) -> bool:
    """Whether it is one of SQLite's reasons to try again: the low byte of the extended code."""
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
