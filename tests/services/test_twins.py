"""One UUID on two hosts: marked, and run on one of them at a time."""

from __future__ import annotations

import pytest

from tests.conftest import make_vm
from vms.errors import Locked, RunsElsewhere
from vms.kinds import KINDS, power
from vms.kinds.snapshots import Revert
from vms.models import Host, Operation, OperationLock, Placement, User, VirtualMachine
from vms.operations.transitions import succeed
from vms.permissions import Actor
from vms.services import operations, twins

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def vm(host: Host) -> VirtualMachine:
    return make_vm(host, state="shut_off")


@pytest.fixture
def copy(vm: VirtualMachine) -> VirtualMachine:
    """A VM of its own with the UUID of the first, off like that."""
    assert vm.placement
    made = make_vm(Host.objects.create(name="host-b", node="node-b"), "web-01-copy", "shut_off")
    set_placement(made, uuid=vm.placement.uuid)
    return made


def set_placement(vm: VirtualMachine, **fields: object) -> None:
    Placement.objects.filter(current_of=vm).update(**fields)
    vm.refresh_from_db()


def test_each_names_the_other(vm: VirtualMachine, copy: VirtualMachine, alice: User, mallory: User) -> None:
    found = twins.find_twins(alice, [vm, copy])
    assert {pk: [(row.name, row.host.name) for row in rows] for pk, rows in found.items()} == {
        vm.pk: [("web-01-copy", "host-b")],
        copy.pk: [("web-01", "host-a")],
    }
    assert twins.find_twins(mallory, [vm, copy]) == {}
    set_placement(copy, present=False)
    assert twins.find_twins(alice, [vm]) == {}


@pytest.mark.parametrize("kind", sorted(name for name, kind in KINDS.items() if kind.starts))
@pytest.mark.parametrize("state", ["running", "paused"])
def test_nothing_starts_it_while_the_other_runs(
    vm: VirtualMachine, copy: VirtualMachine, actor: Actor, kind: str, state: str
) -> None:
    set_placement(vm, state="saved" if kind == "vm.restore" else "shut_off")
    set_placement(copy, state=state, run_id=7)
    takes = dict.fromkeys(KINDS[kind].takes, 0) or None
    params = Revert("before") if kind == "vm.revert-snapshot" else None
    with pytest.raises(RunsElsewhere) as refused:
        operations.request(KINDS[kind], vm, actor=actor, params=params, takes=takes)
    assert refused.value.params == {"name": "web-01-copy", "host": "host-b"}
    assert not Operation.objects.exists()
    set_placement(copy, state="shut_off", run_id=None)
    operations.request(KINDS[kind], vm, actor=actor, params=params, takes=takes)


def test_what_ran_when_its_host_was_last_heard_may_run_still(
    vm: VirtualMachine, copy: VirtualMachine, actor: Actor
) -> None:
    set_placement(copy, state="running", run_id=7)
    Host.objects.filter(name="host-b").update(error_code="host_unreachable", left_alone=True)
    with pytest.raises(RunsElsewhere):
        operations.request(power.START, vm, actor=actor)


def test_the_other_is_named_only_to_who_may_see_it(vm: VirtualMachine, copy: VirtualMachine, mallory: User) -> None:
    set_placement(copy, state="running", run_id=7)
    assert vm.placement
    with pytest.raises(RunsElsewhere) as refused:
        twins.refuse_second_run(vm.placement, mallory)
    assert refused.value.params == {}


def test_of_two_starts_the_second_is_refused_until_the_first_has_ended(
    vm: VirtualMachine, copy: VirtualMachine, actor: Actor
) -> None:
    first = operations.request(power.START, vm, actor=actor)
    with pytest.raises(Locked) as refused:
        operations.request(power.START_PAUSED, copy, actor=actor)
    assert refused.value.params["operation"] == first.pk
    assert not Operation.objects.filter(vm=copy).exists()
    succeed(first, None, since=("queued",))
    assert not OperationLock.objects.exists()
    operations.request(power.START, copy, actor=actor)
