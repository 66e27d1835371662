"""Reading a whole host again, as after a reconnect, against libvirt's own time for what is read."""

from __future__ import annotations

import json
import subprocess
from statistics import median

from kvmweb.environment import REDIS_PROGRAM
from tests.bench.figures import Figure, ms
from tests.bench.processes import ROOT, module, running
from tests.bench.stage import MANY, Stage
from tests.lab.machine import eventually

GOAL = 3.0


def measure(stage: Stage) -> list[Figure]:
    idle = stage.dashboard(stage.full_host, started=False)
    socket = idle.state / "run/redis.sock"
    with running("redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", executable=REDIS_PROGRAM):
        eventually(socket.exists, "Redis listens")
        done = subprocess.run(
            module("tests.bench.resync_in_process"), cwd=ROOT, env=idle.environment, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["number"] == MANY, told["number"]
    ratio = median(ours / raw for ours, raw in zip(told["same"], told["floor"], strict=True))
    every = median(ours / raw for ours, raw in zip(told["changed"], told["floor"], strict=True))
    return [
        Figure(
            f"full resync of a host with {MANY:,} VMs",
            f"median {ms(median(told['same']))}; raw libvirt (lists, statistics, both documents) "
            f"{ms(median(told['floor']))}; ratio {ratio:.1f}",
            f"at most {GOAL:.0f} times raw libvirt",
            ratio <= GOAL,
        ),
        Figure(
            "the same where every row has changed",
            f"median {ms(median(told['changed']))}, ratio {every:.1f}; the very first time {ms(told['first'])}",
        ),
    ]
