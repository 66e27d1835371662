"""Plans for several hosts, from rows and recorded metrics: what is proposed, why, to whom, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.http import Http404
from django.utils import timezone

from tests.grants import grant
from tests.metrics.emptied import emptied
from tests.metrics.weeks import IDLE, TOLD, quarters, week
from tests.services.test_placement import make, make_host, make_pool
from vms.errors import BadFields, NotMeasured, NotShrunk, OtherPlan, PlanNotSo
from vms.metrics import HOST, VM
from vms.models import (
    Document,
    Host,
    HostPlan,
    Operation,
    OperationState,
    Placement,
    StoragePool,
    Tag,
    User,
    VirtualMachine,
)
from vms.permissions import Actor
from vms.services import advice, host_plans
from vms.services.host_plan_making import MIB
from vms.services.host_plan_wishes import Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
GIB: Final = 1 << 30


@pytest.fixture(autouse=True)
def store(db: None) -> Iterator[None]:
    yield from emptied()


Lot = tuple[list[Host], list[VirtualMachine]]


def lot(letters: str, each: int) -> Lot:
    """Hosts that reach one storage, on each so many VMs of four processors."""
    hosts = [make_host(f"host-{letter}") for letter in letters]
    pools: list[StoragePool] = []
    for host in hosts:
        pools.append(make_pool(host, "shared", type="netfs", like=pools[0] if pools else None))
    vms = [
        make(host, pool, f"vm-{number}{n}", vcpus=4)
        for number, (host, pool) in enumerate(zip(hosts, pools, strict=True))
        for n in range(each)
    ]
    return hosts, vms


def four_at_35() -> Lot:
    """Four hosts of 32 processors and 64 GiB that reach one storage, on each five VMs that together take 32 % of its
    processors and a third of its memory; the hosts themselves take the rest of 35 %."""
    hosts, vms = lot("abcd", 5)
    quarters(HOST, {host.pk: {"cpu": 35.0, "memory": 22.4 * GIB} for host in hosts})
    quarters(VM, {vm.pk: {"cpu": 51.2, "memory": 3.0 * GIB, "memory_process": 4.0 * GIB} for vm in vms})
    return hosts, vms


@pytest.fixture
def four() -> Lot:
    return four_at_35()


@pytest.fixture
def actor(alice: User) -> Actor:
    return Actor(alice)


def worked_out(actor: Actor, wish: Wish) -> HostPlan:
    plan = host_plans.ask(actor, wish)
    host_plans.work_out(actor, plan)
    return plan


def went(plan: HostPlan) -> list[tuple[str, str, str]]:
    return [(row.name, row.source.name, row.to.name) for row in host_plans.moves_of(plan) if row.source and row.to]


def rows(plan: HostPlan) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in plan.found["hosts"]}


def test_four_hosts_at_35_percent_become_two_with_the_margin_kept(four: Lot, actor: Actor) -> None:
    plan = worked_out(actor, Wish("consolidate", spare=False, margin=20))
    assert (plan.state, plan.found["used"], plan.found["bound"]) == ("ready", [4, 2], 2)
    assert sorted(row["emptied"] for row in rows(plan).values()) == [False, False, True, True]
    for row in rows(plan).values():
        assert row["vms"][0] == 5 and (row["vms"][1] == 0) == row["emptied"]
        cpu, memory = row["after"][:2]
        assert row["before"][0] == pytest.approx(0.35 * 32_000, rel=0.01)
        assert cpu <= 0.8 * 32_000 and memory * MIB <= 0.8 * 64 * GIB, "the margin is kept"
    assert len(went(plan)) == 10
    empty = {name for name, row in rows(plan).items() if row["emptied"]}
    for move in host_plans.moves_of(plan):
        assert move.source and move.reason == {"code": "empties", "host": move.source.name}
        assert move.source.name in empty
        assert (move.bytes, move.pool) == (4 * GIB, 0), "its memory goes over the wire, its disks do not"
    assert plan.found["bytes"] == 40 * GIB


def test_with_one_to_lose_three_stay(four: Lot, actor: Actor) -> None:
    plan = worked_out(actor, Wish("consolidate"))
    assert (plan.found["used"], plan.found["bound"], plan.found["survives"]) == ([4, 3], 3, True)


def test_the_same_facts_make_the_same_plan(four: Lot, actor: Actor) -> None:
    first, second = (worked_out(actor, Wish("consolidate", spare=False)) for _ in range(2))
    assert first.digest == second.digest and len(first.digest) == 64
    assert worked_out(actor, Wish("consolidate", spare=False, margin=15)).digest != first.digest


def test_too_short_a_time_is_said_and_planned_by_what_is_given_only_if_asked(actor: Actor) -> None:
    hosts = [make_host("host-a"), make_host("host-b")]
    pool = make_pool(hosts[0], "shared", type="netfs")
    make_pool(hosts[1], "shared", like=pool, type="netfs")
    make(hosts[0], pool, "vm-1")
    quarters(HOST, {host.pk: {"cpu": 5.0, "memory": GIB} for host in hosts}, hours=12)
    with pytest.raises(NotMeasured) as refused:
        worked_out(actor, Wish("consolidate", spare=False))
    assert refused.value.params == {"host": "host-a", "hours": 12, "least": 24}
    plan = worked_out(actor, Wish("consolidate", spare=False, on_allocation=True))
    assert (plan.found["names"], plan.found["used"]) == (["cpus", "given", "disk"], [1, 1])


def test_a_vm_that_was_measured_too_short_counts_with_all_that_it_has(four: Lot, actor: Actor) -> None:
    hosts, _ = four
    pool = StoragePool.objects.get(host=hosts[0])
    make(hosts[0], pool, "new", vcpus=8)
    plan = worked_out(actor, Wish("consolidate", spare=False))
    assert plan.found["unmeasured"] == 1
    assert rows(plan)["host-a"]["before"][0] == pytest.approx(0.35 * 32_000 + 8000, rel=0.01)


def test_two_of_a_tag_are_never_on_one_host_and_pinned_ones_stay(four: Lot, actor: Actor) -> None:
    _, vms = four
    for vm in vms[::5]:
        Tag.objects.create(vm=vm, name="db")
    plan = worked_out(actor, Wish("consolidate", spare=False, apart=("db",)))
    assert plan.found["used"][1] == 4, "each of the four keeps its host"
    Tag.objects.filter(vm=vms[0]).update(name="stay")
    plan = worked_out(actor, Wish("consolidate", spare=False, pinned=(vms[5].pk,), pinned_tags=("stay",)))
    assert not {vms[0].name, vms[5].name} & {name for name, *_ in went(plan)}
    assert {one["name"]: one["code"] for one in plan.found["stuck"]} == {vms[0].name: "pinned", vms[5].name: "pinned"}


def test_what_cannot_go_is_told_with_why(four: Lot, actor: Actor) -> None:
    hosts, vms = four
    Host.objects.filter(pk__in=[host.pk for host in hosts[1:]]).update(facts={**hosts[0].facts, "arch": "aarch64"})
    plan = worked_out(actor, Wish("consolidate", spare=False))
    told = {one["name"]: one for one in plan.found["stuck"]}
    assert told[vms[0].name]["code"] == "cannot"
    assert {reason["code"] for reason in told[vms[0].name]["reasons"]} == {"arch"}


def test_silent_hosts_and_those_in_maintenance_take_nothing(four: Lot, actor: Actor) -> None:
    hosts, _ = four
    Host.objects.filter(pk=hosts[2].pk).update(error_code="host_unreachable")
    Host.objects.filter(pk=hosts[3].pk).update(in_maintenance_at=timezone.now())
    plan = worked_out(actor, Wish("consolidate", spare=False))
    assert {one["name"]: one["why"] for one in plan.found["left_out"]} == {
        "host-c": "silent", "host-d": "maintenance",
    }  # fmt: skip
    assert plan.found["used"] == [2, 1]


def test_balance_evens_out_what_is_measured(actor: Actor) -> None:
    hosts = [make_host(f"host-{letter}") for letter in "abc"]
    pool = make_pool(hosts[0], "shared", type="netfs")
    for host in hosts[1:]:
        make_pool(host, "shared", like=pool, type="netfs")
    vms = [make(hosts[0], pool, f"vm-{number}", vcpus=4) for number in range(9)]
    quarters(HOST, {host.pk: {"cpu": 1.0, "memory": GIB} for host in hosts})
    quarters(VM, {vm.pk: {"cpu": 50.0, "memory_process": 2.0 * GIB} for vm in vms})
    plan = worked_out(actor, Wish("balance"))
    assert sorted(row["vms"][1] for row in rows(plan).values()) == [3, 3, 3]
    assert {row.reason["code"] for row in host_plans.moves_of(plan)} == {"evens"}
    few = worked_out(actor, Wish("balance", most=2))
    assert len(went(few)) == 2


def test_evacuate_empties_the_named_host_into_all_others(four: Lot, actor: Actor) -> None:
    hosts, _ = four
    plan = worked_out(actor, Wish("evacuate", away=(hosts[1].pk,)))
    assert {source for _, source, _ in went(plan)} == {"host-b"} and len(went(plan)) == 5
    assert rows(plan)["host-b"]["emptied"]


def test_what_if_a_host_is_lost_or_vms_come(four: Lot, actor: Actor) -> None:
    hosts, _ = four
    lost = worked_out(actor, Wish("whatif", lose=hosts[0].pk)).found["lost"]
    assert len(lost["placed"]) == 5 and not lost["homeless"]
    added = worked_out(actor, Wish("whatif", add=100, add_cpus=4, add_mib=8192)).found["added"]
    assert added["asked"] == 100 and 0 < added["fit"] < 100
    larger = worked_out(actor, Wish("whatif", add=100, add_cpus=4, add_mib=8192, more_cpus=64, more_mib=256 << 10))
    assert larger.found["added"]["fit"] > added["fit"]
    assert larger.state == "ready" and not larger.moves.exists()
    with pytest.raises(PlanNotSo):
        host_plans.run(actor, larger, larger.digest)


@pytest.fixture
def roomy() -> Lot:
    """Three hosts of 64 GiB, on each two VMs of 24 GiB, which is more than two hosts can give; two of them need 4 GiB,
    a third 20 GiB."""
    hosts, vms = lot("abc", 2)
    Placement.objects.filter(vm__in=vms).update(memory_kib=24 << 20)
    for document in Document.objects.filter(placement__vm__in=vms):
        Document.objects.filter(pk=document.pk).update(live=document.live.replace(">4<", ">24<"))
    quarters(HOST, {host.pk: {"cpu": 5.0, "memory": 4.0 * GIB} for host in hosts})
    quarters(VM, {vm.pk: {"cpu": 30.0, "memory_process": 4.0 * GIB} for vm in vms})
    for host in hosts:
        week(host.pk, {"cpu": 5.0}, family=HOST)
    for vm, gib in zip(vms, (3.2, 3.2, 14.0, 23.0, 23.0, 23.0), strict=True):
        memory = {"memory": gib * GIB}
        week(vm.pk, {**IDLE, **TOLD, **memory, "cpu": 60.0}, {"cpu": 90.0})
    return hosts, vms


def shrinks(plan: HostPlan) -> tuple[int, int, dict[str, list[int]]]:
    told = plan.found["smaller"]
    return told["of"], told["hosts"], {one["name"]: one["mib"] for one in told["vms"]}


def test_what_shrinking_saves_is_a_plan_that_is_run_when_it_has_been_done(roomy: Lot, actor: Actor) -> None:
    _, vms = roomy
    plan = worked_out(actor, Wish("consolidate", spare=False, shrink=True))
    assert (plan.found["used"], plan.moves.count()) == ([3, 3], 0)
    four = [24 << 10, 4 << 10]
    assert shrinks(plan) == (3, 2, {"vm-00": four, "vm-01": four}), "the third would not be needed"
    assert {vm.pk for vm in vms[:2]} <= set(plan.vms), "who does not see them does not see the plan"

    smaller = host_plans.ask_smaller(actor, plan)
    host_plans.work_out(actor, smaller)
    assert smaller.found["used"] == [3, 2] and shrinks(smaller) == shrinks(plan)
    assert [row["after"][3] for row in rows(smaller).values()] == [0, 56 << 10, 48 << 10], "of 64 GiB"
    assert went(smaller) == [("vm-00", "host-a", "host-b"), ("vm-01", "host-a", "host-b")]
    assert {move.bytes for move in smaller.moves.all()} == {4 * GIB}, "what it has then goes over the wire"
    for left, vm in ((2, vms[0]), (1, vms[1])):
        with pytest.raises(NotShrunk) as refused:
            host_plans.run(actor, smaller, smaller.digest)
        assert refused.value.params == {"name": vm.name, "n": left}
        Placement.objects.filter(vm=vm).update(memory_kib=4 << 20)
    assert host_plans.run(actor, smaller, smaller.digest).kind == "host.run-plan"


def test_what_is_to_stay_as_large_as_it_is_is_not_shrunk(roomy: Lot, actor: Actor) -> None:
    _, vms = roomy
    advice.leave(actor, f"memory-{vms[0].pk}")
    plan = worked_out(actor, Wish("consolidate", spare=False, shrink=True))
    assert shrinks(plan) == (2, 3, {}), "the other two save no host"
    with pytest.raises(PlanNotSo):
        host_plans.ask_smaller(actor, plan)


def test_only_who_maintains_all_of_its_hosts_sees_it(four: Lot, actor: Actor, mallory: User) -> None:
    hosts, _ = four
    plan = worked_out(actor, Wish("consolidate", spare=False))
    assert host_plans.find(mallory) == []
    for host in hosts[:3]:
        grant(mallory, "operator", host=host)
    with pytest.raises(Http404):
        host_plans.get_or_404(mallory, plan.pk)
    with pytest.raises(Http404):
        host_plans.ask(Actor(mallory), Wish("consolidate", hosts=tuple(host.pk for host in hosts)))
    assert host_plans.get_or_404(actor.user, plan.pk) == plan and host_plans.find(actor.user) == [plan]


def test_it_is_approved_by_its_digest_once(four: Lot, actor: Actor) -> None:
    plan = worked_out(actor, Wish("consolidate", spare=False))
    with pytest.raises(OtherPlan):
        host_plans.run(actor, plan, "0" * 64)
    operation = host_plans.run(actor, plan, plan.digest)
    plan = host_plans.get_or_404(actor.user, plan.pk)
    assert (operation.kind, plan.state) == ("host.run-plan", "running")
    with pytest.raises(PlanNotSo):
        host_plans.run(actor, plan, plan.digest)
    with pytest.raises(PlanNotSo):
        host_plans.go_on(actor, plan)


def test_a_plan_whose_computing_failed_is_refused(four: Lot, actor: Actor) -> None:
    plan = host_plans.ask(actor, Wish("consolidate"))
    assert plan.state == "computing"
    assert plan.computing
    Operation.objects.filter(pk=plan.computing.pk).update(state=OperationState.FAILED)
    assert host_plans.get_or_404(actor.user, plan.pk).state == "refused"


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (Wish("consolidate", margin=99), "margin"), (Wish("consolidate", window=12), "window"),
        (Wish("tidy"), "kind"), (Wish("evacuate"), "hosts"), (Wish("whatif"), "lose"),
        (Wish("consolidate", apart=("a,b",)), "apart"), (Wish("consolidate", percentile="p50"), "percentile"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(actor: Actor, wish: Wish, field: str) -> None:
    with pytest.raises(BadFields) as refused:
        host_plans.ask(actor, wish)
    assert list(refused.value.errors) == [field]
