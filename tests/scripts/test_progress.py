"""Where a check's tests are, and what it comes to when one of them hangs."""

from __future__ import annotations

import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.checks import __main__ as main
from scripts.checks import processes, progress, running
from scripts.checks.plan import Check, words
from scripts.checks.running import Room
from scripts.steps import python
from tests.lab.machine import eventually
from tests.lab.stack import command_line

BARE = ("-p", "pytest_timeout", "-p", "tests.strictness", "-c", "/dev/null")
HANGS = """
import os, time
def test_first():
    pass
def test_second():
    assert False
def test_hangs():
    {hang}
def test_last():
    pass
"""


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    """Of checks that this very Python runs."""
    monkeypatch.setattr(python, "PYTHON", Path(sys.executable))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("KVMWEB_TEST_SHARE", raising=False)
    return Room(tmp_path, math.inf)


def check(room: Room, hang: str, *, limit: int = 1, crowded: bool = True) -> Check:
    """Four tests, of which one passes, one fails, one does this, and one passes."""
    path = room.folder / "test_four.py"
    path.write_text(HANGS.format(hang=hang))
    start = words(limit=limit, crowded=crowded)
    command = (*start, *BARE, "--rootdir", str(room.folder), str(path))
    return Check("four", command, counts=True, crowded=crowded, real=crowded, limit=limit)


def test_lines_tell_what_is_done_what_broke_off_and_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "four.progress"
    assert progress.said(path, time.time()) == "no test yet, for 0 s, 0 done"
    path.write_text(
        '["a", null]\n["a", "passed"]\n["b", null]\n["c", null]\n["c", "failed", "why"]\n["d", null]\n["d", "pas'
    )
    found = progress.read(path)
    assert (found.done, found.broken, found.at) == ({"a": "passed", "c": "failed"}, ("b", "d"), "d")
    assert (found.failing, found.reasons) == (("c", "b", "d"), {"c": "why"})
    assert progress.said(path, time.time()) == "d, for 0 s, 2 done"


@pytest.mark.parametrize("hang", ["time.sleep(60)", "os._exit(0)"])
def test_behind_a_test_that_hangs_or_ends_its_process_the_others_run(
    room: Room, capfd: pytest.CaptureFixture[str], hang: str
) -> None:
    outcome = running.run(check(room, hang), room)
    assert (outcome.passed, outcome.failed) == (2, 2)
    assert [name.partition("::")[2] for name in outcome.failing] == ["test_second", "test_hangs"]
    assert [outcome.reasons[name] for name in outcome.failing] == ["assert False", "its process ended in it"]
    said = capfd.readouterr().out
    assert "It ended in " in said and ("time.sleep(60)" in said) == (hang != "os._exit(0)")


def test_what_only_computes_fails_at_its_limit_and_goes_on(room: Room, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = running.run(check(room, "time.sleep(60)", crowded=False), room)
    assert (outcome.passed, outcome.failed, "It ended in" in capfd.readouterr().out) == (2, 2, False)


def test_what_does_not_end_at_its_limit_is_ended_with_its_children_and_tells_its_stacks(
    room: Room, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LAST_WORDS", 1)
    child = room.folder / "child"
    begin = "import subprocess; child = subprocess.Popen(['sleep', '60'])"
    hang = f"{begin}; open({str(child)!r}, 'w').write(str(child.pid)); time.sleep(60)"
    whole = check(room, hang, limit=2)
    outcome = running.run(replace(whole, command=(*whole.command, "--timeout=0")), room)
    assert (outcome.passed, outcome.failed) == (2, 2)
    said = capfd.readouterr().out
    assert "it stood still" in said and " in test_hangs\n" in said.partition("Its processes:")[2]
    assert "sleep 60" in said
    eventually(lambda: not command_line(int(child.read_text())), "the child has ended", within=5)


def test_all_checks_end_when_their_time_is_over_and_say_where_they_were(
    room: Room, capfd: pytest.CaptureFixture[str]
) -> None:
    soon = Room(room.folder, time.monotonic() + 3)
    outcome = running.run(check(room, "time.sleep(60)", limit=60), soon)
    assert not outcome.good and outcome.failing[-1].endswith("::test_hangs")
    assert "all checks together have taken too long" in capfd.readouterr().out
    assert main.second(check(room, "pass"), outcome, soon) is outcome


def test_a_crowded_check_that_named_no_test_runs_once_more_whole(room: Room) -> None:
    whole = check(room, "pass")
    for code in (0, 3):
        outcome = running.run(replace(whole, command=("-c", f"raise SystemExit({code})")), room)
        assert (outcome.failed, outcome.failing) == (1, ())
    still = main.second(whole, outcome, room)
    assert (still.passed, still.failed, still.unsteady) == (3, 1, ())
    elsewhere = Room(room.folder / "elsewhere", math.inf)
    elsewhere.folder.mkdir()
    good = main.second(
        replace(whole, command=(*whole.command, "--deselect=test_four.py::test_second")), outcome, elsewhere
    )
    assert (good.passed, good.failed, good.unsteady) == (3, 0, ("all of four",))


def test_while_it_runs_a_line_says_where_each_is(room: Room) -> None:
    room.at["lab"] = time.time() - 90
    room.path("lab", "progress").write_text('["tests/lab/test_x.py::test_y", null]\n')
    assert running.places(room) == ["lab at tests/lab/test_x.py::test_y, for 0 s, 0 done"]


def test_a_family_is_a_process_and_all_below_it() -> None:
    assert os.getpid() in processes.family(os.getppid())
    assert processes.words(1).startswith("  1 [") and processes.words(4194303).endswith("is gone")
