"""Numbers of many things at once, for lists that compare them: one query for some thousand, whatever they did."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from vms.metrics.database import reading, table
from vms.metrics.series import Family
from vms.metrics.tiers import Tier

# So many things are named in one statement.
AT_ONCE: Final = 10_000


@dataclass(frozen=True)
class Total:
    """What one thing's rows of a time add up to. sums, counts: of each series over the rows that tell it."""

    rows: int
    sums: tuple[float, ...]
    counts: tuple[int, ...]

    def mean(self, place: int) -> float | None:
        """Of the rows that tell the series; None where none does."""
        return self.sums[place] / self.counts[place] if self.counts[place] else None


def totals(
    family: Family, things: Collection[int], names: Sequence[str], start: int, end: int, tier: Tier
) -> dict[int, Total]:
    """{thing: its total} from start until before end, of those that have any row of the tier then."""
    chosen = ", ".join(f"sum({name}) / {float(family[name].scale)!r}, count({name})" for name in names)
    query = f"SELECT thing, count(*), {chosen} FROM {{table}} {{where}} GROUP BY thing"  # noqa: S608
    return {
        row[0]: Total(row[1], tuple(float(value or 0) for value in row[2::2]), tuple(row[3::2]))
        for row in asked(family, query, things, start, end, tier)
    }


def spans(
    family: Family, things: Collection[int], names: Sequence[str], start: int, end: int, tier: Tier
) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    """(thing, its rows of a roll-up, oldest first): each (thing, t, how many samples, what is kept of each name). A
    name that ends in "_max" is the highest of that series; "a+b" is both added up, None where one is not told. As they
    are kept, in whole numbers: scale() tells of what."""
    query = f"SELECT thing, t, n, {', '.join(names)} FROM {{table}} {{where}} ORDER BY thing, t"  # noqa: S608
    for thing, rows in groupby(asked(family, query, things, start, end, tier), itemgetter(0)):
        yield thing, list(rows)


def scale(family: Family, name: str) -> float:
    """What a number of spans() is to be divided by."""
    return family[name.partition("+")[0].removesuffix("_max")].scale


def asked(
    family: Family, query: str, things: Collection[int], start: int, end: int, tier: Tier
) -> Iterator[tuple[Any, ...]]:
    """The rows of the query, of some thousand things after the other."""
    numbers = sorted(things)
    for first in range(0, len(numbers), AT_ONCE):
        part = numbers[first : first + AT_ONCE]
        where = f"WHERE thing IN ({', '.join(['%s'] * len(part))}) AND t >= %s AND t < %s"
        with reading() as look:
            look.execute(query.format(table=table(family, tier), where=where), [*part, start, end])
            rows = look.fetchall()
        yield from rows
