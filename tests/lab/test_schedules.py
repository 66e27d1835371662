"""A schedule on a real host: it takes, thins out what it made, and leaves what a person took."""

from __future__ import annotations

from typing import Any

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

    def run(number: int) -> Any:
        """Its number-th run, once all that belongs to it is done."""
        assert kept.dashboard.post(f"{path}/run", {}).status == 200

        def over() -> bool:
            found = kept.dashboard.get(f"{path}/runs")["items"]
            return len(found) == number and bool(found[0]["ended_at"])

        eventually(over, f"run {number} is over", within=60)
        return kept.dashboard.get(f"{path}/runs")["items"][0]

    def taken(number: int) -> str:
        """The name of what that made."""
        last = run(number)
        assert last["error"] == "", last
        return str(last["snapshots"][0]["name"])

    def alerts(state: str) -> bool:
        items = kept.dashboard.get(f"/alerts?page_size=200&state={state}")["items"]
        return any(one["kind"] == "schedule_failed" for one in items)

    kept.write(2)
    first = taken(1)
    assert kept.names() == ["by-hand", first]
    kept.write(3)
    second = taken(2)
    assert kept.names() == ["by-hand", second] and second != first
    kept.known()
    kept.revert(second)
    assert kept.marker() == 3
    kept.revert("by-hand")
    assert kept.marker() == 1
    # While it runs none is kept inside its disks without its memory: that is told until one is kept again.
    kept.host.virsh("start", kept.guest.name, "--paused")
    kept.state("paused")
    assert not alerts("open")
    assert run(3)["error"] != ""
    eventually(lambda: alerts("open"), "the failure is told", within=60)
    kept.host.virsh("destroy", kept.guest.name)
    kept.state("shut_off")
    second = taken(4)
    eventually(lambda: alerts("ended") and not alerts("open"), "it is told no more", within=60)
    assert kept.dashboard.request("DELETE", f"/api/v1{path}").status == 204
    assert second in kept.names()
