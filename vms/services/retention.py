"""Which of many moments are worth keeping: arithmetic, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Policy:
    """Of how many moments, hours, days, weeks and months the latest is kept; those without any do not count."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0

    @property
    def most(self) -> int:
        """So many it keeps at most."""
        return sum(astuple(self))


# In which hour, day, week or month a moment lies, by the zone's clock; of an hour that comes twice each is one.
SPANS: Final[tuple[tuple[str, Callable[[datetime], Hashable]], ...]] = (
    ("last", lambda at: at.timestamp()),
    ("hourly", lambda at: (at.date(), at.hour, at.utcoffset())),
    ("daily", lambda at: at.date()),
    ("weekly", lambda at: at.isocalendar()[:2]),
    ("monthly", lambda at: (at.year, at.month)),
)


def to_keep(times: Iterable[datetime], policy: Policy, zone: ZoneInfo) -> set[datetime]:
    """Of the moments those that are kept: of each sort of span the latest moment in each of the latest so many.

    What is kept hangs on nothing that is not: to thin out again, or after each new moment, comes to the same.
    """
    latest = sorted(set(times), reverse=True)
    kept: set[datetime] = set()
    for name, span in SPANS:
        seen: set[Hashable] = set()
        for at in latest:
            if len(seen) >= getattr(policy, name):
                break
            which = span(at.astimezone(zone))
            if which not in seen:
                seen.add(which)
                kept.add(at)
    return kept
