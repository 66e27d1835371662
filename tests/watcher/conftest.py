from __future__ import annotations

import time
from collections.abc import Callable


def eventually(ask: Callable[[], object], within: float = 60) -> None:
    """Wait until it is so."""
    until = time.monotonic() + within
    while not ask():
        assert time.monotonic() < until, f"not within {within} s"
        time.sleep(0.01)
