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

from scripts.checks.outcome import Outcome, judge, summary
from scripts.checks.plan import LEVELS, Check, checks
from scripts.steps import frontend, packages, python, question, site, system
from scripts.steps.work import ROOT, perform

PACKAGES = ("packages.txt", "packages-demo.txt", "packages-test.txt")


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


def environment(folder: Path, counts: Path) -> dict[str, str]:
    """The settings of a check: a state folder of its own, never that of a dashboard which runs on this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KVMWEB_")}
    taken = {name: value for name, value in os.environ.items() if name.startswith(("KVMWEB_CACHE_DIR", "KVMWEB_TEST_"))}
    return {**kept, **taken, "KVMWEB_STATE_DIR": str(folder / "state"), "KVMWEB_TEST_COUNTS": str(counts)}


def run(check: Check, folder: Path) -> Outcome:
    """One check, its output on the terminal: as it comes, or at the end of one that runs beside others."""
    counts = folder / f"{check.title}.json"
    began = time.monotonic()
    if not check.beside:
        print(f"── {check.title}", flush=True)
    done = subprocess.run(
        [str(python.PYTHON), *check.command], cwd=ROOT, env=environment(folder, counts), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if check.beside else None, stderr=subprocess.STDOUT if check.beside else None,
        text=True, check=False,
    )  # fmt: skip
    if check.beside:
        print(f"── {check.title}\n{done.stdout}", end="", flush=True)
    return judge(check.title, done.returncode, time.monotonic() - began, counts if check.counts else None)


def run_all(found: list[Check], folder: Path) -> list[Outcome]:
    """In their order, but for those that run beside the others."""
    with ThreadPoolExecutor(1) as aside:
        beside = {check.title: aside.submit(run, check, folder) for check in found if check.beside}
        outcomes = {check.title: run(check, folder) for check in found if not check.beside}
        outcomes |= {title: promised.result() for title, promised in beside.items()}
    return [outcomes[check.title] for check in found]


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
