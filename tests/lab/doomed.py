"""A worker that is killed at a step of what makes a VM, while the dashboard's own stands still."""

from __future__ import annotations

import json
import signal
import subprocess

from tests.lab.stack import REHEARSAL, Dashboard

CODE = """
import os, signal
from dataclasses import replace
from vms.operations import {module} as module, volumes
from vms.operations.process import WorkerProcess
def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)
def doomed(step):
    def do(making):
        if {when!r} == "before":
            die()
        if {when!r} == "in":
            volumes.LOOK = 0
            module.tell = volumes.tell = die
        step.do(making)
        die()
    return replace(step, do=do) if step.name == {step!r} else step
module.STEPS = tuple(map(doomed, module.STEPS))
WorkerProcess(name="doomed").take({operation})
"""


def die_at(dashboard: Dashboard, operation: int, module: str, step: str, when: str) -> None:
    """The operation, whose steps that module of vms.operations has, is begun by a worker that ends by kill -9 before,
    after or in (where it first tells how far it is) the step; whoever calls keeps the dashboard's own worker idle."""
    doomed = subprocess.Popen(
        [*dashboard.python, REHEARSAL, dashboard.code], cwd=dashboard.started_in, env=dashboard.environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    code = CODE.format(module=module, step=step, when=when, operation=operation)
    doomed.communicate(json.dumps(code) + "\n", timeout=240)
    assert doomed.returncode == -signal.SIGKILL, doomed.returncode
