"""One line a step; a failing one says what, where and the way out, and nothing after it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.steps.work import Failed, Log, Step, as_root, perform


def test_each_step_is_one_line_with_its_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    perform(
        [Step("First", "a", lambda log: log.run("echo", "detail")), Step("Second", "b", lambda log: None)], tmp_path
    )
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["First", "0.0", "s"] and second.startswith("  Second")
    assert (tmp_path / "a.log").read_text() == "$ echo detail\ndetail\n"


def test_a_failing_step_says_all_and_ends_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = []
    failing = Step("Packages", "apt", lambda log: log.run("sh", "-c", "echo 'No space left on device'; exit 3"))
    with pytest.raises(SystemExit):
        perform([failing, Step("Later", "b", lambda log: done.append(1))], tmp_path)
    said = capsys.readouterr().out
    assert "Packages: failed" in said
    assert "No space left on device" in said and "no room" in said and str(tmp_path / "apt.log") in said
    assert len(said.splitlines()) == 4
    assert not done


def test_an_old_failure_in_the_log_is_not_todays(tmp_path: Path) -> None:
    log = Log(tmp_path / "x.log")
    log.path.write_text("No space left on device\n")
    with pytest.raises(Failed) as failed:
        log.run("sh", "-c", "echo 'E: Unable to locate package x'; exit 1")
    assert "No space" not in failed.value.output


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="nonexistent-program is not installed"):
        Log(tmp_path / "x.log").run("nonexistent-program")


def test_what_needs_root_goes_through_sudo_with_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert as_root(["apt-get", "update"]) == ["sudo", "--", "apt-get", "update"]
    monkeypatch.setenv("https_proxy", "http://secret@proxy")
    assert as_root(["x"]) == ["sudo", "--preserve-env=https_proxy", "--", "x"]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert as_root(["apt-get", "update"]) == ["apt-get", "update"]
