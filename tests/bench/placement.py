"""Which of 200 VMs can go to which of 20 hosts: the rules, the API's answer, and a page of the table."""

from __future__ import annotations

from tests.bench.figures import Figure, ms
from tests.bench.inside import in_process
from tests.bench.stage import Stage

GOAL = 0.3


def measure(stage: Stage) -> list[Figure]:
    told = in_process(stage.dashboard(stage.small_host, started=False), "tests.bench.placement_in_process")
    took, used = told.pop("rules")
    beside = "; ".join(f"{name} {ms(seconds)}" for name, (seconds, _) in told.items())
    return [
        Figure(
            "which of 200 VMs can go to which of 20 hosts, and why not", f"{ms(took)}, {ms(used)} of the processor",
            f"at most {ms(GOAL)}", took <= GOAL,
        ),
        Figure("the same told: all by the API, and the table (Django's test client)", beside),
    ]  # fmt: skip
