"""What a program says to the terminal alone, past its log: through a pipe that it inherits. scripts/run reads this file
without the package around it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def told(*, shown: bool) -> Iterator[tuple[list[str], list[int], Callable[[], str]]]:
    """The demo's options for it, the descriptors that it inherits, and a function that reads what it said, once it has
    ended. It says less than a pipe holds. Nothing of all that where it is not shown."""
    if not shown:
        yield [], [], str
        return
    far, near = os.pipe()
    with os.fdopen(far, "rb") as heard, os.fdopen(near, "wb") as says:

        def hear() -> str:
            says.close()
            return heard.read().decode()

        yield ["--passwords-to", str(says.fileno())], [says.fileno()], hear


def people_lines(text: str) -> list[str]:
    """The demo's accounts that have just got a password ("name password" a line), shown once and kept nowhere."""
    lines: list[str] = []
    for line in text.splitlines():
        name, password = line.split()
        lines.append(f"{'' if lines else 'Demo users':<16}{name:<15} {password}   (shown once)")
    return lines
