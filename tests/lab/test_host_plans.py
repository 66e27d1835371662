"""A plan for several hosts empties a real one, wave by wave, and is taken back; the guests notice nothing."""

from __future__ import annotations

from typing import Any

from tests.lab.guests import Guests
from tests.lab.machine import eventually
from tests.lab.moves import Pair
from tests.lab.stack import Dashboard
from tests.lab.test_maintenance import RUNNING, on, started, there
from tests.lab.test_migration import pair

__all__ = ["pair", "there"]


def worked_out(dashboard: Dashboard, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A plan that a worker has worked out."""
    answer = dashboard.post(path, body or {})
    assert answer.status == 202, answer

    def read() -> dict[str, Any] | None:
        plan: dict[str, Any] = dashboard.get(f"/plans/{answer.body['id']}")
        return plan if plan["state"] != "computing" else None

    return eventually(read, "a worker has worked it out")


def asked(dashboard: Dashboard, plan: dict[str, Any]) -> int:
    """The operation by which it is done."""
    answer = dashboard.post(f"/plans/{plan['id']}/run", {"hash": plan["hash"]})
    assert answer.status == 202, answer
    return int(answer.body["operation"])


def done(dashboard: Dashboard, plan: dict[str, Any]) -> dict[str, Any]:
    """The same, after all of it."""
    dashboard.await_operation(asked(dashboard, plan), within=120)
    found: dict[str, Any] = dashboard.get(f"/plans/{plan['id']}")
    return found


def test_a_plan_empties_a_host_and_is_taken_back(pair: Pair, there: Guests) -> None:
    guests = [there.make(f"planned-{number}") for number in (1, 2)]
    started(guests)
    for guest in guests:
        pair.dashboard.await_state(pair.dashboard.vm(guest.uuid), "running")
    body = {"kind": "evacuate", "hosts": [pair.ids["lab-b"]], "on_allocation": True, "cpu_percent": 3200}

    plan = worked_out(pair.dashboard, "/plans", body)
    assert sorted(move["name"] for move in plan["moves"]) == ["planned-1", "planned-2"], plan
    assert {move["to"] for move in plan["moves"]} == {pair.ids[pair.here.name]}
    [emptied] = [row for row in plan["hosts"] if row["emptied"]]
    assert emptied["name"] == "lab-b"
    assert done(pair.dashboard, plan)["state"] == "done"
    assert (on(pair.here, guests), on(pair.there, guests)) == ([RUNNING] * 2, [None] * 2)
    for guest in guests:
        pair.await_there(pair.dashboard.vm(guest.uuid), pair.here)
        guest.wait_for_count()

    back = worked_out(pair.dashboard, f"/plans/{plan['id']}/undo")
    assert (back["kind"], len(back["moves"])) == ("back", 2), back
    assert done(pair.dashboard, back)["state"] == "done"
    assert (on(pair.there, guests), on(pair.here, guests)) == ([RUNNING] * 2, [None] * 2)
    for guest in guests:
        guest.wait_for_count()
    assert [len(guest.boots()) for guest in guests] == [1, 1]
