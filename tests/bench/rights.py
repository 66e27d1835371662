"""The list for somebody who has a part of all VMs by selectors, one of 500 users: with 10,000 VMs and with 1,000."""

from __future__ import annotations

from typing import Any

from tests.bench.figures import Figure, ms
from tests.bench.inside import in_process
from tests.bench.stage import Stage

GOAL = 1.5


def measure(stage: Stage) -> list[Figure]:
    few, many = told(stage, 1000), told(stage, 10_000)
    ratios = {path: many["user"][path] / few["user"][path] for path in ("list", "search")}
    words = "; ".join(
        f"{path} {ms(many['user'][path])} and {ms(few['user'][path])}, ratio {ratio:.2f}"
        for path, ratio in ratios.items()
    )
    overview = f"overview {ms(many['user']['overview'])} and {ms(few['user']['overview'])}"
    beside = ", ".join(f"{path} {ms(seconds)}" for path, seconds in many["administrator"].items())
    return [
        Figure(
            f"one of 500 users, whose selectors reach {many['seen']:,} of 10,000 VMs, and {few['seen']:,} of 1,000",
            words,
            f"ratio at most {GOAL}",
            max(ratios.values()) <= GOAL,
        ),
        Figure("the same: the overview; the pages of who has all of the 10,000", f"{overview}; {beside}"),
    ]


def told(stage: Stage, vms: int) -> dict[str, Any]:
    """Seconds by who and page, and how many VMs the user sees (Django's test client)."""
    idle = stage.dashboard(stage.small_host, started=False)
    said = in_process(idle, "tests.bench.rights_in_process", str(vms))
    return {**said["times"], "seen": said["seen"]["user"]}
