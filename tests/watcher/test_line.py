from __future__ import annotations

import sys
import time
from queue import Empty

import pytest

from tests.watcher.conftest import eventually
from vms.models import Host
from vms.virt import Connection
from vms.watcher import line
from vms.watcher.line import Line

pytestmark = pytest.mark.django_db


def keep(name: str, connection: Connection | None) -> Connection | None:
    return connection


def test_a_thread_ends_whose_name_another_took_while_its_time_passed(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "IDLE", 2.0)
    made = Line(host, "line", keep)
    made.put("web-01")
    made.begin()
    eventually(made.names.empty)
    time.sleep(0.2)
    interval = sys.getswitchinterval()
    # It's woken, and gets the processor only when what it was woken for has gone and its time has passed.
    sys.setswitchinterval(60)
    try:
        made.put("web-02")
        try:
            made.names.get(block=False)
        except Empty:
            pytest.fail("it was quicker than a test can be")
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            pass
    finally:
        sys.setswitchinterval(interval)
    eventually(lambda: made.threads == 0)
