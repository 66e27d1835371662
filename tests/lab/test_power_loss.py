"""The power goes: what the disk had at that moment is started from, and nothing is done twice, nothing untrue stays."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from tests.lab.test_kills import starts

COPIES = 6
OVER = ("succeeded", "failed", "unknown", "refused", "cancelled", "superseded")


@pytest.fixture
def lost(lab_host: LabHost) -> Iterator[Dashboard]:
    """A dashboard of its own, whose database is put back to earlier moments."""
    made = Dashboard(lab_host)
    made.prepare()
    made.start()
    yield made
    made.remove()


def pull(dashboard: Dashboard, to: Path) -> Path:
    """What of the database lies on the disk: the file and its log, and not the memory that the processes share."""
    to.mkdir()
    for name in ("kvmweb.sqlite3", "kvmweb.sqlite3-wal"):
        path = dashboard.state / "db" / name
        if path.exists():
            shutil.copyfile(path, to / name)
    return to


def without_last_commit(copy: Path) -> None:
    """Cut the log in the middle of its last frame: a commit whose end had not reached the disk does not count."""
    log = copy / "kvmweb.sqlite3-wal"
    if log.exists() and log.stat().st_size > 32:
        with log.open("r+b") as file:
            file.truncate(log.stat().st_size - 100)


def put_back(dashboard: Dashboard, copy: Path) -> None:
    for path in (dashboard.state / "db").glob("kvmweb.sqlite3*"):
        path.unlink()
    for path in copy.iterdir():
        shutil.copyfile(path, dashboard.state / "db" / path.name)
    with closing(sqlite3.connect(dashboard.state / "db/kvmweb.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.long
def test_it_starts_from_every_moment_of_a_start_and_of_a_reset(
    lost: Dashboard, guests: Guests, lab_host: LabHost, tmp_path: Path
) -> None:
    off, on = guests.make("off-when-it-went"), guests.make("on-when-it-went", start=True)
    vm, running = lost.vm(off.uuid), lost.vm(on.uuid)
    lost.await_state(running, "running")
    copies = [pull(lost, tmp_path / "before")]
    start, reset = lost.ask(vm, "start"), lost.ask(running, "reset")
    for number in range(COPIES):
        copies.append(pull(lost, tmp_path / f"{number}"))
        without_last_commit(copies[-1])
        eventually(lambda: True, "a moment", every=0.05)
    for operation in (start, reset):
        lost.await_operation(operation)
    off.wait_for_boot()
    on.wait_for_boot(2)
    for copy in copies:
        boots = len(on.boots())
        lost.stop()
        put_back(lost, copy)
        lost.start()
        for guest in (off, on):
            lost.await_state(lost.vm(guest.uuid), "running", within=60)
        there = {pk for (pk,) in lost.query("SELECT id FROM vms_operation")}
        for operation in {start, reset} & there:
            told = lost.await_operation(operation, *OVER, within=90)
            # A reset that comes back as not yet done may be done once more, and then says so; a start never is.
            assert told["kind"] == "vm.reset" or told["state"] in ("succeeded", "failed", "refused"), told
        assert starts(lab_host, off.name) == 1, "what runs is not started"
        assert len(off.boots()) == 1
        assert len(on.boots()) <= boots + 1
        assert not lost.query("SELECT key FROM vms_operationlock")
        lost.await_operation(lost.ask(lost.vm(off.uuid), "pause"))
        lost.await_operation(lost.ask(lost.vm(off.uuid), "resume"))
