"""The closing summary, and what counts as failed."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.checks.outcome import MOST_NAMED, Outcome, after_second, judge, summary
from scripts.checks.plan import again, checks
from scripts.steps.work import ROOT


def counted(folder: Path, **numbers: object) -> Path:
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
    assert "browser" in full and {"lab 1", "lab 2"} < set(full) and "newcomer" in everything


def test_the_second_result_stands_and_what_changed_is_named(tmp_path: Path) -> None:
    first = judge("lab", 1, 9.0, counted(tmp_path, passed=7, failed=2, skipped=0, failing=["a", "b"]))
    mended = after_second(first, judge("lab", 0, 1.0, counted(tmp_path, passed=2, failed=0, skipped=0)))
    assert (mended.good, mended.passed, mended.unsteady) == (True, 9, ("a", "b"))
    assert "unsteady, failed beside the others and passed alone: a" in summary([mended], 3.0)
    still = after_second(first, judge("lab", 1, 1.0, counted(tmp_path, passed=1, failed=1, skipped=0, failing=["b"])))
    assert (still.good, still.passed, still.failed, still.unsteady) == (False, 8, 1, ("a",))


def test_what_failed_is_named_with_its_last_reason_behind_what_is_unsteady() -> None:
    first = Outcome("lab", 7, 2, 0, 9.0, failing=("a", "b"), reasons={"a": "too late", "b": "assert 1 == 2"})
    still = after_second(first, Outcome("lab", 1, 1, 0, 1.0, failing=("b",), reasons={"b": "assert 3 == 2"}))
    *_, unsteady, failed, last = summary([still], 3.0)
    assert unsteady == "unsteady, failed beside the others and passed alone: a: too late"
    assert (failed, last) == ("failed: b: assert 3 == 2", "8 passed, 1 failed")


def test_where_hundreds_fail_the_end_is_still_read() -> None:
    names = tuple(f"test_{number}" for number in range(100))
    lines = summary([Outcome("unit", 0, 100, 0, 9.0, failing=names)], 3.0)
    assert len(lines) == 3 + MOST_NAMED + 2 and lines[-2] == f"failed: {100 - MOST_NAMED} more of unit"


def test_a_second_run_that_does_not_start_leaves_nothing_good(tmp_path: Path) -> None:
    first = judge("lab", 1, 9.0, counted(tmp_path, passed=7, failed=2, skipped=0, failing=["a", "b"]))
    assert not after_second(first, judge("lab", 4, 1.0, tmp_path / "none")).good


def test_the_halves_of_the_lab_are_all_of_it() -> None:
    both = [word for check in checks("full") if check.title in ("lab 1", "lab 2") for word in check.command]
    found = sorted(word for word in both if word.startswith("tests/"))
    assert found == sorted(f"tests/lab/{path.name}" for path in (ROOT / "tests/lab").glob("test_*.py"))


def test_only_what_shares_the_machine_is_run_again_and_long_tests_are_found() -> None:
    crowded = {check.title: check for check in checks("full") if check.crowded}
    assert set(crowded) == {"lab 1", "lab 2", "browser", "controls", "processes", "gateways", "PostgreSQL"}
    assert again(crowded["lab 1"], ("x",)).command[-3:] == ("-m", "", "x")
