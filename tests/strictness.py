"""A pytest plugin: the counts for scripts/test and which test it is at, no skipped test where CI=true, and a part of
the tests where they run a second time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from scripts.checks.printed import reason
from scripts.checks.progress import Progress, read

PROGRESS = os.environ.get("KVMWEB_TEST_PROGRESS", "")
reports: list[pytest.TestReport] = []


def counts(stats: dict[str, list[Any]]) -> dict[str, int]:
    """How many tests passed, failed (or had an error), were skipped; an unexpected pass counts as failed."""
    numbers = {
        word: len(stats.get(word, [])) for word in ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
    }
    return {
        "passed": numbers["passed"] + numbers["xfailed"],
        "failed": numbers["failed"] + numbers["error"] + numbers["xpassed"],
        "skipped": numbers["skipped"],
    }


def failing(stats: dict[str, list[Any]]) -> list[str]:
    """Which tests failed or had an error, by node id."""
    return sorted({report.nodeid for word in ("failed", "error") for report in stats.get(word, [])})


def commits(item: pytest.Item) -> bool:
    """Whether it is about transactions: locks, races, what others see."""
    marker = item.get_closest_marker("django_db")
    return bool(marker and marker.kwargs.get("transaction")) or "transactional_db" in getattr(item, "fixturenames", ())


def note(name: str, *outcome: str | None) -> None:
    """A line of the check's progress: the test begins (None), or has passed, failed (and why) or been skipped."""
    if PROGRESS:
        with Path(PROGRESS).open("a") as file:
            file.write(json.dumps([name, *outcome]) + "\n")


def outcome_of(reports: list[pytest.TestReport]) -> str:
    """Of a test whose setting up, call and tearing down have been reported."""
    if any(report.failed or (report.passed and hasattr(report, "wasxfail")) for report in reports):
        return "failed"
    return "skipped" if any(report.skipped and not hasattr(report, "wasxfail") for report in reports) else "passed"


def why(reports: list[pytest.TestReport]) -> Iterator[str]:
    """Of a test that failed, the first reason."""
    failed = [report.longreprtext for report in reports if report.failed]
    yield from map(reason, failed[:1])


def pytest_runtest_logstart(nodeid: str) -> None:
    reports.clear()
    note(nodeid, None)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    reports.append(report)


def pytest_runtest_logfinish(nodeid: str) -> None:
    note(nodeid, outcome_of(reports), *why(reports))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """KVMWEB_TEST_SHARE=3: each that commits, and of the others a third, always the same. None that has begun already
    in an earlier process of the same check."""
    parts = int(os.environ.get("KVMWEB_TEST_SHARE", "1"))
    before = read(Path(PROGRESS)) if PROGRESS else Progress()
    begun = {*before.done, *before.broken}
    left = [
        item for item in items if item.nodeid in begun or (not commits(item) and crc32(item.nodeid.encode()) % parts)
    ]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    numbers = counts(reporter.stats)
    path = os.environ.get("KVMWEB_TEST_COUNTS")
    if path:
        Path(path).write_text(json.dumps({**numbers, "failing": failing(reporter.stats)}))
    if os.environ.get("CI") == "true" and numbers["skipped"]:
        reporter.write_line(f"{numbers['skipped']} skipped: with CI=true nothing may be", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
