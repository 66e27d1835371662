"""Advice by API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.conftest import Program, problem
from tests.grants import grant
from tests.metrics.emptied import emptied
from tests.metrics.weeks import IDLE, week
from vms.models import Operation, Placement, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture(autouse=True)
def store(db: None, vm: VirtualMachine) -> Iterator[None]:
    for _ in emptied():
        week(vm.pk, IDLE)
        yield


def test_it_says_what_it_rests_on(program: Program, vm: VirtualMachine) -> None:
    told = program.get("/advice").json()
    [item] = told["items"]
    assert told["count"] == 1
    assert (item["id"], item["kind"], item["may_apply"]) == (f"idle-{vm.pk}", "idle", True)
    assert item["of"] == {"kind": "vm", "id": vm.pk, "name": "web-01"}
    assert item["saving"] == {"cpus": 2, "memory_kib": 1 << 20, "disk_bytes": 0}
    basis = item["basis"]
    assert (basis["window_days"], basis["percentile"], basis["watched_hours"], basis["cpu"]) == (7, 95, 168, 0.4)
    assert basis["memory"] is None


def test_it_is_applied_once(program: Program, vm: VirtualMachine) -> None:
    address = f"/advice/idle-{vm.pk}/apply"
    first = program.post(address, **{"Idempotency-Key": "one"})
    assert first.status_code == 202
    assert first.json()["operation"]["kind"] == "vm.shutdown"
    # By now it is off, and there is no such advice.
    Placement.objects.filter(vm=vm).update(state="shut_off")
    again = program.post(address, **{"Idempotency-Key": "one"})
    assert again.json()["operation"]["id"] == first.json()["operation"]["id"]
    problem(program.post(address), 404, "not_there")
    problem(program.post(f"/advice/cpus-{vm.pk}/apply", **{"Idempotency-Key": "one"}), 404, "not_there")
    assert Operation.objects.count() == 1


def test_it_is_dismissed_and_taken_back(program: Program, vm: VirtualMachine) -> None:
    address = f"/advice/idle-{vm.pk}/dismiss"
    assert program.post(address).status_code == 204
    assert program.get("/advice").json()["count"] == 0
    [item] = program.get("/advice?dismissed=true").json()["items"]
    assert item["dismissed_by"] == "alice"
    assert program.send("DELETE", address).status_code == 204
    assert program.get("/advice").json()["count"] == 1


def test_who_sees_it_and_may_not_do_it(stranger: Program, mallory: User, vm: VirtualMachine) -> None:
    problem(stranger.post(f"/advice/idle-{vm.pk}/dismiss"), 404, "not_there")
    grant(mallory, "viewer", vm)
    [item] = stranger.get("/advice").json()["items"]
    assert not item["may_apply"]
    problem(stranger.post(f"/advice/idle-{vm.pk}/dismiss"), 403, "not_allowed")
    problem(stranger.post(f"/advice/idle-{vm.pk}/apply"), 403, "not_allowed")
