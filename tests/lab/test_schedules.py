"""A schedule on a real host: it takes, thins out what it made, and leaves what a person took."""

from __future__ import annotations

from tests.lab.machine import eventually
from tests.lab.test_snapshots import Kept, kept

__all__ = ["kept"]


def test_it_keeps_the_latest_of_its_own(kept: Kept) -> None:
    kept.write(1)
    kept.take("by-hand")
    wish = {"name": "nightly", "vm": kept.vm, "every": "daily", "minutes": 150, "keep": {"last": 1}}
    made = kept.dashboard.post("/schedules", wish)
    assert made.status == 201, made.body
    path = f"/schedules/{made.body['id']}"

    def run(number: int) -> str:
        """The name of what it made, once all that belongs to its number-th run is done."""
        assert kept.dashboard.post(f"{path}/run", {}).status == 200

        def over() -> bool:
            found = kept.dashboard.get(f"{path}/runs")["items"]
            return len(found) == number and bool(found[0]["ended_at"])

        eventually(over, f"run {number} is over", within=60)
        last = kept.dashboard.get(f"{path}/runs")["items"][0]
        assert last["error"] == "", last
        return str(last["snapshots"][0]["name"])

    kept.write(2)
    first = run(1)
    assert kept.names() == ["by-hand", first]
    kept.write(3)
    second = run(2)
    assert kept.names() == ["by-hand", second] and second != first
    kept.known()
    kept.revert(second)
    assert kept.marker() == 3
    kept.revert("by-hand")
    assert kept.marker() == 1
    assert kept.dashboard.request("DELETE", f"/api/v1{path}").status == 204
    assert second in kept.names()
