"""What the matrix found, as a table for the terminal and for docs/crash-matrix.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

Told = Sequence[tuple[str, str, str, str, float]]


def lines(told: Told) -> list[str]:
    """Processes against flows: what became of the cases, and the longest until the dashboard was right again."""
    if not told:
        return []
    flows = list(dict.fromkeys(flow for flow, *_ in told))
    names = list(dict.fromkeys(name for _, _, name, _, _ in told))
    found = ["| kill -9 of | " + " | ".join(flows) + " |", "|" + "---|" * (len(flows) + 1)]
    found += [f"| {name} | " + " | ".join(cell(told, flow, name) for flow in flows) + " |" for name in names]
    return found


def cell(told: Told, flow: str, name: str) -> str:
    mine = [(outcome, seconds) for kind, _, who, outcome, seconds in told if (kind, who) == (flow, name)]
    if not mine:
        return "-"
    words = ", ".join(f"{number} {outcome}" for outcome, number in Counter(outcome for outcome, _ in mine).items())
    return f"{words}; {max(seconds for _, seconds in mine):.1f} s"
