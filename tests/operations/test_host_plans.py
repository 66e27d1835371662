"""A plan for several hosts is done wave by wave, by rows alone: what workers and watchers would do the test does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import make_vm
from tests.operations.test_maintenance import asked, failed, moved
from tests.services.test_placement import make, make_host, make_pool
from vms.errors import Locked, NotAllowed, PlanNotSo
from vms.models import AuditEvent, Host, HostPlan, Operation, PlannedMove, User, VirtualMachine
from vms.operations import host_plans as working_out
from vms.operations.host_plan_runs import turn
from vms.permissions import Actor
from vms.services import host_plans, maintenance
from vms.services.host_plan_wishes import Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Lot = tuple[list[Host], list[VirtualMachine]]


@pytest.fixture
def lot() -> Lot:
    """Two hosts; on each three VMs of 4 GiB."""
    hosts = [make_host("host-a"), make_host("host-b")]
    pools = [make_pool(hosts[0], "shared", type="netfs")]
    pools.append(make_pool(hosts[1], "shared", like=pools[0], type="netfs"))
    vms = [
        make(host, pool, f"{host.name[-1]}-{number}")
        for host, pool in zip(hosts, pools, strict=True)
        for number in (1, 2, 3)
    ]
    return hosts, vms


@pytest.fixture
def actor(alice: User) -> Actor:
    return Actor(alice)


def computed(plan: HostPlan) -> HostPlan:
    """What a worker does."""
    assert plan.computing
    working_out.work_out(plan.computing, lambda _connection: None)
    Operation.objects.filter(pk=plan.computing.pk).update(state="succeeded")
    return HostPlan.objects.get(pk=plan.pk)


def ready(actor: Actor, **more: Any) -> HostPlan:
    return computed(host_plans.ask(actor, Wish("consolidate", spare=False, on_allocation=True, **more)))


def begun(actor: Actor, plan: HostPlan) -> Operation:
    operation = host_plans.run(actor, plan, plan.digest)
    turn("")
    return operation


def now(plan: HostPlan) -> HostPlan:
    return HostPlan.objects.get(pk=plan.pk)


def states(plan: HostPlan) -> list[str]:
    return list(plan.moves.values_list("state", flat=True))


def on(host: Host) -> int:
    return VirtualMachine.objects.filter(placement__host=host).count()


def test_it_is_done_wave_by_wave_and_taken_back(actor: Actor, lot: Lot) -> None:
    hosts, _ = lot
    plan = ready(actor)
    assert plan.found["used"] == [2, 1] and list(plan.moves.values_list("wave", flat=True)) == [1, 1, 2]
    assert {move.source_id for move in plan.moves.all()} == {hosts[0].pk}
    operation = begun(actor, plan)
    first = asked()
    assert [one.parent_id for one in first] == [operation.pk] * 2
    moved(first[0])
    turn("")
    assert len(asked()) == 1, "the second wave waits for the whole first"
    moved(first[1])
    turn("")
    moved(asked()[0])
    turn("")
    assert (now(plan).state, on(hosts[0]), on(hosts[1])) == ("done", 0, 6)

    back = computed(host_plans.undo(actor, now(plan)))
    assert (back.kind, back.of_id, back.state) == ("back", plan.pk, "ready")
    assert {(move.source_id, move.to_id) for move in back.moves.all()} == {(hosts[1].pk, hosts[0].pk)}
    begun(actor, back)
    while waiting := asked():
        for one in waiting:
            moved(one)
        turn("")
    assert (now(back).state, on(hosts[0]), on(hosts[1])) == ("done", 3, 3)
    assert not computed(host_plans.undo(actor, now(plan))).moves.exists(), "they are back already"


def test_paused_it_begins_nothing_until_it_goes_on(actor: Actor, lot: Lot) -> None:
    plan = ready(actor)
    begun(actor, plan)
    host_plans.pause(actor, plan)
    for one in asked():
        moved(one)
    turn("")
    assert (now(plan).state, asked()) == ("paused", [])
    with pytest.raises(PlanNotSo):
        host_plans.pause(actor, plan)
    host_plans.go_on(actor, plan)
    turn("")
    assert (now(plan).state, len(asked())) == ("running", 1)
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {"paused:plan", "continued:plan"}


def test_cancelled_it_ends_when_what_is_under_way_has_and_can_be_taken_back(actor: Actor, lot: Lot) -> None:
    hosts, _ = lot
    plan = ready(actor)
    begun(actor, plan)
    host_plans.cancel(actor, now(plan))
    turn("")
    assert now(plan).state == "stopping"
    for one in asked():
        moved(one)
    turn("")
    assert (now(plan).state, states(plan)) == ("stopped", ["done", "done", "planned"])
    back = computed(host_plans.undo(actor, now(plan)))
    assert back.moves.count() == 2 and on(hosts[1]) == 5


def test_where_a_move_fails_nothing_more_is_begun_and_another_plan_is_worked_out(actor: Actor, lot: Lot) -> None:
    plan = ready(actor)
    begun(actor, plan)
    failed(asked()[0])
    turn("")
    assert not HostPlan.objects.filter(of=plan).exists(), "the other is under way"
    moved(asked()[0])
    turn("")
    assert now(plan).state == "failed" and states(plan) == ["failed", "done", "planned"]
    ended = now(plan).operation
    assert ended and ended.error_params == {"failed": 1, "left": 1, "of": 3}
    other = HostPlan.objects.get(of=plan)
    assert other.state == "computing" and other.kind == "consolidate"
    assert computed(other).moves.count() == 2, "from what is so now"


def test_each_move_is_judged_once_more(actor: Actor, lot: Lot) -> None:
    hosts, _ = lot
    plan = ready(actor)
    make_vm(hosts[1], "came-since", memory_kib=50 << 20)
    begun(actor, plan)
    assert asked() == [] and states(plan) == ["failed", "failed", "planned"]
    move = PlannedMove.objects.filter(plan=plan).first()
    assert move and (move.error_code, move.error_params["obstacle"]) == ("cannot_move", "memory_free")


def test_it_goes_on_only_with_the_rights_of_who_approved_it(actor: Actor, lot: Lot) -> None:
    plan = ready(actor)
    operation = begun(actor, plan)
    User.objects.filter(pk=actor.user.pk).update(is_administrator=False)
    for one in asked():
        moved(one)
    turn("")
    operation.refresh_from_db()
    assert (operation.state, operation.error_code, asked()) == ("refused", "not_allowed", [])
    assert states(plan) == ["done", "done", "planned"]


def test_neither_two_plans_nor_a_maintenance_move_vms_of_one_host(actor: Actor, lot: Lot) -> None:
    hosts, _ = lot
    first, second = ready(actor), ready(actor)
    begun(actor, first)
    with pytest.raises(Locked):
        host_plans.run(actor, second, second.digest)
    with pytest.raises(Locked):
        maintenance.enter(actor, hosts[0], digest=maintenance.propose(actor, hosts[0]).plan.digest)


def test_who_may_not_maintain_a_host_drives_no_plan_of_it(actor: Actor, lot: Lot, mallory: User) -> None:
    plan = ready(actor)
    for do in (host_plans.pause, host_plans.go_on, host_plans.cancel):
        with pytest.raises(NotAllowed):
            do(Actor(mallory), plan)
    with pytest.raises(NotAllowed):
        host_plans.run(Actor(mallory), plan, plan.digest)


def test_a_plan_that_is_gone_holds_nothing(actor: Actor, lot: Lot) -> None:
    plan = ready(actor)
    operation = host_plans.run(actor, plan, plan.digest)
    HostPlan.objects.all().delete()
    turn("")
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == ("failed", "not_found")
