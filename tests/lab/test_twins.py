"""One UUID on two real hosts: two VMs, and one run at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Answer, Dashboard
from tests.lab.test_kills import starts

Pair = tuple[LabGuest, LabGuest]


@pytest.fixture
def pair(guests: Guests, other_host: tuple[int, Guests]) -> Pair:
    """The same definition on both hosts, off."""
    identity = str(uuid4())
    return guests.make("one", identity=identity), other_host[1].make("one-copied", identity=identity)


def known(dashboard: Dashboard, pair: Pair) -> list[int]:
    """The ids of the two VMs, in the order of the pair."""

    def look() -> list[Any] | None:
        found = dashboard.get(f"/vms?q={pair[0].uuid}")["items"]
        return found if len(found) == 2 else None

    found = {item["name"]: item["id"] for item in eventually(look, "both are there")}
    return [found[guest.name] for guest in pair]


def runs(pair: Pair) -> list[bool]:
    return [guest.is_running() for guest in pair]


def test_they_are_marked_and_of_two_starts_at_once_one_is_done(
    dashboard: Dashboard, pair: Pair, lab_host: LabHost
) -> None:
    vms = known(dashboard, pair)
    for vm, other, guest in ((vms[0], vms[1], pair[1]), (vms[1], vms[0], pair[0])):
        [twin] = dashboard.get(f"/vms/{vm}")["twins"]
        assert (twin["vm"], twin["name"]) == (other, guest.name)

    def start(vm: int) -> Answer:
        return dashboard.post(f"/vms/{vm}/start")

    with ThreadPoolExecutor() as both:
        answers = list(both.map(start, vms))
    assert sorted(answer.status for answer in answers) == [202, 409]
    first = next(n for n, answer in enumerate(answers) if answer.status == 202)
    second = 1 - first
    assert answers[second].body["code"] in ("locked", "runs_elsewhere")
    dashboard.await_operation(answers[first].body["operation"]["id"])
    assert start(vms[second]).body["code"] == "runs_elsewhere"
    assert runs(pair) == [first == 0, first == 1]
    assert sum(starts(guest.host, guest.name) for guest in pair) == 1


def test_one_that_was_started_outside_in_this_moment_is_seen(dashboard: Dashboard, pair: Pair) -> None:
    vms = known(dashboard, pair)
    pair[1].domain.create()
    asked = dashboard.post(f"/vms/{vms[0]}/start")
    if asked.status == 202:
        ended = dashboard.await_operation(asked.body["operation"]["id"], "refused")
        assert ended["error"]["code"] == "runs_elsewhere"
    else:
        assert asked.body["code"] == "runs_elsewhere"
    assert runs(pair) == [False, True]
    dashboard.await_state(vms[1], "running")
    pair[1].domain.destroy()
    dashboard.await_state(vms[1], "shut_off")
    dashboard.await_operation(dashboard.ask(vms[0], "start"))
    assert runs(pair) == [True, False]
