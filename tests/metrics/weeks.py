"""A week of roll-ups, as the watcher would have left it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from vms.metrics import TIERS, VM, Family
from vms.metrics.database import columns, cursor, table

HOURS = TIERS[-1]
SPANS = 56
# Samples in a span where one is taken every five seconds.
FULL = HOURS.step // 5
IDLE = {"cpu": 0.4, "disk_read": 0.0, "disk_write": 900.0, "net_in": 120.0, "net_out": 10.0}
# What the guest tells of its memory.
TOLD = {"swap_in": 0.0, "swap_out": 0.0}


def week(
    thing: int,
    mean: Mapping[str, float],
    high: Mapping[str, float] | None = None,
    *,
    family: Family = VM,
    spans: Iterable[int] = range(SPANS),
    n: int = FULL,
) -> None:
    """In these of its spans, 0 being the last whole one, so many samples of these means; high: the highest, where that
    is another."""
    last = int(time.time()) // HOURS.step * HOURS.step - HOURS.step
    highest = {**mean, **(high or {})}
    told = [
        n,
        *(scaled(family, name, mean) for name in family.names),
        *(scaled(family, name, highest) for name in family.names),
    ]
    names = columns(family, HOURS)
    places = ", ".join(["%s"] * (len(names) + 2))
    changed = ", ".join(f"{name} = excluded.{name}" for name in names)
    with cursor() as found:
        found.executemany(
            f"INSERT INTO {table(family, HOURS)} (thing, t, {', '.join(names)}) VALUES ({places}) "
            f"ON CONFLICT (thing, t) DO UPDATE SET {changed}",
            [(thing, last - each * HOURS.step, *told) for each in spans],
        )


def scaled(family: Family, name: str, values: Mapping[str, float]) -> int | None:
    return round(values[name] * family[name].scale) if name in values else None
