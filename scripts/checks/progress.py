"""What a check's tests are at, by the lines that tests/strictness.py writes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """done: {node id: passed, failed or skipped}. broken: those that began and never ended, because their process did.
    at: the test that runs now, or did when its process ended; "" between two. reasons: {node id: why it failed}."""

    done: dict[str, str] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    at: str = ""
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def failing(self) -> tuple[str, ...]:
        return (*(name for name, outcome in self.done.items() if outcome == "failed"), *self.broken)

    def number(self, outcome: str) -> int:
        return list(self.done.values()).count(outcome)


def read(path: Path) -> Progress:
    """A half of a line, which a process that ended left or one that runs is writing, counts for nothing."""
    done: dict[str, str] = {}
    begun: dict[str, None] = {}
    reasons: dict[str, str] = {}
    at = ""
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            name, outcome, *why = json.loads(line)
        except ValueError:
            continue
        at = "" if outcome else name
        if outcome:
            done[name] = outcome
            if why:
                reasons[name] = why[0]
        else:
            begun[name] = None
    return Progress(done, tuple(name for name in begun if name not in done), at, reasons)


def still_for(path: Path, began: float) -> float:
    """Seconds since the check began (time.time()) or the last of its tests began or ended."""
    return time.time() - max(began, path.stat().st_mtime if path.exists() else 0.0)


def said(path: Path, began: float) -> str:
    """Where it is, in a few words."""
    progress = read(path)
    place = progress.at or ("between two tests" if progress.done else "no test yet")
    return f"{place}, for {still_for(path, began):.0f} s, {len(progress.done)} done"
