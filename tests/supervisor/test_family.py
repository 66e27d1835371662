"""Start, restart, stop: real processes under the real loop."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

from tests.supervisor.conftest import Start, alive, eventually

NOTE = 'date +%s.%N >> "$FOLDER/starts"'
DEAF = "trap '' TERM; echo $$ >> \"$FOLDER/deaf.pid\"; while :; do sleep 0.2; done"


def pids(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def test_it_starts_again_what_ends_later_each_time(stage: Start, tmp_path: Path) -> None:
    stage(f"short={NOTE}; exit 1")
    eventually(lambda: len((tmp_path / "starts").read_text().split()) >= 4)
    times = [float(line) for line in (tmp_path / "starts").read_text().split()[:4]]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert 0.4 < gaps[0] < gaps[1] * 0.8 < gaps[2] * 0.64


def test_it_leaves_nothing_when_asked_to_stop(stage: Start, tmp_path: Path) -> None:
    supervisor = stage(DEAF.join(["deaf=", ""]), 'polite=echo $$ > "$FOLDER/polite.pid"; exec sleep 100')
    eventually(lambda: bool(pids(tmp_path / "deaf.pid")) and bool(pids(tmp_path / "polite.pid")))
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(timeout=10) == 0
    assert not any(alive(pid) for pid in [*pids(tmp_path / "deaf.pid"), *pids(tmp_path / "polite.pid")])


def test_what_a_dead_child_leaves_in_its_group_ends_before_the_next_start(stage: Start, tmp_path: Path) -> None:
    """As nginx's workers do when its master is killed: they would keep the port."""
    stage('master=sleep 100 & echo $! >> "$FOLDER/worker.pid"; echo $$ >> "$FOLDER/master.pid"; wait')
    eventually(lambda: len(pids(tmp_path / "master.pid")) == 1)
    [worker], [master] = pids(tmp_path / "worker.pid"), pids(tmp_path / "master.pid")
    os.kill(master, signal.SIGKILL)
    eventually(lambda: len(pids(tmp_path / "master.pid")) == 2)
    assert not alive(worker)


def test_children_end_with_a_killed_supervisor(stage: Start, tmp_path: Path) -> None:
    supervisor = stage('polite=echo $$ > "$FOLDER/polite.pid"; exec sleep 100')
    eventually(lambda: bool(pids(tmp_path / "polite.pid")))
    supervisor.kill()
    eventually(lambda: not alive(pids(tmp_path / "polite.pid")[0]))


def test_the_next_start_ends_what_a_killed_supervisor_left(stage: Start, tmp_path: Path) -> None:
    supervisor = stage(f"deaf={DEAF}")
    eventually(lambda: len(pids(tmp_path / "deaf.pid")) == 1)
    supervisor.kill()
    supervisor.wait()
    [left] = pids(tmp_path / "deaf.pid")
    assert alive(left)
    stage("other=exec sleep 100")
    assert not alive(left)


def test_output_goes_to_the_log(stage: Start, tmp_path: Path) -> None:
    stage("talker=echo hello; exec sleep 100")
    eventually(lambda: (tmp_path / "talker.log").read_text() == "hello\n")
