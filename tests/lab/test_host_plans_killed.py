"""A host is killed while a plan moves VMs from it or to it: nothing is begun that counted on it, another plan is worked
out from what is so then, and every VM runs in one place at most, where the dashboard says that it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from tests.lab.guests import LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.moves import state
from tests.lab.stack import Dashboard
from tests.lab.test_host_plans import asked, worked_out
from tests.lab.three import Three, counted_on, three, works
from vms.demo.guest import Guest

RATE = ("tbf", "rate", "8mbit", "burst", "64k", "latency", "1s")


@pytest.fixture
def hosts(shared_dashboard: Dashboard, guest_files: Guest) -> Iterator[Three]:
    if shared_dashboard.process is None or shared_dashboard.process.poll() is not None:
        shared_dashboard.start()
    with three(shared_dashboard, guest_files) as made:
        # No cable leads to any other.
        others = [one["id"] for one in made.dashboard.get("/hosts")["items"] if one["id"] not in made.ids.values()]
        maintained(made.dashboard, others, on=True)
        yield made
        maintained(made.dashboard, others, on=False)


def maintained(dashboard: Dashboard, hosts: list[int], *, on: bool) -> None:
    for host in hosts:
        assert dashboard.post(f"/hosts/{host}/maintenance", {"on": on}).status == 200


@contextmanager
def slow(host: LabHost, *cables: str) -> Iterator[None]:
    """What it sends goes at 1 MiB/s."""
    for cable in cables:
        host.run("tc", "qdisc", "add", "dev", cable, "root", *RATE)
    yield
    if host.process.poll() is not None:
        return
    for cable in cables:
        # With a killed host its cable goes too.
        with suppress(AssertionError):
            host.run("tc", "qdisc", "del", "dev", cable, "root")


def ready(hosts: Three, *guests: LabGuest) -> None:
    """They count, and it is known that they run."""
    for guest in guests:
        guest.wait_for_boot()
        works(guest, 5)
    for guest in guests:
        hosts.dashboard.await_state(hosts.dashboard.vm(guest.uuid), "running")


def plan_to_empty(hosts: Three, name: str) -> dict[str, Any]:
    wish = {"kind": "evacuate", "hosts": [hosts.ids[name]], "on_allocation": True}
    return worked_out(hosts.dashboard, "/plans", wish)


def begun(hosts: Three, plan: dict[str, Any], at_least: int) -> int:
    """The operation of the plan, once so many of its moves send memory."""
    operation = asked(hosts.dashboard, plan)

    def under_way() -> bool:
        sql = "select count(*) from vms_operation where parent_id = ? and state = 'running' and progress > 0"
        return bool(hosts.dashboard.query(sql, operation)[0][0] >= at_least)

    eventually(under_way, f"{at_least} are under way", within=60)
    return operation


def followed(hosts: Three, plan: dict[str, Any]) -> dict[str, Any]:
    """The plan that was worked out in the place of this one."""

    def read() -> dict[str, Any] | None:
        found = [one for one in hosts.dashboard.get("/plans")["items"] if one["of"] == plan["id"]]
        return found[0] if found and found[0]["state"] != "computing" else None

    other: dict[str, Any] = hosts.dashboard.get(f"/plans/{eventually(read, 'another plan')['id']}")
    return other


def out(plan: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["why"] for one in plan["left_out"]}


def defined(hosts: Three, guest: LabGuest) -> list[str]:
    """The names of the living hosts that have it, by their own word."""
    there = [host for host in hosts.hosts if host.process.poll() is None]
    return [host.name for host in there if state(host, guest.uuid) is not None]


def is_defined(hosts: Three, guest: LabGuest, *at: str) -> bool:
    """There and nowhere else."""
    return defined(hosts, guest) == [*at]


def test_a_target_that_is_killed_in_mid_plan(hosts: Three) -> None:
    dashboard = hosts.dashboard
    guests = {guest.name: guest for guest in hosts.make(0, "mid-1", "mid-2", "mid-3")}
    ready(hosts, *guests.values())
    plan = plan_to_empty(hosts, "lab-1")
    to = {move["name"]: move["to"] for move in plan["moves"]}
    [lost] = [name for name, at in to.items() if at == hosts.ids["lab-3"]]
    assert [move["wave"] for move in plan["moves"]] == [1, 1, 2]
    with slow(hosts.hosts[0], "cable-0", "cable-8"):
        operation = begun(hosts, plan, 2)
        hosts.hosts[2].stop()
        eventually(lambda: hosts.runs(guests[lost]) == ["lab-1"], "it runs on where it was", within=60)
    ended = dashboard.await_operation(operation, "failed", within=180)
    assert (ended["error"]["code"], ended["error"]["params"]) == ("moves_left", {"failed": 1, "left": 1, "of": 3})
    plan = dashboard.get(f"/plans/{plan['id']}")
    assert [(move["state"], bool(move["why"])) for move in plan["moves"]] == [
        ("failed", True) if move["name"] == lost else ("done", False) if move["wave"] == 1 else ("planned", False)
        for move in plan["moves"]
    ]
    done = next(move["name"] for move in plan["moves"] if move["state"] == "done")
    for name, guest in guests.items():
        at = "lab-2" if name == done else "lab-1"
        eventually(partial(is_defined, hosts, guest, at), f"{name} is on {at} alone", within=60)
        assert hosts.runs(guest) == [at]
        counted_on(guest)

    other = followed(hosts, plan)
    assert out(other)["lab-3"] == "silent"
    left = dict.fromkeys(guests.keys() - {done}, hosts.ids["lab-2"])
    assert {move["name"]: move["to"] for move in other["moves"]} == left
    dashboard.await_operation(asked(dashboard, other), within=180)
    for guest in guests.values():
        assert defined(hosts, guest) == hosts.runs(guest) == ["lab-2"]
        counted_on(guest)


@pytest.mark.long
def test_a_source_that_is_killed_in_mid_plan(hosts: Three) -> None:
    """What it had is lost with it: that is said, and none of it is thought to be anywhere else."""
    dashboard = hosts.dashboard
    guests = hosts.make(2, "fell-1", "fell-2")
    ready(hosts, *guests)
    plan = plan_to_empty(hosts, "lab-3")
    assert {move["to"] for move in plan["moves"]} == {hosts.ids["lab-1"], hosts.ids["lab-2"]}
    with slow(hosts.hosts[2], "cable-4", "cable-8"):
        operation = begun(hosts, plan, 2)
        hosts.hosts[2].stop()
    ended = dashboard.await_operation(operation, "failed", within=240)
    assert ended["error"]["params"] == {"failed": 2, "left": 0, "of": 2}
    for guest in guests:
        eventually(partial(is_defined, hosts, guest), f"nobody has {guest.name}", within=60)
        told = dashboard.get(f"/vms/{dashboard.vm(guest.uuid)}")
        assert told["host"]["id"] == hosts.ids["lab-3"]
    other = followed(hosts, plan)
    assert out(other)["lab-3"] == "silent"
    assert other["moves"] == []
