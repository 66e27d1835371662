"""Which of 200 VMs can go to which of 20 hosts: the rules, the API's answer, and a page of the table."""

from __future__ import annotations

import json
import subprocess

from kvmweb.environment import REDIS_PROGRAM
from tests.bench.figures import Figure, ms
from tests.bench.processes import ROOT, module, running
from tests.bench.stage import Stage
from tests.lab.machine import eventually

GOAL = 0.3


def measure(stage: Stage) -> list[Figure]:
    idle = stage.dashboard(stage.small_host, started=False)
    socket = idle.state / "run/redis.sock"
    with running("redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", executable=REDIS_PROGRAM):
        eventually(socket.exists, "Redis listens")
        done = subprocess.run(
            module("tests.bench.placement_in_process"), cwd=ROOT, env=idle.environment, check=True,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    took, used = told.pop("rules")
    beside = "; ".join(f"{name} {ms(seconds)}" for name, (seconds, _) in told.items())
    return [
        Figure(
            "which of 200 VMs can go to which of 20 hosts, and why not", f"{ms(took)}, {ms(used)} of the processor",
            f"at most {ms(GOAL)}", took <= GOAL,
        ),
        Figure("the same told: all by the API, and the table (Django's test client)", beside),
    ]  # fmt: skip
