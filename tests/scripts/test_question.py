"""One question, and only where the machine is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.steps.question import agreed, changes
from scripts.steps.work import Step

QUIET = Step("Python packages", "pip", lambda log: None)
LOUD = Step("Debian packages", "apt", lambda log: None, "install 2 Debian packages: nginx redis-tools", sudo=True)
PLACES = (Path("/clone"), Path("/state"))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Somebody at a terminal; what is in here is typed."""
    given: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: given.pop(0))
    return given


def test_nothing_is_asked_where_nothing_changes(answers: list[str]) -> None:
    assert agreed([QUIET], *PLACES, yes=False)


def test_it_lists_and_asks_once(answers: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    answers.append("y")
    assert agreed([LOUD, QUIET, LOUD], *PLACES, yes=False)
    assert answers == []
    assert "nginx redis-tools" in capsys.readouterr().out


def test_no_is_no(answers: list[str]) -> None:
    answers.append("n")
    assert not agreed([LOUD], *PLACES, yes=False)


def test_yes_is_not_asked_but_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert agreed([LOUD], *PLACES, yes=True)
    assert "nginx redis-tools" in capsys.readouterr().out


def test_with_nobody_there_it_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert not agreed([LOUD], *PLACES, yes=False)


def test_it_says_why_sudo_and_where_data_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    text = "\n".join(changes([LOUD], *PLACES))
    assert "sudo is for these lines alone" in text and "/state" in text and "/clone" in text
