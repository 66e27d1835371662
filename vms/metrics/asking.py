"""Numbers out: the points of a chart, from the tier that has them finely enough and no more finely than that."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final, Literal

from vms.metrics.database import reading, table
from vms.metrics.series import Family
from vms.metrics.tiers import fitting

MOST_POINTS: Final = 2000
# Samples that came so many times later than is usual have a gap before them.
LATE: Final = 2.5

Point = tuple[int, float | None]
Of = Literal["mean", "highest"]


@dataclass(frozen=True)
class Answer:
    """points by series, oldest first; a None stands in each gap. step: seconds from one to the next, as they were
    asked for or as they are kept."""

    start: int
    end: int
    step: int
    points: dict[str, list[Point]]


def ask(
    family: Family, thing: int, names: Sequence[str], start: int, end: int, now: int, *, step: int = 0, of: Of = "mean"
) -> Answer:
    """The series between two times; step: seconds, 0 for what makes some hundred points. At most 2,000 points each."""
    span = max(end - start, 1)
    step = max(step or round(span / 300), -(-span // MOST_POINTS), 1)
    tier = fitting(now - start, step)
    step = max(step, tier.step)
    bucket = step if step > max(tier.step, 1) else 0
    t = f"t / {bucket} * {bucket}" if bucket else "t"
    wanted = [name if of == "mean" or not tier.step else f"{name}_max" for name in names]
    how = "max" if of == "highest" else "avg"
    chosen = ", ".join(f"{how}({name})" if bucket else name for name in wanted)
    with reading() as look:
        look.execute(
            f"SELECT {t}, {chosen} FROM {table(family, tier)} WHERE thing = %s AND t >= %s AND t <= %s "  # noqa: S608
            + ("GROUP BY 1 " if bucket else "")
            + "ORDER BY 1",
            [thing, start, end],
        )
        rows = look.fetchall()
    times = [int(row[0]) for row in rows]
    between = [later - earlier for earlier, later in pairwise(times)]
    usual = max(step, median(between) if between else 0)
    gaps = {i + 1 for i, seconds in enumerate(between) if seconds > LATE * usual}
    points = {
        name: told(times, [row[1 + i] for row in rows], family[name].scale, gaps, usual) for i, name in enumerate(names)
    }
    return Answer(start, end, step, points)


def told(
    times: list[int], values: Sequence[float | None], scale: float, gaps: Collection[int], usual: float
) -> list[Point]:
    found: list[Point] = []
    for i, (t, value) in enumerate(zip(times, values, strict=True)):
        if i in gaps:
            found.append((times[i - 1] + round(usual), None))
        found.append((t, None if value is None else shortest(float(value) / scale)))
    return found


def shortest(value: float) -> float:
    """Without the digits that nobody measured."""
    return round(value, 6) if abs(value) < 1000 else round(value, 1)


def lately(family: Family, things: Collection[int], name: str, now: int) -> dict[int, list[Point]]:
    """One series of many things over the last hour, a point each two minutes, for small charts: one query."""
    if not things:
        return {}
    places = ", ".join(["%s"] * len(things))
    with reading() as look:
        look.execute(
            f"SELECT thing, t / 120 * 120, avg({name}) FROM metrics_{family.name}_minute "  # noqa: S608
            f"WHERE thing IN ({places}) AND t >= %s AND t <= %s GROUP BY 1, 2 ORDER BY 1, 2",
            [*things, now - 3600, now],
        )
        rows = look.fetchall()
    found: dict[int, list[Point]] = {}
    scale = family[name].scale
    for thing, t, value in rows:
        found.setdefault(thing, []).append((int(t), None if value is None else shortest(float(value) / scale)))
    return found
