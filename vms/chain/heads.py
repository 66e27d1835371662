"""Where the chain ended, told outside the database, so that a tail which was cut off is missed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True)
class Head:
    """At that time the row seq was the last, with that seal."""

    seq: int
    mac: str
    at: str


def append(path: Path, seq: int, mac: str) -> None:
    """Add a line to the file, and have the disk hold it."""
    line = f"{seq} {mac} {datetime.now(UTC).isoformat(timespec='seconds')}\n"
    with locked(path) as file:
        file.seek(0, os.SEEK_END)
        file.write(line)


def read(paths: Iterable[Path]) -> list[Head]:
    """All heads in the files; none in one that does not exist. ValueError names a line that is no head."""
    found = []
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
            match line.split():
                case [seq, mac, at] if seq.isascii() and seq.isdigit():
                    found.append(Head(int(seq), mac, at))
                case _:
                    raise ValueError(f"{path}, line {number} is no head")
    return found


def forget(path: Path, through: int) -> None:
    """Keep only the heads behind that row."""
    with locked(path) as file:
        kept = [head for head in read([path]) if head.seq > through]
        file.truncate(0)
        file.writelines(f"{head.seq} {head.mac} {head.at}\n" for head in kept)


@contextmanager
def locked(path: Path) -> Iterator[TextIO]:
    """The file, made where it is missing, at its beginning and for this process alone; then the disk holds it."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
        file.flush()
        os.fsync(file.fileno())
