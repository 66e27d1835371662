"""One check from its beginning to its outcome: its settings, its limits, what it prints, and how it goes on when a test
has hung."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.checks import processes, progress
from scripts.checks.outcome import Outcome, judge
from scripts.checks.plan import BEHIND, LAST_WORDS, Check
from scripts.checks.printed import shortened
from scripts.steps import python
from scripts.steps.work import ROOT

# More tests than this that hang or end their process in one check have one cause; it isn't gone on with.
MOST_BROKEN = 2
# Between two lines that say where all checks are.
SAYS_EVERY = 120


@dataclass(frozen=True)
class Room:
    """Where the checks of a run keep what they write, and until when all must have ended (time.monotonic(); inf: ever).

    at: the checks that run now, with their beginning by time.time().
    """

    folder: Path
    until: float
    at: dict[str, float] = field(default_factory=dict)

    def path(self, title: str, ending: str) -> Path:
        return self.folder / f"{title}.{ending}"


def environment(check: Check, room: Room) -> dict[str, str]:
    """The settings of a check: a state folder of its own, never that of a dashboard which runs on this machine."""
    # Hundreds of processes start meanwhile, and each would compile all of the dashboard's code anew.
    not_kept = ("KVMWEB_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(not_kept)}
    taken = {name: value for name, value in os.environ.items() if name.startswith(("KVMWEB_CACHE_DIR", "KVMWEB_TEST_"))}
    own = {f"KVMWEB_TEST_{name}": value for name, value in check.settings}
    told = {
        "KVMWEB_TEST_COUNTS": str(room.path(check.title, "counts")),
        "KVMWEB_TEST_PROGRESS": str(room.path(check.title, "progress")),
        "KVMWEB_TEST_TABLES": str(room.folder / "tables.sqlite3"),
    }
    return {**kept, **taken, **own, **told, "KVMWEB_STATE_DIR": str(room.folder / "state")}


def over(check: Check, room: Room) -> Callable[[], str]:
    """Asks whether it must end, and why; a test ends at its limit by pytest, so this is for what does not let it."""
    began = time.time()
    path = room.path(check.title, "progress")

    def why() -> str:
        if time.monotonic() > room.until:
            return "all checks together have taken too long"
        still = progress.still_for(path, began)
        return f"it stood still for {still:.0f} s" if still > check.limit + LAST_WORDS else ""

    return why


def run(check: Check, room: Room) -> Outcome:
    """One check; what it prints comes at its end, whole but for what is too long of a test that failed.

    A process that ended in the middle of a test, by its limit or by itself, is followed by another that runs what is
    left; the test has failed.
    """
    command = [
        *(() if (check.real or check.crowded) and not check.behind else ("nice", "-n", str(BEHIND))),
        str(python.PYTHON),
        *check.command,
    ]
    output, counts, path = (room.path(check.title, ending) for ending in ("output", "counts", "progress"))
    began = time.monotonic()
    room.at[check.title] = time.time()
    print(f"── {check.title} begins", flush=True)
    while True:
        before = progress.read(path)
        code, why = processes.run(command, ROOT, environment(check, room), output, over(check, room))
        if counts.exists():
            break
        before = progress.read(path)
        if not before.at or len(before.broken) > MOST_BROKEN or time.monotonic() > room.until:
            break
        with output.open("a") as log:
            log.write(f"\nIt ended in {before.at} ({why or f'exit code {code}'}); on with what is left.\n")
    del room.at[check.title]
    seconds = time.monotonic() - began
    because = f", ended because {why}" if why else ""
    printed = shortened(output.read_text(errors="replace"))
    print(f"── {check.title}: {seconds:.1f} s{because}\n{printed}", end="", flush=True)
    reasons = progress.read(path).reasons
    return judge(check.title, code, seconds, counts if check.counts else None, before, reasons)


def places(room: Room) -> list[str]:
    """A line for each check that runs."""
    return [
        f"{title} at {progress.said(room.path(title, 'progress'), since)}" for title, since in list(room.at.items())
    ]  # fmt: skip


@contextmanager
def telling(room: Room) -> Iterator[None]:
    """Says again and again where the checks are, for who finds a run that something else has ended."""
    ended = threading.Event()
    began = time.monotonic()

    def tell() -> None:
        while not ended.wait(SAYS_EVERY):
            minutes = (time.monotonic() - began) / 60
            print("\n".join(f"·· {minutes:.0f} min: {line}" for line in places(room)), flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join()
