"""The process as a whole."""

from __future__ import annotations

from threading import Thread

import pytest

from vms.watcher import Watcher


@pytest.mark.django_db(transaction=True)
def test_one_that_can_write_no_more_ends_and_is_started_anew(redis: None, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Watcher(node="node-a")
    monkeypatch.setattr(watcher.writer, "thread", Thread(target=lambda: None))
    watcher.run()
    assert watcher.stopped.is_set()
