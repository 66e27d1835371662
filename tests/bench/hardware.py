"""The hardware of a VM with 40 devices and of one with 4: its pages, and what a form and a text would change."""

from __future__ import annotations

from tests.bench.figures import Figure, ms
from tests.bench.inside import in_process
from tests.bench.stage import Stage

GOAL = 1.5
PREVIEW = 0.1


def measure(stage: Stage) -> list[Figure]:
    told = in_process(stage.dashboard(stage.small_host, started=False), "tests.bench.hardware_in_process")
    few, many = (told[number] for number in ("4", "40"))
    pages = {name: many[name][0] / few[name][0] for name in ("overview", "hardware", "a disk's form")}
    words = "; ".join(
        f"{name} {ms(many[name][0])} and {ms(few[name][0])}, ratio {ratio:.2f}" for name, ratio in pages.items()
    )
    previews = {name: many[name] for name in ("of a form", "of a text")}
    told = "; ".join(f"{name} {ms(took)}, {ms(used)} of the processor" for name, (took, used) in previews.items())
    return [
        Figure(
            "a VM's page with 40 devices, and with 4 (Django's test client)", words, f"ratio at most {GOAL}",
            max(pages.values()) <= GOAL,
        ),
        Figure(
            "the same with 40: what would change", told,
            f"at most {ms(PREVIEW)}", max(took for took, _ in previews.values()) <= PREVIEW,
        ),
    ]  # fmt: skip
