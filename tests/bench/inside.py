"""What is measured without the dashboard's processes, with its settings and a Redis: parts, or Django's test client."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from kvmweb.environment import REDIS_PROGRAM
from tests.bench.processes import ROOT, module, running
from tests.lab.machine import eventually
from tests.lab.stack import Dashboard


def in_process(idle: Dashboard, name: str, *words: str) -> Any:
    """What the module of that name tells as JSON in its last line, run with these words and the settings of a dashboard
    that is not started."""
    socket = idle.state / "run/redis.sock"
    with running("redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", executable=REDIS_PROGRAM):
        eventually(socket.exists, "Redis listens")
        done = subprocess.run(
            module(name, *words), cwd=ROOT, env=idle.environment, check=True, stdout=subprocess.PIPE, text=True
        )
    return json.loads(done.stdout.splitlines()[-1])
