"""`scripts/test [quick|full|long]`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.checks.outcome import Outcome, after_second, judge, summary
from scripts.checks.plan import BEHIND, LANES, LEVELS, Check, again, checks
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


def environment(check: Check, folder: Path, counts: Path) -> dict[str, str]:
    """The settings of a check: a state folder of its own, never that of a dashboard which runs on this machine."""
    # Hundreds of processes start meanwhile, and each would compile all of the dashboard's code anew.
    not_kept = ("KVMWEB_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(not_kept)}
    taken = {name: value for name, value in os.environ.items() if name.startswith(("KVMWEB_CACHE_DIR", "KVMWEB_TEST_"))}
    own = {f"KVMWEB_TEST_{name}": value for name, value in check.settings}
    told = {"KVMWEB_TEST_COUNTS": str(counts), "KVMWEB_TEST_TABLES": str(folder / "tables.sqlite3")}
    return {**kept, **taken, **own, **told, "KVMWEB_STATE_DIR": str(folder / "state")}


def run(check: Check, folder: Path) -> Outcome:
    """One check; what it prints comes whole, at its end."""
    counts = folder / f"{check.title}.json"
    began = time.monotonic()
    behind = () if check.real or check.crowded else ("nice", "-n", str(BEHIND))
    done = subprocess.run(
        [*behind, str(python.PYTHON), *check.command], cwd=ROOT, env=environment(check, folder, counts),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - began
    print(f"── {check.title}: {seconds:.1f} s\n{done.stdout}", end="", flush=True)
    return judge(check.title, done.returncode, seconds, counts if check.counts else None)


def run_all(found: list[Check], folder: Path) -> list[Outcome]:
    """What waits, beside it what computes, then what failed in a crowd; in their order."""
    with ThreadPoolExecutor(LANES) as real, ThreadPoolExecutor(LANES) as others:
        runs = [(real if check.real else others).submit(run, check, folder) for check in found]
    outcomes = [each.result() for each in runs]
    by_title = {check.title: check for check in found}
    return [second(by_title[one.title], one, folder) for one in outcomes]


def second(check: Check, outcome: Outcome, folder: Path) -> Outcome:
    """The outcome, after its failing tests had this machine to themselves; docs/decisions/0043 says why."""
    if not check.crowded or not 0 < len(outcome.failing) <= MOST_AGAIN:
        return outcome
    return after_second(outcome, run(again(check, outcome.failing), folder))


def main() -> int:
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
        outcomes = run_all(checks(options.level), folder)
    print("\n" + "\n".join(summary(outcomes, time.monotonic() - began)))
    return 0 if all(one.good for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
