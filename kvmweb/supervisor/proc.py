"""Which process is which: /proc's word, by pid and start time, since a number alone may be another's by now."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Identity:
    """One process for ever: its number, and when it started in ticks since boot."""

    pid: int
    started: int


def _fields(pid: int) -> list[str]:
    # The second field is the program's name in brackets and may itself hold blanks and brackets.
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def identify(pid: int) -> Identity | None:
    """The process that has this number now; None where there is none, or only what is left of a dead one."""
    try:
        fields = _fields(pid)
    except (OSError, IndexError):
        return None
    return None if fields[0] in "ZX" else Identity(pid, int(fields[19]))


def members(groups: set[int]) -> dict[int, list[Identity]]:
    """The living processes of these process groups."""
    found: dict[int, list[Identity]] = {group: [] for group in groups}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError):
            fields = _fields(int(entry.name))
            group = int(fields[2])
            if group in found and fields[0] not in "ZX":
                found[group].append(Identity(int(entry.name), int(fields[19])))
    return found


def send(identity: Identity, number: signal.Signals) -> bool:
    """Signal this very process; False when it is gone, even if its number was given to another meanwhile."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except OSError:
        return False
    try:
        # With the descriptor open, the number read now is the descriptor's or nobody's.
        if identify(identity.pid) != identity:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def boot() -> str:
    """This boot of the machine: start times of another boot say nothing."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()
