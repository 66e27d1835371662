"""From asking for a plan to reading it, for 2,000 VMs on 50 hosts, which are rows with a day's numbers."""

from __future__ import annotations

import json
import subprocess

from kvmweb.environment import REDIS_PROGRAM
from tests.bench.figures import Figure
from tests.bench.processes import ROOT, module, running
from tests.bench.stage import Stage
from tests.lab.machine import eventually

GOAL = 10.0


def measure(stage: Stage) -> list[Figure]:
    idle = stage.dashboard(stage.small_host, started=False)
    socket = idle.state / "run/redis.sock"
    with running("redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", executable=REDIS_PROGRAM):
        eventually(socket.exists, "Redis listens")
        done = subprocess.run(
            module("tests.bench.plans_in_process"), cwd=ROOT, env=idle.environment, check=True,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    took, used = told.pop("whole")
    before, after = told.pop("hosts")
    parts = "; ".join(f"{name} {seconds:.1f} s" for name, (seconds, _) in told.items())
    return [
        Figure(
            "a plan for 2,000 VMs on 50 hosts: POST /plans, worked out, read (Django's test client, a worker's work)",
            f"{took:.1f} s, {used:.1f} s of the processor; from {before} hosts to {after}",
            f"at most {GOAL:.0f} s", took <= GOAL,
        ),
        Figure("the same in its parts", parts),
    ]  # fmt: skip
