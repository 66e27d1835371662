"""What a person at a terminal sees and types."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping

SEQUENCES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self.leader, follower = pty.openpty()
        self.process = subprocess.Popen(
            command, env=dict(environment), stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
            # Ctrl-C goes to whose controlling terminal this is.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(follower)
        self.text = ""

    @property
    def lines(self) -> list[str]:
        """What stands on the terminal: of a line written over itself, its last form."""
        plain = SEQUENCES.sub("", self.text).replace("\r\n", "\n")
        return [line.rpartition("\r")[2] for line in plain.strip("\n").split("\n")]

    def wait_for(self, *patterns: str, within: float) -> str:
        """The first of the patterns that has come."""
        until = time.monotonic() + within
        while True:
            for pattern in patterns:
                if re.search(pattern, self.text):
                    return pattern
            assert time.monotonic() < until, f"{patterns} not within {within} s:\n{self.text}"
            if select.select([self.leader], [], [], 0.5)[0]:
                try:
                    self.text += os.read(self.leader, 65536).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"it ended:\n{self.text}") from None

    def type(self, text: str) -> None:
        os.write(self.leader, text.encode())

    def close(self) -> None:
        """End the program as hanging up would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGHUP)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=40)
        os.close(self.leader)
