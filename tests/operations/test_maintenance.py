"""A plan is done move by move, by rows alone: what workers and watchers would do is put there by the test."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import make_vm
from tests.services.test_placement import make, make_host, make_pool
from vms.errors import BadFields, Locked, NotAllowed, PlanChanged
from vms.kinds import KINDS
from vms.models import (
    AuditEvent,
    Document,
    EvacuatedVm,
    Evacuation,
    Host,
    Operation,
    Placement,
    StoragePool,
    User,
    VirtualMachine,
)
from vms.operations.maintenance import turn
from vms.operations.transitions import fail, succeed
from vms.permissions import Actor
from vms.services import maintenance, operations, placement, placing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def hosts() -> list[Host]:
    return [make_host(name) for name in ("host-a", "host-b", "host-c")]


@pytest.fixture
def shared(hosts: list[Host]) -> StoragePool:
    pool = make_pool(hosts[0], "shared", type="netfs")
    for host in hosts[1:]:
        make_pool(host, "shared", like=pool, type="netfs")
    return pool


@pytest.fixture
def vms(hosts: list[Host], shared: StoragePool) -> list[VirtualMachine]:
    return [make(hosts[0], shared, f"web-{number}") for number in (1, 2, 3)]


def enter(actor: Actor, host: Host, **more: Any) -> Operation:
    digest = maintenance.propose(actor, host, parallel=more.get("parallel", 2)).plan.digest
    made = maintenance.enter(actor, host, digest=digest, **more)
    assert made
    return made


def asked(kind: str = "vm.migrate") -> list[Operation]:
    return list(Operation.objects.filter(kind=kind, state="queued").order_by("pk"))


def moved(operation: Operation, host: int | None = None) -> None:
    """What a worker does, and a watcher sees."""
    Operation.objects.filter(pk=operation.pk).update(state="running")
    Placement.objects.filter(current_of=operation.vm).update(host_id=host or operation.params["host"])
    succeed(operation, None)


def failed(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(state="running")
    fail(operation, None, Locked())


def states(plan: Operation) -> list[str]:
    return list(EvacuatedVm.objects.filter(evacuation__operation=plan).values_list("state", flat=True))


def test_a_host_is_emptied_two_at_a_time_and_gets_its_vms_back(
    actor: Actor, hosts: list[Host], vms: list[VirtualMachine]
) -> None:
    plan = enter(actor, hosts[0])
    assert Host.objects.get(pk=hosts[0].pk).in_maintenance_at
    turn("node-a")
    first = asked()
    assert len(first) == 2 and {one.parent_id for one in first} == {plan.pk}
    turn("node-a")
    assert asked() == first, "nothing is asked for twice"
    moved(first[0])
    turn("node-a")
    plan.refresh_from_db()
    assert (plan.state, plan.progress, len(asked())) == ("running", 33, 2)
    for one in asked():
        moved(one)
    turn("node-a")
    plan.refresh_from_db()
    assert (plan.state, states(plan)) == ("succeeded", ["done"] * 3)
    assert not Placement.objects.filter(host=hosts[0]).exists()

    back = maintenance.propose_back(actor, hosts[0])
    assert {move.vm for move in back.plan.moves} == {vm.pk for vm in vms}
    plan = maintenance.leave(actor, hosts[0], digest=back.plan.digest) or plan
    assert Host.objects.get(pk=hosts[0].pk).in_maintenance_at is None
    while plan.is_open:
        turn("node-a")
        for one in asked():
            moved(one)
        plan.refresh_from_db()
    assert (plan.kind, plan.state) == ("host.bring-back", "succeeded")
    assert Placement.objects.filter(host=hosts[0]).count() == 3
    assert maintenance.away(hosts[0]) == []


def test_it_takes_no_new_vms(actor: Actor, hosts: list[Host], shared: StoragePool) -> None:
    maintenance.enter(actor, hosts[0])
    assert hosts[0] not in placing.usable_hosts(actor)
    place, lacking = placing.place(actor, placing.Asked(1, 0, host=hosts[0]), placing.own_hosts(actor))
    assert (place, lacking) == (None, "host_maintenance")
    other = make(hosts[1], shared.storage.pools.get(host=hosts[1]), "elsewhere")
    [verdict] = placement.matrix(actor, [other], [Host.objects.get(pk=hosts[0].pk)])
    assert [reason.code for reason in verdict.reasons if reason.grave] == ["maintenance"]
    maintenance.leave(actor, hosts[0])
    assert hosts[0] in placing.usable_hosts(actor)
    told = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
    assert told == ["entered:maintenance", "left:maintenance"]


def test_what_is_approved_is_the_plan_that_was_seen(
    actor: Actor, hosts: list[Host], shared: StoragePool, vms: list[VirtualMachine]
) -> None:
    digest = maintenance.propose(actor, hosts[0]).plan.digest
    make(hosts[0], shared, "web-4")
    with pytest.raises(PlanChanged):
        maintenance.enter(actor, hosts[0], digest=digest)
    assert not Host.objects.filter(in_maintenance_at__isnull=False).exists() and not Evacuation.objects.exists()
    with pytest.raises(BadFields):
        enter(actor, hosts[0], parallel=3)
    first = enter(actor, hosts[0], idempotency_key="once")
    assert maintenance.enter(actor, hosts[0], digest="x", idempotency_key="once") == first
    with pytest.raises(Locked):
        enter(actor, hosts[0])


def test_leaving_begins_nothing_more(actor: Actor, hosts: list[Host], vms: list[VirtualMachine]) -> None:
    plan = enter(actor, hosts[0], parallel=1)
    turn("node-a")
    [one] = asked()
    maintenance.leave(actor, hosts[0])
    turn("node-a")
    plan.refresh_from_db()
    assert (plan.state, asked()) == ("cancelling", [one]), "what is under way comes to its end"
    moved(one)
    turn("node-a")
    plan.refresh_from_db()
    assert (plan.state, states(plan)) == ("cancelled", ["done", "planned", "planned"])
    assert [row.vm_id for row in maintenance.away(hosts[0])] == [one.vm_id]
    maintenance.let_stay(actor, hosts[0])
    assert maintenance.away(hosts[0]) == []


def test_one_that_does_not_go_keeps_the_others_from_nothing(
    actor: Actor, hosts: list[Host], vms: list[VirtualMachine]
) -> None:
    plan = enter(actor, hosts[0])
    turn("node-a")
    for number, one in enumerate(asked()):
        failed(one) if number else moved(one)
    turn("node-a")
    [last] = asked()
    moved(last)
    turn("node-a")
    plan.refresh_from_db()
    assert (plan.state, plan.error_code, plan.error_params) == ("failed", "not_all_moved", {"failed": 1, "of": 3})
    assert states(plan) == ["done", "failed", "done"]


def test_one_that_fails_holds_no_place(actor: Actor, hosts: list[Host], vms: list[VirtualMachine]) -> None:
    plan = enter(actor, hosts[0], parallel=1)
    turn("node-a")
    failed(asked()[0])
    turn("node-a")
    [second] = asked()
    written = EvacuatedVm.objects.get(state="failed")
    assert written.operation and written.operation.state == "failed", "it can be read what became of it"
    maintenance.stop(actor, hosts[0])
    failed(second)
    turn("node-a")
    plan.refresh_from_db()
    assert (plan.state, states(plan)) == ("cancelled", ["failed", "failed", "planned"])


def test_each_move_is_judged_once_more(actor: Actor, hosts: list[Host], vms: list[VirtualMachine]) -> None:
    plan = enter(actor, hosts[0], parallel=1)
    turn("node-a")
    [one] = asked()
    goes = {row.vm_id: row.to_id for row in EvacuatedVm.objects.all()}
    Host.objects.filter(pk__in=set(goes.values())).update(in_maintenance_at=timezone.now())
    moved(one)
    turn("node-a")
    plan.refresh_from_db()
    rows = list(EvacuatedVm.objects.exclude(vm=one.vm))
    assert [(row.state, row.error_code, row.error_params["obstacle"]) for row in rows] == [
        ("failed", "cannot_move", "maintenance")
    ] * 2
    assert plan.state == "failed"


def test_a_host_that_filled_up_meanwhile_gets_no_more(
    actor: Actor, hosts: list[Host], vms: list[VirtualMachine]
) -> None:
    enter(actor, hosts[0], parallel=1)
    for number, host in enumerate(hosts[1:]):
        make_vm(host, f"full-{number}", "running", memory_kib=62 << 20)
    turn("node-a")
    assert asked() == []
    assert {row.error_params["obstacle"] for row in EvacuatedVm.objects.all()} == {"memory_free"}


def test_a_plan_that_cannot_be_gone_on_with_keeps_no_other(
    actor: Actor, hosts: list[Host], vms: list[VirtualMachine]
) -> None:
    broken, other = enter(actor, hosts[0]), make_host("host-d")
    make(other, make_pool(other, "shared", like=StoragePool.objects.filter(name="shared")[0], type="netfs"), "beside")
    Evacuation.objects.update(way="sideways")
    EvacuatedVm.objects.update(steps=[])
    enter(actor, other)
    turn("node-a")
    assert [one.vm.name for one in asked() if one.vm] == ["beside"]
    broken.refresh_from_db()
    assert broken.is_open


def test_rights_are_asked_at_each_step(
    actor: Actor, hosts: list[Host], vms: list[VirtualMachine], mallory: User
) -> None:
    plan = enter(actor, hosts[0], parallel=1)
    turn("node-a")
    [one] = asked()
    User.objects.filter(pk=actor.user.pk).update(is_administrator=False)
    moved(one)
    turn("node-a")
    plan.refresh_from_db()
    assert (plan.state, plan.error_code, asked()) == ("refused", "not_allowed", [])
    with pytest.raises(NotAllowed):
        maintenance.propose(mallory, hosts[0])


def test_somebody_at_a_vm_is_waited_for(actor: Actor, hosts: list[Host], vms: list[VirtualMachine]) -> None:
    other = operations.request(KINDS["vm.pause"], vms[0], actor=actor)
    enter(actor, hosts[0])
    turn("node-a")
    assert {one.vm_id for one in asked()} == {vms[1].pk, vms[2].pk}
    for one in asked():
        moved(one)
    Operation.objects.filter(pk=other.pk).update(state="running")
    succeed(other, None)
    turn("node-a")
    turn("node-a")
    assert [one.vm_id for one in asked()] == [vms[0].pk]


def test_what_goes_nowhere_is_shut_down_or_moved_while_it_is_off(
    actor: Actor, hosts: list[Host], shared: StoragePool
) -> None:
    stays, off = make(hosts[0], shared, "stays"), make(hosts[0], shared, "off")
    for vm, was, now in ((stays, "network='default'", "network='lan'"), (off, "mode='custom'", "migratable='off'")):
        document = Document.objects.get(placement__current_of=vm)
        document.live = document.live.replace(was, now)
        document.save()
    proposal = maintenance.propose(actor, hosts[0])
    assert {one.name: one.choices for one in proposal.plan.left} == {
        "stays": ("leave", "shutdown"), "off": ("leave", "offline", "shutdown"),
    }  # fmt: skip
    plan = enter(actor, hosts[0], choices={stays.pk: "shutdown", off.pk: "offline"})
    turn("node-a")
    for one in asked("vm.shutdown"):
        Placement.objects.filter(current_of=one.vm).update(state="shut_off", run_id=None)
        Operation.objects.filter(pk=one.pk).update(state="running")
        succeed(one, None)
    turn("node-a")
    turn("node-a")
    [move] = asked()
    assert (move.vm, move.params["mode"]) == (off, "offline")
    moved(move)
    turn("node-a")
    turn("node-a")
    [start] = asked("vm.start")
    Placement.objects.filter(current_of=off).update(state="running", run_id=2)
    Operation.objects.filter(pk=start.pk).update(state="running")
    succeed(start, None)
    turn("node-a")
    plan.refresh_from_db()
    assert plan.state == "succeeded"
    back = maintenance.propose_back(actor, hosts[0])
    assert [move.steps for move in back.plan.moves] == [("start",)]


@pytest.mark.django_db(transaction=True)
def test_a_host_that_goes_takes_its_plans_along(actor: Actor, hosts: list[Host], vms: list[VirtualMachine]) -> None:
    enter(actor, hosts[0])
    turn("node-a")
    Operation.objects.all().delete()
    assert EvacuatedVm.objects.filter(operation=None).count() == 3
    Host.objects.all().delete()
    assert not Evacuation.objects.exists() and not EvacuatedVm.objects.exists()
