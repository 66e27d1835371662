"""How long the dashboard takes to be ready: `scripts/run` in a fresh clone, again, and the supervisor alone."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.bench.figures import Figure
from tests.bench.processes import ROOT
from tests.bench.stage import Stage
from tests.lab.stack import Dashboard

TIMES = 3
GOAL = 10.0


def measure(stage: Stage) -> list[Figure]:
    dashboard = Dashboard(stage.small_host)
    stage.stack.callback(dashboard.remove)
    with tempfile.TemporaryDirectory(prefix="kvmweb-bench-") as folder:
        clone = Path(folder) / "kvmweb"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        first = run_script(clone, dashboard)
        again = [run_script(clone, dashboard) for _ in range(TIMES)]
    supervisor = [timed(dashboard) for _ in range(TIMES)]
    return [
        Figure("scripts/run in a fresh clone (Debian packages are there) until all is ready", f"{first:.0f} s"),
        Figure(
            "scripts/run again",
            f"median {median(again):.1f} s, longest {max(again):.1f} s of {TIMES}",
            f"under {GOAL:.0f} s",
            max(again) < GOAL,
        ),
        Figure("of which the supervisor: all processes started and ready", f"median {median(supervisor):.1f} s"),
    ]


def timed(dashboard: Dashboard) -> float:
    """Seconds of one start; it is stopped again."""
    began = time.monotonic()
    dashboard.start()
    seconds = time.monotonic() - began
    dashboard.stop()
    return seconds


def run_script(clone: Path, dashboard: Dashboard) -> float:
    """Seconds until scripts/run tells the address; then Ctrl-C."""
    began = time.monotonic()
    with subprocess.Popen(
        [clone / "scripts/run", "--yes"], cwd=clone, env=dashboard.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line)
            if f":{dashboard.port}" in line:
                break
        seconds = time.monotonic() - began
        process.send_signal(signal.SIGINT)
        said.append(process.stdout.read())
    assert process.returncode == 0, "".join(said)
    return seconds
