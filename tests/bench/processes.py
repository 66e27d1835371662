"""Processes that a measurement starts, and what they hold."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]


@contextmanager
def running(
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    talks: bool = False,
    executable: str | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """The process, ended at the end; talks: its standard input and output are pipes, else it is silent."""
    pipe: int | IO[str] = subprocess.PIPE if talks else subprocess.DEVNULL
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command] if executable is None else command,
        cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=None if talks else subprocess.DEVNULL, text=True,
        executable=executable,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()


def module(name: str, *words: str | Path) -> tuple[str | Path, ...]:
    """The command that runs a module of the project, or another, with this Python."""
    return (sys.executable, "-m", name, *words)


def cpu_seconds(pid: int) -> float:
    """What the process has used of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    found, look = [], [pid]
    while look:
        found.append(look.pop())
        try:
            words = Path(f"/proc/{found[-1]}/task/{found[-1]}/children").read_text().split()
        except FileNotFoundError:
            continue
        look += [int(word) for word in words]
    return found


def proportional_kib(pid: int) -> int:
    """Memory of the process and its descendants; what several share counts once in all (PSS)."""
    total = 0
    for member in family(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total
