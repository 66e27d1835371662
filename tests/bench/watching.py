"""What it costs us to watch 1,000 and 10,000 running VMs: processor, memory, disk."""

from __future__ import annotations

from typing import Any

from tests.bench.figures import Figure, ms
from tests.bench.inside import in_process
from tests.bench.stage import Stage

MOST_US, MOST_MB, MOST_YEAR = 250, 150, 0.2
PERIOD = 5.0


def measure(stage: Stage) -> list[Figure]:
    few, many = told(stage, 1000, 120), told(stage, 10_000, 24)
    us = {vms: of["seconds"] / vms * 1e6 for vms, of in ((1000, few), (10_000, many))}
    return [
        Figure(
            "watching 1,000 running VMs: our processor time, full records, every number changes (libvirt apart)",
            f"{us[1000]:.0f} us a VM and sample, {few['seconds'] / PERIOD:.1%} of a core",
            f"at most {MOST_US} us",
            us[1000] <= MOST_US,
        ),
        Figure(
            "the same: memory of the process",
            f"{few['memory'] / 1e6:.0f} MB",
            f"at most {MOST_MB} MB",
            few["memory"] <= MOST_MB * 1e6,
        ),
        Figure(
            "the same with 10,000 on 10 hosts",
            f"{us[10_000]:.0f} us a VM and sample, a tick {many['seconds']:.2f} s, longest {many['longest']:.2f} s; "
            f"{many['memory'] / 1e6:.0f} MB",
            f"at most {MOST_US} us, a tick within {PERIOD:.0f} s",
            us[10_000] <= MOST_US and many["longest"] <= PERIOD,
        ),
        Figure("store of numbers: written a second", f"1,000 VMs {few['written'] / 1e6:.2f} MB, 10,000 VMs "
               f"{many['written'] / 1e6:.2f} MB"),
        Figure(
            "store of numbers: a VM after two years, no number like another",
            f"{few['full'] / 1e6:.2f} MB; 1,000 VMs {few['full'] / 1e6:.1f} GB",
        ),
        Figure(
            "a year's chart of all 20 series",
            f"{ms(few['year'])}, {few['points']} points each",
            f"at most {ms(MOST_YEAR)}",
            few["year"] <= MOST_YEAR,
        ),
    ]  # fmt: skip


def told(stage: Stage, vms: int, ticks: int) -> dict[str, Any]:
    idle = stage.dashboard(stage.small_host, started=False)
    return dict(in_process(idle, "tests.bench.watching_in_process", str(vms), str(ticks)))
