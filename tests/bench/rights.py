"""The list for who has a part of 10,000 VMs by selectors, among 500 users, against who has all of it."""

from __future__ import annotations

import json
import subprocess

from kvmweb.environment import REDIS_PROGRAM
from tests.bench.figures import Figure, ms
from tests.bench.processes import ROOT, module, running
from tests.bench.stage import Stage
from tests.lab.machine import eventually

GOAL = 1.5


def measure(stage: Stage) -> list[Figure]:
    idle = stage.dashboard(stage.small_host, started=False)
    socket = idle.state / "run/redis.sock"
    with running("redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", executable=REDIS_PROGRAM):
        eventually(socket.exists, "Redis listens")
        done = subprocess.run(
            module("tests.bench.rights_in_process"), cwd=ROOT, env=idle.environment, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    whole, part = told["times"]["administrator"], told["times"]["user"]
    ratios = {path: part[path] / whole[path] for path in whole}
    words = "; ".join(f"{path} {ms(part[path])} and {ms(whole[path])}, ratio {ratios[path]:.2f}" for path in whole)
    return [
        Figure(
            f"list for one of 500 users, with selectors on {told['seen']['user']:,} of 10,000 VMs, and for who has all",
            words,
            f"ratio at most {GOAL}",
            max(ratios.values()) <= GOAL,
        )
    ]
