"""The last lines of a start."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from kvmweb import environment
from kvmweb.supervisor.box import box, password_line
from kvmweb.supervisor.certificate import generated
from kvmweb.supervisor.session import farewell
from kvmweb.supervisor.whisper import people_lines, told
from scripts.steps.work import Log

WHISPERS = "import os, sys; print('made'); os.write(int(sys.argv[1]), b'demo-viewer ' + b'abcd\\n')"
SSH = {"SSH_CONNECTION": "192.0.2.9 50000 192.0.2.1 22"}


def test_it_says_where_who_and_what_ctrl_c_does() -> None:
    text = "\n".join(box(environment.load(), None, "Password        x", {}))
    assert "http://localhost:8000/" in text
    assert "admin" in text
    assert "Ctrl-C stops the dashboard, never a VM." in text
    assert "ssh -L" not in text


def test_it_says_both_ways_in_to_who_came_by_ssh() -> None:
    text = "\n".join(box(environment.load(), None, "", SSH))
    assert re.search(r"ssh -L 8000:localhost:8000 \S+@192\.0\.2\.1 ", text)
    assert "KVMWEB_BIND=0.0.0.0 scripts/run" in text


def test_it_shows_the_certificates_fingerprint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KVMWEB_BIND", "0.0.0.0")
    made = generated(tmp_path, ["localhost"])
    text = "\n".join(box(environment.load(), made, "", SSH))
    assert "https://localhost:8000/" in text and "https://192.0.2.1:8000/" in text
    pairs = re.findall(r"\b[0-9A-F]{2}(?=[: ])", text.partition("SHA-256")[2])
    assert ":".join(pairs) == made.fingerprint


def test_every_line_is_equally_wide() -> None:
    assert len({len(line) for line in box(environment.load(), None, "", SSH)}) == 1


def test_a_password_is_shown_to_a_terminal_once(tmp_path: Path) -> None:
    file = tmp_path / "admin-password"
    file.write_text("abcd-efgh\n")
    assert "abcd-efgh" in password_line(file, terminal=True)
    assert not file.exists()
    assert "abcd-efgh" not in password_line(file, terminal=True)


def test_a_password_is_never_shown_to_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "admin-password"
    file.write_text("abcd-efgh\n")
    line = password_line(file, terminal=False)
    assert "abcd-efgh" not in line and str(file) in line
    assert file.exists()


def test_the_demos_accounts_stand_below_the_administrator() -> None:
    lines = people_lines("demo-operator abcd-efgh\ndemo-viewer ijkl-mnop\n")
    text = "\n".join(box(environment.load(), None, "Password        x", {}, people=lines))
    assert re.search(r"Password +x.*\n│ Demo users +demo-operator +abcd-efgh +\(shown once\)", text)
    assert re.search(r"│ +demo-viewer +ijkl-mnop +\(shown once\)", text)
    assert people_lines("") == []


def test_what_is_for_the_terminal_comes_through_the_pipe_and_not_through_the_log(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    with told(shown=True) as (words, descriptors, heard):
        log.run(sys.executable, "-c", WHISPERS, words[1], keeps=descriptors)
        assert heard() == "demo-viewer abcd\n"
    said = (tmp_path / "log").read_text().partition("import os")[2].partition("\n")[2]
    assert "made" in said and "abcd" not in said
    with told(shown=False) as (words, descriptors, heard):
        assert (words, descriptors, heard()) == ([], [], "")


@pytest.mark.parametrize(
    ("running", "words"),
    [(0, "Dashboard stopped."), (1, "1 VM keeps running."), (3, "Dashboard stopped. 3 VMs keep running.")],
)
def test_the_last_line_says_what_runs_on(running: int, words: str) -> None:
    assert farewell(running).endswith(words)
