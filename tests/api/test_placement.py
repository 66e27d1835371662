"""Which VM can go where, and going there, by API."""

from __future__ import annotations

import pytest

from tests.api.conftest import Program, problem
from tests.services.test_placement import make, make_host, make_pool
from vms.models import Host, Network, Operation, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def hosts() -> list[Host]:
    return [make_host(name) for name in ("host-a", "host-b", "host-c")]


@pytest.fixture
def vm(hosts: list[Host]) -> VirtualMachine:
    make_pool(hosts[1], "fast")
    return make(hosts[0], make_pool(hosts[0]))


def test_each_vm_and_host_with_the_way_and_the_reasons(program: Program, vm: VirtualMachine, hosts: list[Host]) -> None:
    found = program.get("/placement").json()
    assert (found["count"], [one["host"]["name"] for one in found["items"]]) == (1, ["host-a", "host-b", "host-c"])
    here, there, poor = found["items"]
    assert [one["code"] for one in here["reasons"]] == ["same"] and not here["possible"]
    assert there["possible"] and there["copy_storage"] and there["mode"] == "live" and there["timeout_s"] == 1320
    assert not poor["possible"]
    assert poor["reasons"] == [
        {
            "code": "no_pool", "grave": True, "params": {"disks": "vda"},
            "text": "vda would be copied, and host-c has no started pool that you may use.",
        }
    ]  # fmt: skip
    assert program.get(f"/placement?vm={vm.pk}&host={hosts[1].pk}").json()["items"] == [there]
    for nothing in ("vm=9999", "host=9999"):
        assert program.get(f"/placement?{nothing}").status_code == 404


def test_it_goes_where_it_can(program: Program, vm: VirtualMachine, hosts: list[Host]) -> None:
    [best] = program.get(f"/placement?host={hosts[1].pk}").json()["items"]
    wish = {name: best[name] for name in ("mode", "copy_storage", "pool", "timeout_s")}
    where, key = f"/vms/{vm.pk}/migrate", {"Idempotency-Key": "once"}
    first = program.post(where, {"host": hosts[1].pk, **wish}, **key)
    assert first.status_code == 202, first.content
    assert (
        program.post(where, {"host": hosts[1].pk, **wish}, **key).json()["operation"]["id"]
        == (first.json()["operation"]["id"])
    )
    assert Operation.objects.get().params["timeout_s"] == 1320


def test_it_goes_nowhere_else(program: Program, vm: VirtualMachine, hosts: list[Host]) -> None:
    where = f"/vms/{vm.pk}/migrate"
    told = problem(program.post(where, {"host": hosts[1].pk}), 409, "cannot_move")
    assert told["detail"] == "web-01 can't move to host-b: host-b does not reach vda. Let that be copied."
    Network.objects.filter(host=hosts[1]).delete()
    assert "lacks the network" in problem(program.post(where, {"host": hosts[1].pk}), 409, "cannot_move")["detail"]
    for wrong in ({"host": 9999}, {"host": hosts[1].pk, "uri": "qemu+tcp://192.0.2.1/system"}, {}):
        assert program.post(where, wrong).status_code in (400, 422)
    assert not Operation.objects.exists()
