"""Whether it is the dashboard's own disk that is full: said in words, because somebody can do something about it."""

from __future__ import annotations

import os
import sqlite3
from typing import Final

from django.conf import settings
from django.db import DatabaseError

# What is less than this is as good as nothing to a database.
LITTLE: Final = 64 << 10
# PostgreSQL's own code for a full disk, its own or that of another machine.
DISK_FULL: Final = "53100"


def is_full(error: BaseException) -> bool:
    """Whether the database could not write because its disk is full."""
    cause = error.__cause__
    if not isinstance(error, DatabaseError) or cause is None:
        return False
    if isinstance(cause, sqlite3.Error):
        # Beside the database there are files of shared memory and of the log, which fail in other words.
        return getattr(cause, "sqlite_errorname", "") == "SQLITE_FULL" or left() < LITTLE
    return getattr(cause, "sqlstate", "") == DISK_FULL


def left() -> int:
    """The bytes that can still be written in the state folder."""
    told = os.statvfs(settings.STATE.db)
    return told.f_bavail * told.f_frsize
