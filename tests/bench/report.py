"""The table, for a terminal and for docs/measured.md."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tests.bench.figures import Figure

TITLE = "# Measured"
INTRODUCTION = """\
The figures of `python -m tests.bench` (or `scripts/bench`), on the machine named below. Ours and what it is compared
with ran in turns in the same minutes; unless it says otherwise a figure is the median. `scripts/bench NAME...`
measures some of them and leaves this page alone: list, resync, event, click, instance, relay, serial, transfer,
start, weight, rights, scale, hung, clones, hardware, watching.
"""
HEAD = ("figure", "measured", "goal", "verdict")


def cells(figure: Figure) -> tuple[str, str, str, str]:
    return figure.name, figure.measured, figure.goal or "-", figure.verdict or "-"


def terminal(figures: Sequence[Figure]) -> str:
    """A block for each: what is measured is too long for columns."""
    return "\n".join(
        f"{figure.verdict or '-':<7} {figure.name}\n        {figure.measured}"
        + (f"\n        goal: {figure.goal}" if figure.goal else "")
        for figure in figures
    )


def page(figures: Sequence[Figure], facts: Sequence[str], load: tuple[float, float]) -> str:
    """The page as Markdown."""
    lines = [TITLE, "", INTRODUCTION, *(f"- {fact}" for fact in facts)]
    lines.append(f"- Load average {load[0]:.1f} before, {load[1]:.1f} at the end.{busy(load[0])}")
    lines += ["", "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cells(figure)) + " |" for figure in figures]
    return "\n".join(lines) + "\n"


def busy(load: float) -> str:
    """What a reader must know when others used the machine too."""
    cores = os.cpu_count() or 1
    if load < cores / 2:
        return ""
    return (
        f" **The {cores} cores were busy with other work: times and verdicts are worse"
        " than the machine gives.** Processor times, ratios and the fastest tenth suffer least."
    )
