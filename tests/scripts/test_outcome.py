"""The closing summary, and what counts as failed."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.checks.outcome import Outcome, judge, summary
from scripts.checks.plan import checks


def counted(folder: Path, **numbers: int) -> Path:
    path = folder / "counts.json"
    path.write_text(json.dumps(numbers))
    return path


def test_a_run_without_tests_has_failed(tmp_path: Path) -> None:
    assert not judge("lab", 5, 1.0, counted(tmp_path, passed=0, failed=0, skipped=0)).good


def test_a_run_that_did_not_start_has_failed(tmp_path: Path) -> None:
    assert not judge("lab", 4, 1.0, tmp_path / "none").good


def test_tests_are_counted(tmp_path: Path) -> None:
    outcome = judge("unit", 1, 1.0, counted(tmp_path, passed=7, failed=2, skipped=1))
    assert (outcome.passed, outcome.failed, outcome.skipped) == (7, 2, 1)


def test_the_last_line_says_it_all() -> None:
    outcomes = [Outcome("ruff", 1, 0, 0, 0.1), Outcome("unit", 7, 0, 0, 2.0)]
    assert summary(outcomes, 3.0)[-1] == "8 passed, 0 failed"
    assert summary([*outcomes, Outcome("lab", 0, 1, 2, 1.0)], 3.0)[-1] == "8 passed, 1 failed, 2 skipped"


def test_each_level_holds_the_one_below() -> None:
    quick, full, everything = ([check.title for check in checks(level)] for level in ("quick", "full", "long"))
    assert [title for title in full if title in quick] == quick
    assert [title for title in everything if title in full] == full
    assert "browser" in full and "lab" in full and "newcomer" in everything
