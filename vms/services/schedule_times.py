"""When a schedule is due: arithmetic on its zone's clock, nothing else.

A time of the day that a night has not (02:30 where the clock goes from 02:00 to 03:00) is as long after midnight as on
other days: 03:30. One that a night has twice is the first of the two (RFC 5545, 3.3.5). Hours are hours: an hourly
schedule is due in both, and not in the one that is left out.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

HOUR: Final = 60
DAY: Final = timedelta(days=1)
# An outage that is longer is counted as this many.
MOST_MISSED: Final = 1000


@dataclass(frozen=True)
class When:
    """As Schedule's fields of these names say it."""

    every: str
    minutes: int
    day: int
    zone: str


def next_after(when: When, moment: datetime) -> datetime:
    """The first time, in UTC, that lies after the moment."""
    return next(times_after(when, moment))


def times_after(when: When, moment: datetime) -> Iterator[datetime]:
    """All of them from then on."""
    zone = ZoneInfo(when.zone)
    if when.every == "hourly":
        while True:
            moment = next_hour(when.minutes, zone, moment)
            yield moment
    first = moment.astimezone(zone).date() - DAY
    for day in days(when, first):
        clock = datetime(day.year, day.month, day.day, when.minutes // HOUR, when.minutes % HOUR, tzinfo=zone)
        if (at := clock.astimezone(UTC)) > moment:
            moment = at
            yield at


def next_hour(minute: int, zone: ZoneInfo, moment: datetime) -> datetime:
    """The next moment, in UTC, at which the zone's clock shows that minute; zones change by less than hours too."""
    at = moment.astimezone(UTC).replace(second=0, microsecond=0)
    while True:
        at += timedelta(minutes=1)
        ahead = (minute - at.astimezone(zone).minute) % HOUR
        if not ahead:
            return at
        at += timedelta(minutes=ahead - 1)


def days(when: When, first: date) -> Iterator[date]:
    """The days on which it is due, from that one on."""
    day = first
    while True:
        if when.every == "weekly":
            due = day.weekday() == when.day
        elif when.every == "monthly":
            due = day.day == min(when.day, monthrange(day.year, day.month)[1])
        else:
            due = True
        if due:
            yield day
        day += DAY


def caught_up(when: When, due: datetime, now: datetime) -> tuple[datetime, int]:
    """Of a schedule that was due then: when it is due next, and how many times more it has been due meanwhile."""
    missed = 0
    for at in times_after(when, due):
        if at > now:
            return at, missed
        missed += 1
        if missed >= MOST_MISSED:
            break
    return next_after(when, now), missed
