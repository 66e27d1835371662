"""A real host is emptied by the plan that was read, and gets its VMs back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libvirt
import pytest

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.moves import Pair, state
from tests.lab.test_kills import kill
from tests.lab.test_migration import pair

__all__ = ["pair"]

RUNNING, OFF = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_SHUTOFF
ONLY_HERE = "<network><name>only-here</name></network>"


@pytest.fixture
def there(pair: Pair) -> Iterator[Guests]:
    """Makes guests on the second host, which is the one that is emptied."""
    network = pair.there.connect().networkDefineXML(ONLY_HERE)
    network.create()
    made = Guests(pair.there, pair.guests.files)
    yield made
    made.remove_all()
    for guest in made.made:
        gone = pair.here.connect()
        for domain in gone.listAllDomains():
            if domain.UUIDString() == guest.uuid:
                domain.destroy()
    network.destroy()
    network.undefine()


def started(guests: list[LabGuest]) -> None:
    for guest in guests:
        guest.domain.create()
    for guest in guests:
        guest.wait_for_boot()


def on(host: LabHost, guests: list[LabGuest]) -> list[int | None]:
    return [state(host, guest.uuid) for guest in guests]


def told(pair: Pair) -> dict[str, Any]:
    found: dict[str, Any] = pair.dashboard.get(f"/hosts/{pair.ids['lab-b']}/maintenance")
    return found


def change(pair: Pair, **body: Any) -> dict[str, Any]:
    answer = pair.dashboard.post(f"/hosts/{pair.ids['lab-b']}/maintenance", body)
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.body
    return found


def test_a_host_is_emptied_and_gets_its_vms_back(pair: Pair, there: Guests) -> None:
    runs = [there.make(f"goes-{number}") for number in (1, 2)]
    stays, off = there.make("stays", network="only-here"), there.make("is-off")
    started([*runs, stays])
    vms = {guest.name: pair.dashboard.vm(guest.uuid) for guest in (*runs, stays, off)}
    for guest in (*runs, stays):
        pair.dashboard.await_state(vms[guest.name], "running")

    def read() -> dict[str, Any] | None:
        plan = told(pair)["away"]
        return plan if len(plan["moves"]) == 3 and plan["left"] else None

    plan = eventually(read, "the plan knows all of them")
    assert [move["name"] for move in plan["moves"]] == ["goes-1", "goes-2", "is-off"]
    [left] = plan["left"]
    assert (left["name"], left["choices"]) == ("stays", ["leave", "shutdown"])
    assert "only-here" in left["reasons"][0]["text"]

    choices = [{"vm": vms["stays"], "choice": "shutdown"}]
    begun = change(pair, on=True, plan=plan["plan"], choices=choices)
    pair.dashboard.await_operation(begun["operation"]["id"], within=120)
    assert on(pair.here, [*runs, off]) == [RUNNING, RUNNING, OFF]
    assert on(pair.there, [*runs, off, stays]) == [None, None, None, OFF]
    for guest in runs:
        pair.await_there(vms[guest.name], pair.here)
        guest.wait_for_count()
    refused = pair.dashboard.post(f"/vms/{vms['goes-1']}/migrate", {"host": pair.ids["lab-b"]})
    assert (refused.status, refused.body["code"]) == (409, "cannot_move")

    back = told(pair)["back"]
    assert {move["name"] for move in back["moves"]} == {"goes-1", "goes-2", "is-off", "stays"}
    begun = change(pair, on=False, plan=back["plan"])
    pair.dashboard.await_operation(begun["operation"]["id"], within=120)
    assert on(pair.there, [*runs, stays, off]) == [RUNNING, RUNNING, RUNNING, OFF]
    assert on(pair.here, [*runs, off]) == [None, None, None]
    for guest in runs:
        guest.wait_for_count()
    assert [len(guest.boots()) for guest in runs] == [1, 1]
    assert told(pair)["back"]["moves"] == [] and told(pair)["since"] is None


@pytest.mark.long
def test_a_worker_that_dies_in_the_middle_ends_no_plan(pair: Pair, there: Guests) -> None:
    guests = [there.make(f"survives-{number}") for number in (1, 2, 3)]
    started(guests)
    for guest in guests:
        pair.dashboard.await_state(pair.dashboard.vm(guest.uuid), "running")
    eventually(lambda: len(told(pair)["away"]["moves"]) == 3, "the plan knows all of them")
    begun = change(pair, on=True, plan=told(pair)["away"]["plan"], parallel=1)
    moving = "select 1 from vms_operation where kind = 'vm.migrate' and state = 'running'"
    eventually(lambda: pair.dashboard.query(moving), "the first is under way", every=0.01)
    kill(pair.dashboard, "worker")
    ended = pair.dashboard.await_operation(begun["operation"]["id"], "succeeded", "failed", within=180)
    for guest in guests:
        assert len(pair.runs(guest)) == 1, guest.name
    states = [row["state"] for row in told(pair)["last"]]
    assert states[1:] == ["done", "done"], "whatever became of the first, the others went"
    assert (ended["state"] == "succeeded") == (states[0] == "done")
    change(pair, on=False)
