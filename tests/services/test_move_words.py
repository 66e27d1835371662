"""How far a VM is that moves, in words."""

from __future__ import annotations

from vms.models import Operation
from vms.services.move_words import figures, no_way_back

TOLD = {
    "done_bytes": 3 << 30, "left_bytes": 1536 << 20, "speed_bytes": 100 << 20, "dirty_bytes": 50 << 20, "passes": 2,
    "downtime_ms": 300, "seconds": 30, "seconds_left": 31,
}  # fmt: skip


def operation(state: str = "running", **told: object) -> Operation:
    return Operation(kind="vm.migrate", state=state, result={**TOLD, **told})


def test_while_it_moves_all_is_told() -> None:
    assert [much for _, much in figures(operation())] == [
        "3.0 GiB", "1.5 GiB", "100.0 MiB a second", "50.0 MiB a second", "31 s", "300 ms",
    ]  # fmt: skip
    assert "faster than it goes" in dict(figures(operation(seconds_left=None)))["Time left"]


def test_afterwards_what_it_took() -> None:
    assert dict(figures(operation("succeeded"))) == {"Came over": "3.0 GiB", "Stood still for": "300 ms"}
    assert figures(Operation(kind="vm.migrate", state="running")) == []
    assert figures(Operation(kind="vm.start", state="running", result=TOLD)) == []


def test_what_runs_there_already_has_no_way_back() -> None:
    assert no_way_back(operation(postcopy=True))
    assert not no_way_back(operation("succeeded", postcopy=True))
