"""From asking for a plan to reading it, for 2,000 VMs on 50 hosts, which are rows with a day's numbers."""

from __future__ import annotations

from tests.bench.figures import Figure
from tests.bench.inside import in_process
from tests.bench.stage import Stage

GOAL = 10.0


def measure(stage: Stage) -> list[Figure]:
    told = in_process(stage.dashboard(stage.small_host, started=False), "tests.bench.plans_in_process")
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
