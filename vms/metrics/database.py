"""The store's own connections and tables: a file beside the database's, or tables of the site's PostgreSQL.

They are no models: nothing points to them, they are written by the ten thousand, and whoever loses them loses charts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from vms.metrics.series import FAMILIES, Family
from vms.metrics.tiers import TIERS, Tier


@cache
def handler() -> ConnectionHandler:
    """Apart from Django's own, so that no transaction of a page or of the inventory ever holds these."""
    return ConnectionHandler({"default": settings.METRICS_DATABASE or connections["default"].settings_dict})


def connection() -> BaseDatabaseWrapper:
    """This thread's."""
    return handler()["default"]


def close() -> None:
    """Give this thread's connection back."""
    connection().close()


@contextmanager
def cursor() -> Iterator[Any]:
    """A cursor in a transaction of its own, committed at the end. PostgreSQL's connection is given back with it."""
    ours = connection()
    ours.close_if_unusable_or_obsolete()
    ours.ensure_connection()
    try:
        with ours.cursor() as found:
            found.execute("BEGIN IMMEDIATE" if ours.vendor == "sqlite" else "BEGIN")
            try:
                yield found
            except BaseException:
                found.execute("ROLLBACK")
                raise
            found.execute("COMMIT")
    finally:
        if ours.vendor != "sqlite":
            ours.close()


@contextmanager
def reading() -> Iterator[Any]:
    """A cursor that waits for no writer."""
    ours = connection()
    ours.close_if_unusable_or_obsolete()
    try:
        with ours.cursor() as found:
            yield found
    finally:
        if ours.vendor != "sqlite":
            ours.close()


def table(family: Family, tier: Tier) -> str:
    return f"metrics_{family.name}_{tier.name}"


def columns(family: Family, tier: Tier) -> tuple[str, ...]:
    """Besides thing and t: of a roll-up also how many samples a row stands for, and the highest of each."""
    if not tier.step:
        return family.names
    return ("n", *family.names, *(f"{name}_max" for name in family.names))


def prepare() -> None:
    """Make what is missing of the tables."""
    sqlite = connection().vendor == "sqlite"
    ending = "WITHOUT ROWID" if sqlite else ""
    with cursor() as found:
        for family in FAMILIES:
            for tier in TIERS:
                named = ", ".join(f"{name} bigint" for name in columns(family, tier))
                found.execute(
                    f"CREATE TABLE IF NOT EXISTS {table(family, tier)} (thing bigint NOT NULL, t bigint NOT NULL, "
                    f"{named}, PRIMARY KEY (thing, t)) {ending}"
                )
