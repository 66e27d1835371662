"""Who uses most, and what there is, by API."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.api.conftest import Program, problem
from tests.conftest import make_vm
from tests.grants import grant
from tests.metrics.emptied import emptied
from vms import metrics
from vms.metrics import VM
from vms.models import Host, StoragePool, User, VirtualMachine, Volume

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture(autouse=True)
def store(db: None) -> Iterator[None]:
    yield from emptied()


def test_top_tells_the_first(program: Program, host: Host, vm: VirtualMachine) -> None:
    now = int(time.time())
    for each, cpu in ((vm, 50.0), (make_vm(host, "db-01", vcpus=4), 75.0)):
        metrics.store({VM: [(each.pk, now - 5, [cpu] + [None] * 19)]})
    told = program.get("/top?by=cpu").json()
    assert (told["by"], told["over"], told["unit"], told["total"], told["counted"]) == (
        "cpu",
        "now",
        "processors",
        4,
        2,
    )
    assert [(item["vm"]["name"], item["host"]["name"], item["value"], item["share"]) for item in told["items"]] == [
        ("db-01", "host-a", 3.0, 0.75), ("web-01", "host-a", 1.0, 0.25),
    ]  # fmt: skip
    assert len(program.get("/top?by=cpu&most=1").json()["items"]) == 1
    assert program.get(f"/top?by=cpu&host={host.pk}").json()["items"] == told["items"]
    assert program.get("/top?by=memory&over=day").json()["items"] == []


@pytest.mark.parametrize("query", ["by=name", "over=week", "most=0", "most=500", "host=x", "host=0"])
def test_what_makes_no_sense_is_refused(program: Program, query: str) -> None:
    problem(program.get(f"/top?{query}"), 422, "invalid")


def test_a_host_that_one_does_not_see_is_none(stranger: Program, mallory: User, host: Host, vm: VirtualMachine) -> None:
    grant(mallory, "owner", vm)
    assert stranger.get(f"/top?host={host.pk}").status_code == stranger.get("/top?host=999").status_code == 404
    told = stranger.get("/capacity").json()
    assert told["hosts"] == told["storages"] == []
    # Of one's own VM what it has, and nothing of what there is.
    assert (told["sums"]["hosts"], told["sums"]["cpus"]["whole"], told["sums"]["cpus"]["given"]) == (0, 0, 2)
    assert told["sums"]["vms"] == 1


def test_a_storage_stands_once_and_says_what_can_grow(program: Program, host: Host) -> None:
    other = Host.objects.create(name="host-b", node="node-a", heard_at=host.heard_at)
    sizes = {"active": True, "capacity_bytes": 100 << 30, "available_bytes": 30 << 30, "allocation_bytes": 60 << 30}
    first = StoragePool.objects.create(host=host, uuid="0" * 32, name="shared", **sizes)
    StoragePool.objects.create(host=other, uuid="1" * 32, name="shared", storage=first.storage, **sizes)
    for number, allocated in ((1, 10), (2, 0), (3, 25)):
        Volume.objects.create(
            storage=first.storage, name=f"v{number}", capacity_bytes=20 << 30, allocation_bytes=allocated << 30
        )
    [told] = program.get("/capacity").json()["storages"]
    assert [pool["id"] for pool in told["pools"]] == [first.pk, first.pk + 1]
    assert (told["taken_bytes"] >> 30, told["growing_bytes"] >> 30, told["over_bytes"] >> 30) == (70, 30, 0)
    assert told["volumes"] == 3


def test_what_others_keep_in_a_pool_is_not_counted(stranger: Program, mallory: User, host: Host) -> None:
    pool = StoragePool.objects.create(
        host=host, uuid="0" * 32, name="p", active=True, capacity_bytes=100 << 30, available_bytes=90 << 30
    )
    Volume.objects.create(storage=pool.storage, name="theirs", capacity_bytes=400 << 30)
    Volume.objects.create(storage=pool.storage, name="mine", capacity_bytes=1 << 30, owner=mallory)
    grant(mallory, "operator", pool)
    [told] = stranger.get("/capacity").json()["storages"]
    assert (told["volumes"], told["growing_bytes"], told["over_bytes"]) == (1, 1 << 30, 0)
