"""Plans for several hosts by the API."""

from __future__ import annotations

import pytest

from tests.api.conftest import Program
from tests.services.test_host_plans import Lot, roomy, store
from tests.services.test_placement import make, make_host, make_pool
from vms.models import Host, HostPlan, Operation
from vms.operations.host_plans import work_out

__all__ = ["roomy", "store"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def hosts() -> list[Host]:
    made = [make_host(name) for name in ("here", "there")]
    pool = make_pool(made[0], "shared", type="netfs")
    make_pool(made[1], "shared", like=pool, type="netfs")
    make(made[0], pool, "web-01")
    make(made[1], pool, "web-02")
    return made


def worked_out(pk: int) -> None:
    plan = HostPlan.objects.get(pk=pk)
    assert plan.computing
    work_out(plan.computing, lambda _connection: None)
    Operation.objects.filter(pk=plan.computing.pk).update(state="succeeded")


def test_asked_for_read_and_run_by_its_hash(program: Program, hosts: list[Host]) -> None:
    body = {"kind": "consolidate", "on_allocation": True, "spare": False}
    answer = program.post("/plans", body)
    assert answer.status_code == 202
    plan = answer.json()
    assert (plan["state"], plan["moves"], plan["hash"]) == ("computing", [], "")
    worked_out(plan["id"])
    plan = program.get(f"/plans/{plan['id']}").json()
    assert (plan["state"], plan["used_hosts"], plan["bound"]) == ("ready", [2, 1], 1)
    [move] = plan["moves"]
    assert (move["name"], move["reason"], move["bytes"]) == ("web-01", "empties here", 4 << 30)
    assert [(row["name"], row["before"]["vms"], row["after"]["vms"]) for row in plan["hosts"]] == [
        ("here", 1, 0), ("there", 1, 2),
    ]  # fmt: skip
    refused = program.post(f"/plans/{plan['id']}/run", {"hash": "0" * 64})
    assert (refused.status_code, refused.json()["code"]) == (409, "other_plan")
    run = program.post(f"/plans/{plan['id']}/run", {"hash": plan["hash"]})
    assert (run.status_code, run.json()["state"]) == (202, "running")
    assert program.post(f"/plans/{plan['id']}/pause").json()["state"] == "paused"
    assert program.post(f"/plans/{plan['id']}/continue").json()["state"] == "running"
    assert program.post(f"/plans/{plan['id']}/cancel").json()["state"] == "stopped"
    assert program.post(f"/plans/{plan['id']}/undo").json()["code"] == "plan_not_so"
    assert [line["id"] for line in program.get("/plans").json()["items"]] == [plan["id"]]


def test_a_plan_that_counts_on_smaller_vms_is_run_when_they_are(program: Program, roomy: Lot) -> None:
    vms = [vm.pk for vm in roomy[1][:2]]
    plan = program.post("/plans", {"kind": "consolidate", "spare": False, "shrunk": True}).json()
    worked_out(plan["id"])
    plan = program.get(f"/plans/{plan['id']}").json()
    assert (plan["used_hosts"], plan["shrunk"]["hosts"], plan["shrunk"]["of"]) == ([3, 2], 2, 3)
    assert [(one["vm"], one["memory"], one["wants_memory"]) for one in plan["shrunk"]["vms"]] == [
        (vm, 24 << 30, 4 << 30) for vm in vms
    ]
    assert plan["shrunk"]["left"] == vms
    refused = program.post(f"/plans/{plan['id']}/run", {"hash": plan["hash"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_shrunk")


def test_evacuate_names_the_hosts_to_empty(program: Program, hosts: list[Host]) -> None:
    body = {"kind": "evacuate", "hosts": [hosts[1].pk], "on_allocation": True}
    plan = program.post("/plans", body).json()
    worked_out(plan["id"])
    plan = program.get(f"/plans/{plan['id']}").json()
    assert [(move["name"], move["to"]) for move in plan["moves"]] == [("web-02", hosts[0].pk)]
    assert program.post("/plans", {"kind": "evacuate"}).status_code == 422
    assert program.post("/plans", {"kind": "consolidate", "hosts": [10**6]}).status_code == 404


def test_the_same_key_is_the_same_plan(program: Program, hosts: list[Host]) -> None:
    body = {"kind": "balance", "on_allocation": True}
    first, second = (program.post("/plans", body, **{"Idempotency-Key": "once"}).json() for _ in range(2))
    assert first["id"] == second["id"] and HostPlan.objects.count() == 1
