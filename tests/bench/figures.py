"""What a measurement hands back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table; holds is None where there is no goal and the number stands for comparison."""

    name: str
    measured: str
    goal: str = ""
    holds: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "MISSED", None: ""}[self.holds]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not passed by this share of them."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def ms(seconds: float) -> str:
    milliseconds = 1000 * seconds
    return f"{milliseconds:.1f} ms" if milliseconds < 100 else f"{milliseconds:,.0f} ms"
