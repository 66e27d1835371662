"""Maintenance of hosts, by API."""

from __future__ import annotations

import pytest

from tests.api.conftest import Program, problem
from tests.services.test_placement import make, make_host, make_pool
from vms.models import EvacuatedVm, Host, Operation, Placement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def hosts() -> list[Host]:
    made = [make_host(name) for name in ("here", "there")]
    pool = make_pool(made[0], "shared", type="netfs")
    make_pool(made[1], "shared", like=pool, type="netfs")
    make(made[0], pool)
    return made


def test_a_plan_is_read_approved_and_done_once(program: Program, hosts: list[Host]) -> None:
    path = f"/hosts/{hosts[0].pk}/maintenance"
    told = program.get(path).json()
    assert (told["since"], told["operation"], told["last"]) == (None, None, [])
    [move] = told["away"]["moves"]
    assert (move["name"], move["steps"], move["to_name"], move["pool"]) == ("web-01", ["move"], "there", None)
    assert told["away"]["seconds"] == move["seconds"] == 56 and told["back"]["moves"] == []

    stale = program.post(path, {"on": True, "plan": "0" * 64})
    assert problem(stale, 409, "plan_changed") and not Host.objects.exclude(in_maintenance_at=None).exists()
    assert program.post(path, {"on": True, "plan": "x"}).status_code == 422
    begun = program.post(path, {"on": True, "plan": told["away"]["plan"]}).json()
    assert (begun["operation"]["kind"], begun["away"]) == ("host.evacuate", None) and begun["since"]
    assert [(one["name"], one["state"], one["to_name"]) for one in begun["last"]] == [("web-01", "planned", "there")]
    left = program.post(path, {"on": False}).json()
    assert (left["since"], left["operation"]) == (None, None) and Operation.objects.get().state == "cancelled"


def test_those_that_left_come_back_or_stay(program: Program, hosts: list[Host]) -> None:
    path = f"/hosts/{hosts[0].pk}/maintenance"
    program.post(path, {"on": True, "plan": program.get(path).json()["away"]["plan"]})
    EvacuatedVm.objects.update(state="done", at=1)
    Placement.objects.update(host=hosts[1])
    told = program.post(path, {"on": False}).json()
    assert [move["to_name"] for move in told["back"]["moves"]] == ["here"]
    assert program.post(path, {"on": False, "let_stay": True}).json()["back"]["moves"] == []


def test_choices_are_those_that_are_offered(program: Program, hosts: list[Host]) -> None:
    path = f"/hosts/{hosts[0].pk}/maintenance"
    plan = program.get(path).json()["away"]["plan"]
    wrong = [{"vm": EvacuatedVm.objects.count() + 1, "choice": "shutdown"}]
    assert problem(program.post(path, {"on": True, "plan": plan, "choices": wrong}), 422, "bad_fields")
