"""The numbers of a VM or host over time, as somebody asks for them."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from vms import live, metrics
from vms.metrics import Answer, Family, Of
from vms.models import Host


def chosen(family: Family, text: str) -> tuple[str, ...] | None:
    """The series that "cpu,memory" names, each once, all of them for ""; None where one is none of them."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    known = tuple(metrics.series_of(family))
    return None if set(names) - set(known) else names or known


def over_time(
    family: Family,
    thing: int,
    names: Sequence[str],
    *,
    start: float | None = None,
    end: float | None = None,
    step: int = 0,
    of: Of = "mean",
) -> Answer:
    """Between two times in seconds since 1970: by default the last hour. ValueError where they are in no order."""
    now = int(time.time())
    until = now if end is None else int(end)
    since = until - 3600 if start is None else int(start)
    if since >= until:
        raise ValueError("from is not before to")
    parts = [(each, [name for name in names if name in each.names]) for each in metrics.TOGETHER[family]]
    told = [metrics.ask(each, thing, some, since, until, now, step=step, of=of) for each, some in parts if some]
    points = {name: series for answer in told for name, series in answer.points.items()}
    return replace(told[0], points={name: points[name] for name in names})


def last_hour(family: Family, things: Collection[int], name: str) -> dict[int, list[float | None]]:
    """Of each of which there is anything one value each two minutes of the last hour, rounded, None where nothing was
    measured."""
    now = int(time.time())
    first = (now - 3600) // 120 * 120
    known = {thing: dict(points) for thing, points in metrics.lately(family, things, name, now).items()}
    return {
        thing: [None if (value := of.get(t)) is None else round(value, 1) for t in range(first, now, 120)]
        for thing, of in known.items()
    }


def period(host: Host) -> float | None:
    """Seconds from one sample of its VMs to the next; None while nothing is sampled."""
    told = live.host_use(host.pk).get("period")
    return None if told is None else float(told)
