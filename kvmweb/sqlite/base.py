"""The database backend; Django looks for it in a module of this name."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from django.db import OperationalError
from django.db.backends.sqlite3 import base

LOOK: Final = 0.0005
WRITES: Final = ("INSERT", "UPDATE", "DELETE", "REPLACE")
# How many connections wait for the next request. Each keeps pages of the database in memory.
MOST: Final = 4

File = tuple[int, int, int]

idle: deque[tuple[File, sqlite3.Connection]] = deque(maxlen=MOST)


class DatabaseWrapper(base.DatabaseWrapper):
    """Begins to write within a millisecond of the end of another's transaction, in one of its own or by one statement.

    SQLite's own busy handler sleeps 1, 2, 5, 10, 15, 20, 25 ms and so on between its looks, and meets the gaps between
    short transactions by luck (https://www.sqlite.org/c3ref/busy_timeout.html): beside others that look more often it
    may meet none.

    A request under ASGI has a thread of its own and so a connection of its own, for which SQLite reads the whole
    schema: an eighth of a page. What one request leaves in order, the next one takes.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        """One that waits and is of this file, or a new one."""
        connection = self.waiting() or super().get_new_connection(conn_params)
        self.references = sys.getrefcount(connection)
        return connection

    def waiting(self) -> sqlite3.Connection | None:
        own = self.file()
        for _ in range(len(idle)):
            with contextlib.suppress(IndexError):
                file, connection = idle.popleft()
                if file == own:
                    return connection
                idle.append((file, connection))
        return None

    def _close(self) -> None:
        connection, file = self.connection, self.file()
        # Beside what referred to it when it was new there is the wrapper. A cursor would refer to it too: while one is
        # open, all see what was then.
        alone = sys.getrefcount(connection) == self.references + 1
        if file and alone and not connection.in_transaction:
            idle.append((file, connection))
        else:
            super()._close()  # type: ignore[misc]

    def file(self) -> File | None:
        """Which file it is, to which process: another one may have come in its place. None for one in memory."""
        try:
            found = os.stat(self.settings_dict["NAME"])  # noqa: PTH116
        except OSError:
            return None
        return os.getpid(), found.st_dev, found.st_ino

    def create_cursor(self, name: str | None = None) -> Cursor:
        return self.connection.cursor(factory=Cursor)  # type: ignore[no-any-return]

    def _start_transaction_under_autocommit(self) -> None:
        begin = super()._start_transaction_under_autocommit  # type: ignore[misc]  # not in django-stubs
        patiently(self.connection, begin)


class Cursor(base.SQLiteCursorWrapper):
    def execute(self, query: str, params: Any = None) -> Any:
        run = super().execute
        if self.connection.in_transaction or not query.startswith(WRITES):
            return run(query, params)
        return patiently(self.connection, lambda: run(query, params))


def patiently(connection: sqlite3.Connection, do: Callable[[], Any]) -> Any:
    """What it returns, which is tried as long as another one writes; at last its error is raised."""
    patience = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    until = time.monotonic() + patience / 1000
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            last = time.monotonic() > until
            try:
                return do()
            except (OperationalError, sqlite3.Error) as error:
                cause = error if isinstance(error, sqlite3.Error) else error.__cause__
                if last or not is_busy(cause):
                    raise
            time.sleep(LOOK)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")


def is_busy(cause: BaseException | None) -> bool:
    """Whether it is one of SQLite's reasons to try again: the low byte of the extended code."""
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
