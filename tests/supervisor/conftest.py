"""Running programs under the supervisor's loop, and waiting for what must come."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., subprocess.Popen[bytes]]


def eventually(what: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until it is so."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Start]:
    """Start a family with programs NAME=SHELL_LINE in tmp_path; nothing of it is left afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*lines: str) -> subprocess.Popen[bytes]:
        (tmp_path / "up").unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-m", "tests.supervisor.stage", str(tmp_path), *lines])
        started.append(process)
        eventually(lambda: (tmp_path / "up").exists())
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    for file in tmp_path.glob("*.pid"):
        for word in file.read_text().split():
            if alive(int(word)):
                os.kill(int(word), signal.SIGKILL)
