"""How finely and for how long numbers are kept: each tier is made of the one before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HOUR: Final = 3600
DAY: Final = 24 * HOUR


@dataclass(frozen=True)
class Tier:
    """step: seconds that a row stands for, 0 for a sample as it was taken. keep: seconds."""

    name: str
    step: int
    keep: int


# Each is kept somewhat longer than it is shown, so that the left end of a chart has its numbers.
RAW: Final = Tier("raw", 0, HOUR + 300)
TIERS: Final = (
    RAW,
    Tier("minute", 60, DAY + HOUR),
    Tier("quarter", 900, 31 * DAY + HOUR),
    Tier("hours", 3 * HOUR, 731 * DAY),
)


def fitting(age: float, step: float) -> Tier:
    """The coarsest tier that is as fine as the step, of those that reach back so far. age, step: in seconds."""
    reaching = [tier for tier in TIERS if tier.keep >= age] or [TIERS[-1]]
    fine = [tier for tier in reaching if tier.step <= step]
    return fine[-1] if fine else reaching[0]
