"""`scripts/test [quick|full|long]`."""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.checks.outcome import Outcome, after_second, summary
from scripts.checks.plan import LANES, LEVELS, REAL_LANES, WHOLE, Check, again, checks
from scripts.checks.running import Room, run, telling
from scripts.steps import frontend, packages, python, question, site, system
from scripts.steps.work import ROOT, perform

PACKAGES = ("packages.txt", "packages-demo.txt", "packages-test.txt")
# More failing tests than this have one cause, which another run would only repeat.
MOST_AGAIN = 12


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/test", description=__doc__)
    parser.add_argument("level", nargs="?", choices=LEVELS, default="full")
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking")
    return parser.parse_args()


def prepare(folder: Path, *, yes: bool) -> bool:
    """Everything that the checks need, installed and built; False when somebody said no."""
    found = [packages.step(packages.wanted(*PACKAGES)), python.step(("requirements-dev.txt",)), frontend.step()]
    steps = [step for step in found if step]
    if not question.agreed(steps, ROOT, folder, yes=yes) or not question.may_sudo(steps):
        return False
    clone = site.lock_clone()
    perform(steps, folder)
    os.close(clone)
    return True


def run_all(found: list[Check], room: Room) -> list[Outcome]:
    """What waits, beside it what computes, then what failed in a crowd; in their order."""
    with ThreadPoolExecutor(REAL_LANES) as real, ThreadPoolExecutor(LANES) as others:
        runs = [(real if check.real else others).submit(run, check, room) for check in found]
    outcomes = [each.result() for each in runs]
    by_title = {check.title: check for check in found}
    return [second(by_title[one.title], one, room) for one in outcomes]


def second(check: Check, outcome: Outcome, room: Room) -> Outcome:
    """The outcome, after its failing tests had this machine to themselves; docs/decisions/0043 says why. A check that
    failed without a failing test is run again whole."""
    if outcome.good or not check.crowded or len(outcome.failing) > MOST_AGAIN or time.monotonic() > room.until:
        return outcome
    return after_second(outcome, run(again(check, outcome.failing), room))


def main() -> int:
    started = time.monotonic()
    options = arguments()
    problem = system.check()
    if problem:
        print(problem, file=sys.stderr)
        return 1
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="kvmweb-") as name:
        folder = Path(name)
        if not prepare(folder, yes=options.yes or os.environ.get("CI") == "true"):
            return 1
        began = time.monotonic()
        room = Room(folder, math.inf if options.level == "long" else started + WHOLE)
        with telling(room):
            outcomes = run_all(checks(options.level), room)
    print("\n" + "\n".join(summary(outcomes, time.monotonic() - began)))
    return 0 if all(one.good for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
