"""Samples in, roll-ups made of them, what is old out. Only watchers do this; times are whole seconds since 1970.

Every row is written over where it is there already: a clock that was put back makes no number count twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vms.metrics.database import columns, cursor, reading, table
from vms.metrics.series import FAMILIES, Family
from vms.metrics.tiers import RAW, TIERS, Tier

# (thing, t, a number or None for each series of the family in its order)
Sample = tuple[int, int, Sequence[float | None]]


def rows(family: Family, samples: Iterable[Sample]) -> list[tuple[int | None, ...]]:
    """As they are kept."""
    scales = [series.scale for series in family.series]
    return [
        (thing, t, *[None if x is None else round(x * scale) for x, scale in zip(values, scales, strict=True)])
        for thing, t, values in samples
    ]


def upsert(family: Family, tier: Tier) -> str:
    """The end of an INSERT that writes over."""
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns(family, tier))
    return f"ON CONFLICT (thing, t) DO UPDATE SET {changed}"


def store(samples: dict[Family, list[Sample]]) -> None:
    """Keep them, in one transaction."""
    with cursor() as found:
        for family, several in samples.items():
            names = columns(family, RAW)
            places = ", ".join(["%s"] * (len(names) + 2))
            found.executemany(
                f"INSERT INTO {table(family, RAW)} (thing, t, {', '.join(names)}) VALUES ({places}) "  # noqa: S608
                + upsert(family, RAW),
                rows(family, several),
            )


def made_of(family: Family, tier: Tier) -> str:
    """A statement that makes one row of the tier of those of the tier before it, anew each time."""
    source = TIERS[TIERS.index(tier) - 1]
    if source.step:
        # A row counts as often as samples are in it, where it has that number at all.
        means = [
            f"CAST(round(1.0 * sum({name} * n) / nullif(sum(CASE WHEN {name} IS NULL THEN 0 ELSE n END), 0)) AS bigint)"
            for name in family.names
        ]
        number, highest = "CAST(sum(n) AS bigint)", [f"max({name}_max)" for name in family.names]
    else:
        means = [f"CAST(round(avg({name})) AS bigint)" for name in family.names]
        number, highest = "count(*)", [f"max({name})" for name in family.names]
    return (
        f"INSERT INTO {table(family, tier)} (thing, t, {', '.join(columns(family, tier))}) "  # noqa: S608
        f"SELECT thing, min(t) / {tier.step} * {tier.step}, {number}, {', '.join((*means, *highest))} "
        f"FROM {table(family, source)} WHERE thing = %s AND t >= %s AND t < %s GROUP BY thing " + upsert(family, tier)
    )


def roll_up(family: Family, tier: Tier, buckets: Iterable[tuple[int, int]]) -> None:
    """Make the tier's rows anew. buckets: (thing, the time at which the row begins)."""
    with cursor() as found:
        found.executemany(
            made_of(family, tier), [(thing, begin, begin + tier.step) for thing, begin in buckets]
        )  # fmt: skip


def things(family: Family) -> list[int]:
    """All of which the store has anything: one look into an index for each."""
    found = set()
    with reading() as look:
        for tier in TIERS:
            name = table(family, tier)
            look.execute(
                f"WITH RECURSIVE each(thing) AS (SELECT min(thing) FROM {name} UNION ALL "  # noqa: S608
                f"SELECT (SELECT min(thing) FROM {name} WHERE thing > each.thing) FROM each "
                "WHERE each.thing IS NOT NULL) SELECT thing FROM each WHERE thing IS NOT NULL"
            )
            found |= {row[0] for row in look.fetchall()}
    return sorted(found)


def left_undone(family: Family, tier: Tier) -> list[tuple[int, int]]:
    """The rows of a roll-up that a watcher which was killed has not made: from each thing's last one on."""
    source = table(family, TIERS[TIERS.index(tier) - 1])
    known, step, buckets = things(family), tier.step, []
    with reading() as look:
        for thing in known:
            look.execute(f"SELECT max(t) FROM {table(family, tier)} WHERE thing = %s", [thing])  # noqa: S608
            last = look.fetchone()[0] or 0
            look.execute(
                f"SELECT DISTINCT t / {step} * {step} FROM {source} WHERE thing = %s AND t >= %s",  # noqa: S608
                [thing, last],
            )
            buckets += [(thing, row[0]) for row in look.fetchall()]
    return buckets


def prune(now: int) -> None:
    """Let go of what is older than its tier is kept, and of what a clock that was ahead has put into the future."""
    for family in FAMILIES:
        known = things(family)
        for tier in TIERS:
            ahead = now + max(tier.step, 600)
            with cursor() as found:
                found.executemany(
                    f"DELETE FROM {table(family, tier)} WHERE thing = %s AND t < %s",  # noqa: S608
                    [(thing, now - tier.keep) for thing in known],
                )
                found.executemany(
                    f"DELETE FROM {table(family, tier)} WHERE thing = %s AND t > %s",  # noqa: S608
                    [(thing, ahead) for thing in known],
                )


def forget(family: Family, gone: Iterable[int]) -> None:
    """Let go of all that is kept of these."""
    several = [(thing,) for thing in gone]
    for tier in TIERS:
        with cursor() as found:
            found.executemany(f"DELETE FROM {table(family, tier)} WHERE thing = %s", several)  # noqa: S608
