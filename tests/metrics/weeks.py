"""Roll-ups of a week or some hours, as the watcher would have left them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from vms.metrics import TIERS, VM, Family, Tier
from vms.metrics.database import columns, cursor, table

_, _, QUARTER, HOURS = TIERS
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
    highest = {**mean, **(high or {})}
    write(family, HOURS, [(thing, each, n, mean, highest) for each in spans])


def quarters(family: Family, things: Mapping[int, Mapping[str, float]], *, hours: int = 7 * 24) -> None:
    """Of each thing these means in every quarter of an hour of the last so many hours."""
    n = QUARTER.step // 5
    write(family, QUARTER, [(thing, at, n, mean, mean) for thing, mean in things.items() for at in range(hours * 4)])


Told = tuple[int, int, int, Mapping[str, float], Mapping[str, float]]


def write(family: Family, tier: Tier, told: Iterable[Told]) -> None:
    """Of a thing, in a span, 0 being the last whole one: how many samples, their means and the highest."""
    last = int(time.time()) // tier.step * tier.step - tier.step
    names = columns(family, tier)
    places = ", ".join(["%s"] * (len(names) + 2))
    changed = ", ".join(f"{name} = excluded.{name}" for name in names)
    with cursor() as found:
        found.executemany(
            f"INSERT INTO {table(family, tier)} (thing, t, {', '.join(names)}) VALUES ({places}) "
            f"ON CONFLICT (thing, t) DO UPDATE SET {changed}",
            [
                (
                    thing, last - each * tier.step, n, *(scaled(family, name, mean) for name in family.names),
                    *(scaled(family, name, highest) for name in family.names),
                )
                for thing, each, n, mean, highest in told
            ],
        )  # fmt: skip


def scaled(family: Family, name: str, values: Mapping[str, float]) -> int | None:
    return round(values[name] * family[name].scale) if name in values else None
