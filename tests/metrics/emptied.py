"""The store of numbers without anything in it."""

from __future__ import annotations

from collections.abc import Iterator

from vms import metrics
from vms.metrics import FAMILIES, TIERS
from vms.metrics.database import cursor, table


def emptied() -> Iterator[None]:
    """Its tables, empty, before and afterwards."""
    metrics.prepare()
    empty()
    yield
    empty()
    metrics.close()


def empty() -> None:
    with cursor() as found:
        for family in FAMILIES:
            for tier in TIERS:
                found.execute(f"DELETE FROM {table(family, tier)}")


def count(family: str, tier: str) -> int:
    """How many rows there are."""
    with cursor() as found:
        found.execute(f"SELECT count(*) FROM metrics_{family}_{tier}")
        return int(found.fetchone()[0])
