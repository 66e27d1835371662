"""A step of the start: one line on the terminal with its time, everything else in a log file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.steps.way_out import likely_way_out

ROOT = Path(__file__).resolve().parent.parent.parent
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


ERROR = re.compile(r"^E: |\berror\b|ERR!|\bfatal\b|\bfailed\b", re.IGNORECASE)


class Failed(Exception):
    """A step that cannot go on; what its tool printed, and the way out where the step itself knows it."""

    def __init__(self, output: str, way: str = "") -> None:
        super().__init__(output)
        self.output = output
        self.way = way or likely_way_out(output)

    @property
    def telling_line(self) -> str:
        """The last line that speaks of an error, else the last one."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()] or ["no output"]
        return next((line for line in reversed(lines) if ERROR.search(line)), lines[-1])


@dataclass(frozen=True)
class Log:
    """Where a step's commands write."""

    path: Path

    def run(
        self, *command: str | Path, cwd: Path = ROOT, given: str = "", env: Mapping[str, str] | None = None,
        keeps: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """Run a command to its end, its output in the log; Failed when it fails or is missing. keeps: open descriptors
        that it gets."""
        with self.path.open("a+b") as log:
            log.write(f"$ {' '.join(map(str, command))}\n".encode())
            log.flush()
            begin = log.seek(0, os.SEEK_END)
            try:
                done = subprocess.run(
                    [str(part) for part in command], cwd=cwd, input=given.encode(), stdout=log, stderr=log,
                    env={**os.environ, **(env or {})}, pass_fds=keeps, check=False,
                )  # fmt: skip
            except FileNotFoundError:
                raise Failed(f"{command[0]} is not installed") from None
            if done.returncode:
                log.seek(begin)
                raise Failed(log.read()[-20000:].decode(errors="replace"))

    def sudo(self, *command: str | Path, given: str = "") -> None:
        """The same as root."""
        self.run(*as_root(command), given=given)


def as_root(command: Sequence[str | Path]) -> list[str | Path]:
    """The command line that does it as root; proxy settings go along, which sudo would drop."""
    if os.geteuid() == 0:
        return list(command)
    kept = [name for name in PROXIES if name in os.environ]
    return ["sudo", *([f"--preserve-env={','.join(kept)}"] if kept else []), "--", *command]


def asks(*command: str | Path) -> bool:
    """Whether a quick question to a program was answered with yes."""
    try:
        return subprocess.run(
            [str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
        ).returncode == 0  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


@dataclass(frozen=True)
class Step:
    """title: its line. changes: what it does to the machine, for the question; "" for what needs no asking."""

    title: str
    log: str
    do: Callable[[Log], None]
    changes: str = ""
    sudo: bool = False


@contextmanager
def reported(title: str, log: Path) -> Iterator[None]:
    """One line with the time that the block took; where it failed, what, where, and the way out, and the end."""
    began = time.monotonic()
    if sys.stdout.isatty():
        print(f"  {title} …", end="\r", flush=True)
    try:
        yield
    except Failed as failure:
        print(f"  {title}: failed\n    {failure.telling_line[:160]}\n    Log: {log}\n    Likely way out: {failure.way}")
        raise SystemExit(1) from None
    print(f"  {title:<52}{time.monotonic() - began:6.1f} s", flush=True)


def perform(steps: Sequence[Step], logs: Path) -> None:
    """All of them in order; the first that fails ends the start."""
    for step in steps:
        log = Log(logs / f"{step.log}.log")
        with reported(step.title, log.path):
            step.do(log)
