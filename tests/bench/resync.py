"""Reading a whole host again, as after a reconnect, against libvirt's own time for what is read."""

from __future__ import annotations

from statistics import median

from tests.bench.figures import Figure, ms
from tests.bench.inside import in_process
from tests.bench.stage import MANY, Stage

GOAL = 3.0


def measure(stage: Stage) -> list[Figure]:
    told = in_process(stage.dashboard(stage.full_host, started=False), "tests.bench.resync_in_process")
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
