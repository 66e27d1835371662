"""Walks of everything with everything: a third of the pairs each time, in which each meets some of the others; all of
them in `scripts/test long`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest

Thing = TypeVar("Thing")

PARTS = 3
# To be parametrized with.
SHARES = [0, *(pytest.param(number, marks=pytest.mark.long) for number in range(1, PARTS))]


def share_of(things: Sequence[Thing], share: int, row: int) -> list[Thing]:
    """Those that this share has in this row; what rows have differs, and all shares together are all things."""
    return [thing for column, thing in enumerate(things) if (column + row) % PARTS == share]
