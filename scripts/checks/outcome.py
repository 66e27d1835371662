"""What came of a check, and the summary of all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scripts.checks.progress import Progress

# pytest's exit code where no test was left to run.
NO_TESTS = 5
# So many tests of one check are named with their reasons; more have one.
MOST_NAMED = 30


@dataclass(frozen=True)
class Outcome:
    """passed and failed count tests in a pytest run, else the check itself."""

    title: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    # Node ids of the tests that failed, and of those that failed beside other checks and passed alone.
    failing: tuple[str, ...] = ()
    unsteady: tuple[str, ...] = ()
    # {node id: why it failed the last time}.
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return self.failed == 0


def judge(
    title: str, code: int, seconds: float, counts: Path | None, before: Progress | None = None,
    reasons: dict[str, str] | None = None,
) -> Outcome:  # fmt: skip
    """A pytest run that ends badly without a failed test (no tests, no start, a skip where none may be) has failed.

    before: what earlier processes of the same check came to, which ended in the middle of a test; of the last one too,
    if it has left no counts.
    """
    if counts is None:
        return Outcome(title, int(code == 0), int(code != 0), 0, seconds)
    before = before or Progress()
    numbers = json.loads(counts.read_text()) if counts.exists() else {}
    passed, failed, skipped = (
        int(numbers.get(name, 0)) + before.number(name) for name in ("passed", "failed", "skipped")
    )
    failed += len(before.broken)
    if code == NO_TESTS and before.done:
        code = 0
    if (code or not counts.exists()) and not failed:
        failed = 1
    failing = (*before.failing, *numbers.get("failing", ()))
    reasons = {**dict.fromkeys(before.broken, "its process ended in it"), **(reasons or {})}
    return Outcome(title, passed, failed, skipped, seconds, failing=failing, reasons=reasons)


def after_second(first: Outcome, second: Outcome) -> Outcome:
    """What stands once the failing tests were run a second time, or all of a check that named none: their new result,
    and which of them changed."""
    changed = tuple(name for name in first.failing if name not in second.failing)
    return replace(
        first,
        passed=(first.passed if first.failing else 0) + second.passed,
        failed=second.failed,
        seconds=first.seconds + second.seconds,
        failing=second.failing,
        unsteady=changed if first.failing or not second.good else (f"all of {first.title}",),
        reasons={**first.reasons, **second.reasons},
    )


def summary(outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    """A table, the seconds that all of it took, what failed with its reasons, and last a line that says it all."""
    lines = [f"{'check':<16}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>10}"]
    lines += [
        f"{one.title:<16}{one.passed:>8}{one.failed:>8}{one.skipped:>9}{one.seconds:>10.1f}{'' if one.good else '  <-'}"
        for one in outcomes
    ]
    lines.append(f"{'all':<41}{seconds:>10.1f}")
    lines += [
        f"unsteady, failed beside the others and passed alone: {with_reason(one, name)}"
        for one in outcomes
        for name in one.unsteady
    ]
    for one in outcomes:
        lines += [f"failed: {with_reason(one, name)}" for name in one.failing[:MOST_NAMED]]
        if len(one.failing) > MOST_NAMED:
            lines.append(f"failed: {len(one.failing) - MOST_NAMED} more of {one.title}")
    skipped = sum(one.skipped for one in outcomes)
    more = f", {skipped} skipped" if skipped else ""
    lines.append(f"{sum(one.passed for one in outcomes)} passed, {sum(one.failed for one in outcomes)} failed{more}")
    return lines


def with_reason(outcome: Outcome, name: str) -> str:
    found = outcome.reasons.get(name, "")
    return f"{name}: {found}" if found else name
