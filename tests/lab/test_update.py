"""What `git pull && scripts/run` does to a dashboard in use: a newer version takes over its tables, VMs and work."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from scripts.steps import code
from tests.lab.guests import Guests
from tests.lab.machine import LabHost
from tests.lab.stack import ROOT, Dashboard
from tests.lab.test_console import Screen
from tests.lab.test_kills import row

MIGRATIONS = Path("vms/migrations")
NEXT = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("vms", "{last}")]
    operations = [migrations.RunSQL("create table next_version (id integer)", "drop table next_version")]
"""


class Copied(Dashboard):
    """Runs from a copy of the code, which can be brought up to another version."""

    def __init__(self, host: LabHost, folder: Path) -> None:
        super().__init__(host)
        self.code = self.started_in = folder / "kvmweb"
        folder.mkdir()
        code.copy(ROOT, self.code)
        shutil.copytree(ROOT / "static/dist", self.code / "static/dist")

    def pull(self) -> None:
        """A version with one more migration."""
        last = max(path.stem for path in (self.code / MIGRATIONS).glob("0*.py"))
        (self.code / MIGRATIONS / "9999_next_version.py").write_text(NEXT.format(last=last))


@pytest.fixture
def copied(lab_host: LabHost, tmp_path: Path) -> Iterator[Copied]:
    made = Copied(lab_host, tmp_path / "code")
    made.prepare()
    made.start()
    yield made
    made.remove()


def open_console(dashboard: Dashboard, vm: int) -> ClientConnection:
    wish = dashboard.post(f"/vms/{vm}/console", {"kind": "vnc", "mode": "view"})
    return connect(dashboard.url.replace("http", "ws") + wish.body["url"], subprotocols=[Subprotocol("binary")])


@pytest.mark.long
def test_a_newer_version_takes_over_what_runs_and_what_waits(copied: Copied, guests: Guests) -> None:
    guest = guests.make("sees-an-update", start=True)
    vm = copied.vm(guest.uuid)
    copied.await_state(vm, "running")
    guest.wait_for_boot()
    with open_console(copied, vm) as console:
        assert Screen(console).is_drawn()
        os.kill(copied.pid("worker"), signal.SIGSTOP)
        operation = copied.ask(vm, "pause")
        copied.stop()
        with pytest.raises(ConnectionClosed):
            while True:
                console.recv(timeout=20)
    assert row(copied, operation)[0] == "queued"
    guest.wait_for_count()

    copied.pull()
    unready = copied.run("work")
    assert unready.returncode != 0 and "The database is older than this program" in unready.stderr
    copied.manage("setup", "--password-from-stdin", given="\n")
    [backup] = (copied.state / "backups").iterdir()
    with sqlite3.connect(f"file:{backup}?mode=ro", uri=True) as before:
        assert before.execute("select state from vms_operation where id = ?", [operation]).fetchall() == [("queued",)]
        assert not before.execute("select 1 from sqlite_master where name = 'next_version'").fetchall()
    assert copied.query("select 1 from sqlite_master where name = 'next_version'")

    copied.start()
    copied.await_operation(operation, within=60)
    copied.await_state(vm, "paused")
    assert guest.stands_still()
    assert len(guest.boots()) == 1
    copied.await_operation(copied.ask(vm, "resume"))
    with open_console(copied, vm) as console:
        assert Screen(console).is_drawn()
    older = subprocess.run(
        [sys.executable, ROOT / "manage.py", "setup", "--password-from-stdin"], cwd=ROOT, env=copied.environment,
        input="\n", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert older.returncode != 0 and "newer version of the dashboard" in older.stderr
