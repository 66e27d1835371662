"""Schedules run once each, with their owner's rights of that moment, and delete nothing but what they made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests import conftest
from tests.conftest import silence
from tests.grants import grant
from vms.kinds import KINDS
from vms.models import (
    Document,
    Grant,
    Host,
    Operation,
    OperationState,
    Quota,
    Schedule,
    ScheduledSnapshot,
    ScheduleRun,
    Snapshot,
    Tag,
    User,
    VirtualMachine,
)
from vms.permissions import Actor
from vms.services import operations, schedule_runs, schedules
from vms.services.freshness import placed
from vms.services.locks import release
from vms.services.schedule_words import why_run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
START = datetime(2026, 11, 26, 2, 30, tzinfo=UTC)


DISK = (
    "<domain type='kvm'><name>web-01</name><devices><disk type='file' device='disk'>"
    "<driver name='qemu' type='qcow2'/><source file='/pool/web-01.qcow2'/><target dev='vda' bus='virtio'/></disk>"
    "</devices></domain>"
)


def make_vm(host: Host, name: str = "web-01", state: str = "shut_off") -> VirtualMachine:
    """One of which a snapshot can be taken."""
    vm = conftest.make_vm(host, name, state)
    Document.objects.filter(placement=vm.placement).update(next_boot=DISK, live=DISK if state == "running" else "")
    return vm


@pytest.fixture
def vm(host: Host) -> VirtualMachine:
    return make_vm(host)


@pytest.fixture
def owner(vm: VirtualMachine) -> User:
    user = User.objects.create(username="edith")
    grant(user, "editor", vm)
    return user


def make(owner: User, **values: Any) -> Schedule:
    given = {"name": "nightly", "every": "daily", "minutes": 150, "zone": "UTC", "keep_last": 2, **values}
    schedule = schedules.add(Actor(owner), given)
    Schedule.objects.filter(pk=schedule.pk).update(next_run_at=START)
    schedule.refresh_from_db()
    return schedule


def finish(operation: Operation, at: datetime, state: str = OperationState.SUCCEEDED, error: str = "") -> None:
    """As a worker ends it, and as the watcher then sees the host's snapshots."""
    Operation.objects.filter(pk=operation.pk).update(state=state, ended_at=at, error_code=error)
    release(operation)
    name = operation.params["name"]
    if state == OperationState.SUCCEEDED and operation.kind == "vm.snapshot" and operation.vm:
        Snapshot.objects.create(placement=placed(operation.vm), name=name, taken_at=at)
    elif state == OperationState.SUCCEEDED and operation.vm:
        Snapshot.objects.filter(placement=operation.vm.placement, name=name).delete()


def asked() -> list[tuple[str, str]]:
    open_ones = Operation.objects.filter(state="queued").order_by("pk")
    return [(each.kind, each.params["name"]) for each in open_ones]


def go(at: datetime, state: str = OperationState.SUCCEEDED, error: str = "") -> None:
    """All that several turns ask for, done: take, see that it is taken, delete, see that it is gone, end."""
    for turn in range(6):
        # A second deletion of the same VM waits for the first.
        schedule_runs.turn(at + turn * schedule_runs.AGAIN)
        for each in Operation.objects.filter(state="queued").order_by("pk"):
            finish(each, at, state, error)


def names(vm: VirtualMachine) -> list[str]:
    return sorted(Snapshot.objects.filter(placement=vm.placement).values_list("name", flat=True))


def test_it_runs_as_its_owner_and_once(vm: VirtualMachine, owner: User) -> None:
    schedule = make(owner, vm=vm.pk)
    schedule_runs.turn(START - timedelta(seconds=1))
    assert asked() == []
    for _ in range(3):
        schedule_runs.turn(START)
    assert asked() == [("vm.snapshot", "nightly-20261126-0230")]
    operation = Operation.objects.get()
    assert operation.actor_user == owner and operation.vm == vm
    finish(operation, START)
    schedule_runs.turn(START)
    run = ScheduleRun.objects.get()
    assert run.ended_at and not run.error_code and run.missed == 0
    schedule.refresh_from_db()
    assert schedule.next_run_at == START + timedelta(days=1) and schedule.error_code == ""


def test_two_workers_with_the_same_row_in_hand_do_it_once(vm: VirtualMachine, owner: User) -> None:
    """Both have read it before either writes, and the second writes when the first is done."""
    schedule = make(owner, vm=vm.pk)
    late = Schedule.objects.select_related("owner", "vm").get(pk=schedule.pk)
    for read in (schedule, late):
        schedule_runs.begin(read, START)
    assert ScheduleRun.objects.count() == 1
    rows = ScheduledSnapshot.objects.select_related("schedule__owner")
    first, second = rows.get(), rows.get()
    schedule_runs.take(first, START)
    schedule_runs.take(second, START)
    assert Operation.objects.count() == 1
    finish(Operation.objects.get(), START)
    schedule_runs.take(second, START)
    assert Operation.objects.count() == 1
    for each in (first, second):
        each.refresh_from_db()
    schedule_runs.settle(first, START)
    schedule_runs.settle(second, START)
    go(START)
    run = ScheduleRun.objects.get()
    assert ScheduledSnapshot.objects.get().state == "taken" and run.ended_at and not run.error_code
    schedule_runs.begin(late, START)
    assert ScheduleRun.objects.count() == 1


def test_an_outage_is_made_up_for_once(vm: VirtualMachine, owner: User) -> None:
    make(owner, vm=vm.pk)
    go(START + timedelta(days=3, hours=5))
    run = ScheduleRun.objects.get()
    assert run.missed == 3 and run.due_at == START and len(names(vm)) == 1
    assert Schedule.objects.get().next_run_at == START + timedelta(days=4)


def test_it_thins_out_what_it_made_and_nothing_else(vm: VirtualMachine, owner: User) -> None:
    make(owner, vm=vm.pk)
    Snapshot.objects.create(placement=placed(vm), name="before-upgrade", taken_at=START)
    for day in range(4):
        go(START + timedelta(days=day))
    assert names(vm) == ["before-upgrade", "nightly-20261128-0230", "nightly-20261129-0230"]
    assert all(each.actor_user == owner for each in Operation.objects.all())


def test_what_has_its_name_and_is_another_is_somebodys(vm: VirtualMachine, owner: User) -> None:
    """Somebody deleted it and took one of the same name: the host's time tells them apart."""
    make(owner, vm=vm.pk, keep_last=1)
    go(START)
    Snapshot.objects.update(taken_at=START + timedelta(hours=1))
    go(START + timedelta(days=1))
    assert names(vm) == ["nightly-20261126-0230", "nightly-20261127-0230"]
    assert not Operation.objects.filter(kind="vm.delete-snapshot").exists()


def test_nothing_is_deleted_before_the_new_one_is_there(vm: VirtualMachine, owner: User) -> None:
    make(owner, vm=vm.pk, keep_last=1)
    go(START)
    go(START + timedelta(days=1), OperationState.FAILED, "host_refused")
    assert names(vm) == ["nightly-20261126-0230"]
    assert Schedule.objects.get().error_code == "host_refused"
    go(START + timedelta(days=2))
    assert names(vm) == ["nightly-20261128-0230"] and Schedule.objects.get().error_code == ""


def test_a_busy_vm_is_asked_again_until_that_is_too_long(vm: VirtualMachine, owner: User, actor: Actor) -> None:
    make(owner, vm=vm.pk)
    other = operations.request(KINDS["vm.start"], vm, actor=actor)
    schedule_runs.turn(START)
    schedule_runs.turn(START + timedelta(minutes=59))
    assert ScheduledSnapshot.objects.get().state == "waiting"
    Operation.objects.filter(pk=other.pk).update(state="succeeded", ended_at=START)
    release(other)
    schedule_runs.turn(START + timedelta(minutes=60))
    assert [kind for kind, _ in asked()] == ["vm.snapshot"]


@pytest.mark.parametrize("way", ["busy", "silent"])
def test_what_stays_in_the_way_is_told(vm: VirtualMachine, owner: User, actor: Actor, host: Host, way: str) -> None:
    make(owner, vm=vm.pk)
    if way == "busy":
        operations.request(KINDS["vm.start"], vm, actor=actor)
    else:
        silence(host)
    for minutes in (0, 30, 61, 62):
        schedule_runs.turn(START + timedelta(minutes=minutes))
    schedule = Schedule.objects.get()
    assert schedule.error_code == {"busy": "locked", "silent": "host_silent"}[way]
    assert schedule.error_params["vm"] == "web-01" and host.name not in str(schedule.error_params)
    # It goes on at its next time.
    assert schedule.next_run_at == START + timedelta(days=1) and not schedule.stopped_code


def test_it_waits_for_its_own_last_run(vm: VirtualMachine, owner: User) -> None:
    make(owner, vm=vm.pk, every="hourly", minutes=30)
    schedule_runs.turn(START)
    schedule_runs.turn(START + timedelta(hours=2, minutes=10))
    assert ScheduleRun.objects.count() == 1
    finish(Operation.objects.get(), START + timedelta(hours=2, minutes=11))
    go(START + timedelta(hours=2, minutes=12))
    assert list(ScheduleRun.objects.order_by("pk").values_list("missed", flat=True)) == [0, 1]


def test_it_stops_when_its_owner_may_no_more(vm: VirtualMachine, owner: User) -> None:
    make(owner, vm=vm.pk)
    Grant.objects.all().delete()
    grant(owner, "operator", vm)
    go(START)
    schedule = Schedule.objects.get()
    assert schedule.stopped_code == "schedule_rights" and schedule.next_run_at is None
    assert not Operation.objects.exists()
    go(START + timedelta(days=9))
    assert ScheduleRun.objects.count() == 1


def test_it_stops_without_its_owner(vm: VirtualMachine, owner: User, alice: User) -> None:
    schedule = make(owner, vm=vm.pk)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    go(START)
    schedule.refresh_from_db()
    assert schedule.stopped_code == "schedule_owner"
    schedules.switch(Actor(alice), schedule, on=True)
    schedule.refresh_from_db()
    assert schedule.owner == alice and schedule.next_run_at is not None and not schedule.stopped_code


def test_a_right_that_goes_between_is_asked_for_again(vm: VirtualMachine, owner: User) -> None:
    schedule = make(owner, vm=vm.pk)
    schedule_runs.begin(schedule, START)
    Grant.objects.all().delete()
    schedule_runs.turn(START)
    assert not Operation.objects.exists()
    assert Schedule.objects.get().error_code == "schedule_rights"


def test_a_tag_reaches_those_that_its_owner_may(host: Host, vm: VirtualMachine, owner: User) -> None:
    """Another's VM with the tag is none of its business; one that it lost is told."""
    his, lost, others = make_vm(host, "db-01"), make_vm(host, "lost-01"), make_vm(host, "others-01")
    for each in (vm, his, lost, others):
        Tag.objects.create(vm=each, name="prod")
    grant(owner, "editor", his)
    gone = grant(owner, "editor", lost)
    make(owner, tag="prod")
    go(START)
    assert {each.target_name for each in Operation.objects.all()} == {"web-01", "db-01", "lost-01"}
    gone.delete()
    go(START + timedelta(days=1))
    assert Operation.objects.filter(target_name="lost-01").count() == 1
    schedule = Schedule.objects.get()
    assert (schedule.error_code, schedule.error_params) == ("schedule_rights", {"vm": "lost-01"})
    assert not schedule.stopped_code


def test_a_host_means_those_that_are_there_then(host: Host, alice: User, vm: VirtualMachine) -> None:
    other = Host.objects.create(name="host-b", node="b", heard_at=timezone.now())
    make_vm(other, "elsewhere")
    make(alice, host=host.pk)
    make_vm(host, "new-01")
    VirtualMachine.objects.filter(pk=make_vm(host, "trashed").pk).update(trashed_at=START)
    go(START)
    assert {each.target_name for each in Operation.objects.all()} == {"web-01", "new-01"}


def test_few_at_once(host: Host, alice: User) -> None:
    for number in range(9):
        make_vm(host, f"vm-{number}")
    make(alice, host=host.pk)
    for _ in range(3):
        schedule_runs.turn(START)
    assert len(asked()) == schedule_runs.AT_ONCE
    # Those that wait for their turn have no hour that runs out.
    for minutes in (90, 180, 270):
        for each in Operation.objects.filter(state="queued"):
            finish(each, START + timedelta(minutes=minutes))
        go(START + timedelta(minutes=minutes))
    assert ScheduledSnapshot.objects.filter(state="taken").count() == 9


def test_a_quota_holds_for_it_too(vm: VirtualMachine, owner: User) -> None:
    Quota.objects.create(user=owner, snapshots=0)
    VirtualMachine.objects.filter(pk=vm.pk).update(charged_user=owner)
    make(owner, vm=vm.pk)
    go(START)
    assert Schedule.objects.get().error_code == "over_quota"


def test_what_its_host_cannot_do_is_told(vm: VirtualMachine, owner: User) -> None:
    Document.objects.update(next_boot=DISK.replace("qcow2'/", "raw'/"))
    make(owner, vm=vm.pk)
    go(START)
    schedule = Schedule.objects.get()
    assert schedule.error_code == "snapshot_refused" and "vda" in why_run(ScheduleRun.objects.get())
    assert schedule.next_run_at == START + timedelta(days=1)


def test_memory_only_of_what_runs(host: Host, alice: User) -> None:
    make_vm(host, "on-01", state="running"), make_vm(host, "off-01")
    make(alice, host=host.pk, memory=True)
    schedule_runs.turn(START)
    told = {each.target_name: each.params["memory"] for each in Operation.objects.all()}
    assert told == {"on-01": True, "off-01": False}


def test_what_cannot_be_deleted_is_told_and_tried_with_the_next(vm: VirtualMachine, owner: User) -> None:
    make(owner, vm=vm.pk, keep_last=1)
    go(START)
    day = START + timedelta(days=1)
    schedule_runs.turn(day)
    finish(Operation.objects.get(state="queued"), day)
    schedule_runs.turn(day)
    schedule_runs.turn(day)
    finish(Operation.objects.get(state="queued"), day, OperationState.FAILED, "host_refused")
    schedule_runs.turn(day)
    assert Schedule.objects.get().error_code == "host_refused" and len(names(vm)) == 2
    go(day + timedelta(days=1))
    assert names(vm) == ["nightly-20261128-0230"] and Schedule.objects.get().error_code == ""


def test_a_night_with_the_hour_twice_has_two_names(vm: VirtualMachine, owner: User) -> None:
    make(owner, vm=vm.pk, every="hourly", minutes=30, zone="Europe/Berlin", keep_last=9)
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    Schedule.objects.update(next_run_at=first)
    go(first)
    go(first + timedelta(hours=1))
    assert names(vm) == ["nightly-20261025-0230", "nightly-20261025-0230-2"]


def test_runs_are_let_go_of_and_snapshots_are_not(vm: VirtualMachine, owner: User) -> None:
    make(owner, vm=vm.pk, keep_last=1, keep_monthly=9)
    go(START)
    go(START + timedelta(days=120))
    assert ScheduleRun.objects.count() == 1
    assert ScheduledSnapshot.objects.filter(state="taken").count() == 2


def test_to_switch_off_and_to_remove_leaves_what_was_made(vm: VirtualMachine, owner: User) -> None:
    schedule = make(owner, vm=vm.pk)
    go(START)
    schedules.switch(Actor(owner), schedule, on=False)
    go(START + timedelta(days=5))
    assert ScheduleRun.objects.count() == 1
    schedules.remove(Actor(owner), schedule)
    assert names(vm) == ["nightly-20261126-0230"]
