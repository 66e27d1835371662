"""Where the dashboard keeps what it knows: the settings of database and broker for the site's choice."""

from __future__ import annotations

import os
from typing import Any

import dj_database_url

from kvmweb.environment import BadSetting, Environment


def database(environment: Environment) -> dict[str, Any]:
    """Django's settings of the database: SQLite in the state folder, or the PostgreSQL of KVMWEB_DATABASE_URL."""
    if not environment.database_url:
        return sqlite(environment)
    try:
        found = dj_database_url.parse(environment.database_url, conn_max_age=0, conn_health_checks=True)
    except (ValueError, dj_database_url.UnknownSchemeError):
        found = dj_database_url.DBConfig()
    if found.get("ENGINE") != "django.db.backends.postgresql":
        raise BadSetting("KVMWEB_DATABASE_URL is not of the form postgresql://USER:PASSWORD@NAME/DATABASE")
    # Who a connection belongs to, as the server's own views show it.
    return {**found, "OPTIONS": {"application_name": f"kvmweb {os.getpid()}", **found.get("OPTIONS", {})}}


def sqlite(environment: Environment) -> dict[str, Any]:
    """FULL: a commit that was answered must outlive a power cut, or an operation would run twice; it costs 0.4 ms."""
    state = environment.state
    return {
        "ENGINE": "kvmweb.sqlite",
        "NAME": state.database,
        "TEST": {"NAME": state.db / "test.sqlite3"},
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;",
        },
    }


def metrics(environment: Environment) -> dict[str, Any] | None:
    """Django's settings of the store of numbers: a file of its own, None where it is in the site's PostgreSQL too.

    NORMAL: a power cut may take the last seconds of a chart, and the disk need not hurry for each of them.
    """
    if environment.database_url:
        return None
    options = {**sqlite(environment)["OPTIONS"]}
    options["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000;"
    return {"ENGINE": "kvmweb.sqlite", "NAME": environment.state.metrics, "OPTIONS": options, "CONN_MAX_AGE": None}


def broker(url: str) -> str:
    """The same Redis as kombu names it: a unix socket has a scheme of its own there."""
    path, _, query = url.removeprefix("unix://").partition("?")
    if path == url:
        return url
    return f"redis+socket://{path}?virtual_host={query.removeprefix('db=') or 0}"
