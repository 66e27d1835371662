"""What pytest prints of tests that failed, in so few lines that whoever reads the end of a run finds the reason."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Of one test: its first lines, those from its first assertion on, its last ones; and of any line so many characters.
FIRST, REASON, LAST = 20, 12, 28
LONGEST = 400
# Of a reason, in the summary.
SHORT = 200
# "____ test_name ____" and "==== FAILURES ===="; not "_ _ _ _", which stands between two functions.
HEAD = re.compile(r"_+ [^_ ].* _+|=+ .* =+")


def reason(text: str) -> str:
    """Why a test failed, out of its traceback: the first line that pytest marks, else the last one that says something;
    on one line."""
    lines = text.splitlines()
    marked = (line[1:] for line in lines if line.startswith("E ") and line[1:].strip())
    found = next(marked, None) or next((line for line in reversed(lines) if line.strip()), "")
    return " ".join(found.split())[:SHORT]


def shortened(text: str) -> str:
    """The output with each test's part cut to its beginning, its assertion and its end."""
    part: list[str] = []
    done: list[str] = []
    for line in text.splitlines():
        if HEAD.fullmatch(line):
            done += cut(part)
            part = []
        part.append(line if len(line) <= LONGEST else f"{line[:LONGEST]}[…]")
    done += cut(part)
    return "".join(f"{line}\n" for line in done)


def cut(lines: list[str]) -> Iterator[str]:
    """All of them, where they are not too many or no test's."""
    if len(lines) <= FIRST + REASON + LAST or not HEAD.fullmatch(lines[0]):
        yield from lines
        return
    marked = next((number for number, line in enumerate(lines) if line.startswith("E ")), 0)
    kept = {*range(FIRST), *range(marked, marked + REASON), *range(len(lines) - LAST, len(lines))}
    left_out = 0
    for number, line in enumerate(lines):
        if number not in kept:
            left_out += 1
            continue
        if left_out:
            yield f"[… {left_out} lines …]"
            left_out = 0
        yield line
