"""A check's processes: watched while they run, ended when they stand still."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# Between two looks at one that runs.
EVERY = 0.2
# What Python's faulthandler gets to write its stacks.
LAST_WORDS = 10


def family(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def words(pid: int) -> str:
    """A line about a process: its pid, what it waits for in the kernel, its command line."""
    with suppress(OSError):
        folder = Path(f"/proc/{pid}")
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return f"  {pid} [{(folder / 'wchan').read_text()}] {command[:160]}"
    return f"  {pid} is gone"


def end(process: subprocess.Popen[bytes], output: Path) -> None:
    """End it with everything that it started; the output gets what these were, and pytest writes there the stacks of
    all its threads."""
    pids = family(process.pid)
    with output.open("a") as log:
        log.write("\nIts processes:\n" + "\n".join(map(words, pids)) + "\n")
    process.send_signal(signal.SIGABRT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(LAST_WORDS)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def run(
    command: list[str], folder: Path, environment: dict[str, str], output: Path, over: Callable[[], str]
) -> tuple[int, str]:
    """Its exit code, and why it was ended: the first that over() says, "" while it may go on."""
    with output.open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )  # fmt: skip
    while process.poll() is None:
        why = over()
        if why:
            end(process, output)
            return process.returncode, why
        time.sleep(EVERY)
    return process.returncode, ""
