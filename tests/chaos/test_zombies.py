"""A worker that stands still past its time is replaced; when it wakes up it writes nothing and ends.

The same of a watcher is in tests/lab/test_many.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.chaos.fire import Fire, away
from tests.chaos.holds import idle
from tests.chaos.points import state
from tests.chaos.test_copy import clear, copied
from tests.chaos.test_reset import in_the_call
from tests.lab.guests import LabGuest
from tests.lab.machine import eventually
from tests.lab.stack import ROOT

pytestmark = pytest.mark.long


@contextmanager
def second_worker(fire: Fire) -> Iterator[int]:
    """The pid of a worker of the product as it is: it does not know the kind that mirrors."""
    with (fire.dashboard.folder / "second-worker").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, ROOT / "manage.py", "work"],
            cwd=ROOT, env=fire.dashboard.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        query = "SELECT id FROM vms_worker WHERE pid = ? AND stopped_at IS NULL"
        eventually(lambda: fire.dashboard.query(query, process.pid), "a second worker signs on", within=60)
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def guest(fire: Fire) -> Iterator[LabGuest]:
    """It runs and has a disk that can be copied."""
    made = copied(fire, "sleeping")
    yield made
    clear(fire, made)
    away(made)


def told(fire: Fire, operation: int) -> list[Any]:
    """All that stands of it."""
    return [
        fire.dashboard.query("SELECT * FROM vms_operation WHERE id = ?", operation),
        fire.dashboard.query("SELECT * FROM vms_operationlog WHERE operation_id = ? ORDER BY id", operation),
    ]


def claims(fire: Fire, pid: int) -> list[tuple[Any, ...]]:
    """What the worker of that pid has ever held."""
    query = "SELECT o.id FROM vms_operation o JOIN vms_worker w ON o.worker_id = w.id WHERE w.pid = ? ORDER BY o.id"
    return fire.dashboard.query(query, pid)


def test_a_worker_that_wakes_up_after_its_time_writes_nothing_and_ends(fire: Fire, guest: LabGuest) -> None:
    fire.make_ready("worker")
    fire.struck.add("worker")
    vm, resets = fire.dashboard.vm(guest.uuid), fire.ear.resets[guest.uuid]
    sleeper = fire.dashboard.pid("worker")
    with ExitStack() as asleep:
        with in_the_call(fire, vm, guest) as reset:
            asleep.enter_context(idle(fire.dashboard, sleeper))
        with second_worker(fire):
            # Whoever was declared dead is not asked: its work is judged by what the host says.
            assert fire.outcome(reset) == "unknown"
            # The other one does not know this kind, and goes on with what it knows.
            mirror = fire.dashboard.ask(vm, "mirror")
            known = fire.dashboard.ask(fire.dashboard.vm(fire.probe.uuid), "autostart", {"enabled": True})
            assert fire.outcome(known) == "succeeded"
            assert state(fire, mirror) == "queued"
            settled, held = told(fire, reset), claims(fire, sleeper)
            asleep.close()
            eventually(lambda: sleeper not in fire.dashboard.pids("worker"), "it ends")
            assert (told(fire, reset), claims(fire, sleeper)) == (settled, held)
            # The supervisor starts one that knows it.
            assert fire.outcome(mirror) == "succeeded"
    assert fire.ear.resets[guest.uuid] <= resets + 1
    assert told(fire, reset) == settled
