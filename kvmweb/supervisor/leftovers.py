"""What a killed supervisor left running: written down while it lives, ended before the next one starts anything."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from kvmweb.supervisor.proc import Identity, boot, identify, send


class Register:
    """The file in the state folder that names every process of ours by pid and start time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: set[Identity] = set()

    def write(self, processes: Iterable[Identity]) -> None:
        """Replace what is written, if it differs."""
        now = set(processes)
        if now == self.written and self.path.exists():
            return
        pairs = sorted((one.pid, one.started) for one in now)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps({"boot": boot(), "processes": pairs}))
        temporary.replace(self.path)
        self.written = now

    def read(self) -> list[Identity]:
        """The processes written in this boot; none where the file is missing or unreadable."""
        try:
            content = json.loads(self.path.read_text())
            pairs = content["processes"] if content["boot"] == boot() else []
            return [Identity(int(pid), int(started)) for pid, started in pairs]
        except (OSError, ValueError, KeyError, TypeError):
            return []


def end(processes: Iterable[Identity], *, grace: float = 10.0) -> int:
    """End these very processes, first kindly; how many still lived."""
    alive = [one for one in processes if send(one, signal.SIGTERM)]
    found = len(alive)
    until = time.monotonic() + grace
    while alive and time.monotonic() < until:
        time.sleep(0.05)
        alive = [one for one in alive if identify(one.pid) == one]
    for one in alive:
        send(one, signal.SIGKILL)
    return found
