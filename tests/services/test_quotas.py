"""Nobody makes more than is his, whoever asks at once, and whatever becomes of it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction

from tests.conftest import make_vm
from tests.grants import grant
from vms.errors import BadFields, NotAllowed, OverQuota
from vms.kinds import KINDS
from vms.models import (
    AuditEvent,
    Host,
    Operation,
    Placement,
    Quota,
    Reservation,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
)
from vms.permissions import Actor
from vms.services import operations, quotas
from vms.services.sentences import sentence

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

# What makes or enlarges something that is charged: a kind that needs one of these must say what it takes.
MAKING = {
    "vm.cpu_memory", "vm.disk", "vm.snapshot", "vm.copy", "vm.revert", "host.use", "pool.use", "image.use", "size.use",
    "template.use", "pool.upload",
}  # fmt: skip
# Of these the kinds that only take away, or give back what was there.
MAKES_NOTHING = {
    "vm.discard-saved", "vm.drop-seed", "vm.template", "vm.untemplate", "pool.refresh", "vm.delete-snapshot",
    "vm.rename-snapshot", "vm.flatten",
}  # fmt: skip
NONE = dict.fromkeys(("vms", "vcpus", "memory_kib", "disk_bytes", "snapshots"), 0)


def operation(vm: VirtualMachine, state: str = "queued") -> Operation:
    return Operation.objects.create(
        kind="vm.start", actor_name="carol", target_kind="vm", target_id=vm.pk, target_name=vm.name, vm=vm,
        host=vm.placement.host if vm.placement else None, node="node-a", queue="quick", state=state,
    )  # fmt: skip


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


def charge(vm: VirtualMachine, **to: Any) -> VirtualMachine:
    """The VM with 2 processors and 1 GiB, charged to that one."""
    VirtualMachine.objects.filter(pk=vm.pk).update(**to)
    Placement.objects.filter(vm=vm).update(vcpus=2, memory_kib=1 << 20)
    return vm


def missing(kinds: Any) -> set[str]:
    """The kinds that make something and do not say what they take."""
    return {kind.name for kind in kinds if MAKING & set(kind.privileges) and not kind.takes} - MAKES_NOTHING


def test_every_kind_that_makes_something_says_what_it_takes() -> None:
    assert missing(KINDS.values()) == set()
    forgetful = replace(KINDS["vm.start"], name="vm.clone", privileges=("vm.copy", "host.use"))
    assert missing([forgetful]) == {"vm.clone"}
    assert missing([replace(forgetful, takes=frozenset({"vms"}))]) == set()


def test_a_service_that_does_not_reserve_what_its_kind_takes_is_refused(actor: Actor, vm: VirtualMachine) -> None:
    greedy = replace(KINDS["vm.start"], takes=frozenset({"vcpus", "memory_kib"}))
    Placement.objects.filter(vm=vm).update(state="shut_off")
    for takes in (None, {"vcpus": 1}, {"vcpus": 1, "memory_kib": 1, "vms": 1}):
        with pytest.raises(ValueError, match="start takes"):
            operations.request(greedy, vm, actor=actor, takes=takes)
    assert not Operation.objects.exists()
    asked = operations.request(greedy, vm, actor=actor, takes={"vcpus": 1, "memory_kib": 0})
    reserved = Reservation.objects.filter(operation=asked).values_list("resource", "amount", "user")
    assert list(reserved) == [("vcpus", 1, actor.user.pk)]
    with pytest.raises(ValueError, match="pause takes"):
        operations.request(KINDS["vm.pause"], vm, actor=actor, takes={"vcpus": 1})


def test_a_request_over_quota_leaves_nothing(actor: Actor, vm: VirtualMachine) -> None:
    greedy = replace(KINDS["vm.start"], takes=frozenset({"vcpus"}))
    Placement.objects.filter(vm=vm).update(state="shut_off")
    Quota.objects.create(user=actor.user, vcpus=3)
    before = AuditEvent.objects.count()
    with pytest.raises(OverQuota):
        operations.request(greedy, vm, actor=actor, takes={"vcpus": 4})
    assert not Operation.objects.exists()
    assert not Reservation.objects.exists()
    assert AuditEvent.objects.count() == before
    group = Group.objects.create(name="staff")
    operations.request(greedy, vm, actor=actor, takes={"vcpus": 4}, charged_to=group)
    assert quotas.used(group)["vcpus"] == 4


def test_what_is_there_counts(carol: User, host: Host) -> None:
    assert quotas.used(carol) == NONE
    mine = charge(make_vm(host, "mine"), charged_user=carol)
    charge(make_vm(host, "anybodys"))
    pool = StoragePool.objects.create(host=host, uuid=uuid.UUID(int=1), name="default")
    Volume.objects.create(storage=pool.storage, name="disk", capacity_bytes=100, owner=carol).vms.add(mine)
    Volume.objects.create(storage=pool.storage, name="spare", capacity_bytes=20, owner=carol)
    Volume.objects.create(storage=pool.storage, name="another's", capacity_bytes=3)
    assert quotas.used(carol) == {**NONE, "vms": 1, "vcpus": 2, "memory_kib": 1 << 20, "disk_bytes": 120}
    VirtualMachine.objects.filter(pk=mine.pk).update(deleted_at="2026-01-01T00:00:00Z")
    assert quotas.used(carol)["vms"] == 0


def test_a_group_is_charged_for_itself(carol: User, host: Host) -> None:
    staff = Group.objects.create(name="staff")
    staff.user_set.add(carol)
    charge(make_vm(host, "theirs"), charged_group=staff)
    assert quotas.used(staff)["vms"] == 1
    assert quotas.used(carol)["vms"] == 0


def test_a_vm_is_charged_to_one(carol: User, vm: VirtualMachine) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        charge(vm, charged_user=carol, charged_group=Group.objects.create(name="staff"))


@pytest.mark.parametrize("state", ["queued", "running", "waiting", "cancelling"])
def test_what_is_being_made_counts_until_it_ends(carol: User, vm: VirtualMachine, state: str) -> None:
    asked = operation(vm, state)
    quotas.reserve(asked, carol, {"vms": 1, "vcpus": 4})
    assert quotas.used(carol) == {**NONE, "vms": 1, "vcpus": 4}
    for ended in ("succeeded", "failed", "cancelled", "superseded", "unknown"):
        Operation.objects.filter(pk=asked.pk).update(state=ended)
        assert quotas.used(carol) == NONE


def test_up_to_the_limit_and_no_further(carol: User, vm: VirtualMachine) -> None:
    Quota.objects.create(user=carol, vms=2, memory_kib=4 << 20)
    quotas.reserve(operation(vm), carol, {"vms": 1, "memory_kib": 4 << 20, "vcpus": 1000})
    with pytest.raises(OverQuota) as refused:
        quotas.reserve(operation(vm), carol, {"vms": 1, "memory_kib": 1})
    assert refused.value.params == {
        "whom": "carol", "resource": "memory_kib", "limit": 4 << 20, "used": 4 << 20, "asked": 1,
    }  # fmt: skip
    assert sentence("over_quota", {**refused.value.params, "asked": 1 << 20}) == (
        "This takes 1 GiB of memory; carol may have 4 GiB of memory and has 4 GiB of memory."
        " Give something back, or ask an administrator."
    )
    quotas.reserve(operation(vm), carol, {"vms": 1})
    with pytest.raises(OverQuota):
        quotas.reserve(operation(vm), carol, {"vms": 1})


def test_a_quota_below_what_is_used_takes_nothing_away_and_gives_no_more(carol: User, host: Host) -> None:
    vm = charge(make_vm(host, "mine"), charged_user=carol)
    Quota.objects.create(user=carol, vcpus=1)
    with pytest.raises(OverQuota):
        quotas.reserve(operation(vm), carol, {"vcpus": 1})
    quotas.reserve(operation(vm), carol, {"vcpus": 0})
    assert not Reservation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_do_not_both_get_the_last_one(host: Host) -> None:
    carol = User.objects.create(username="carol")
    Quota.objects.create(user=carol, vms=1)
    asked = [operation(make_vm(host, name)) for name in ("one", "two")]
    barrier, got, refused = Barrier(2), [], []

    def take(each: Operation) -> None:
        barrier.wait()
        try:
            with transaction.atomic():
                quotas.reserve(each, carol, {"vms": 1})
            got.append(each)
        except OverQuota:
            refused.append(each)
        finally:
            connection.close()

    threads = [Thread(target=take, args=[each]) for each in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 1)
    assert quotas.used(carol)["vms"] == 1


def test_only_who_may_sets_them_and_the_audit_says_what_changed(actor: Actor, mallory: User, carol: User) -> None:
    grant(mallory, "owner", everything=True)
    with pytest.raises(NotAllowed):
        quotas.change(Actor(mallory), carol, {"vms": 1})
    with pytest.raises(NotAllowed):
        quotas.find_quotas(mallory)
    quotas.change(actor, carol, {"vms": 3})
    quotas.change(actor, carol, {"vms": 3})
    quotas.change(actor, carol, {"vms": 3, "vcpus": 8})
    assert Quota.objects.get().vcpus == 8
    assert quotas.change(actor, carol, {}) is None
    assert not Quota.objects.exists()
    told = [event.facts for event in AuditEvent.objects.filter(action="changed:quota").order_by("pk")]
    assert [(fact["before"], fact["after"]) for fact in told] == [
        ({"vms": None}, {"vms": 3}),
        ({"vcpus": None}, {"vcpus": 8}),
        ({"vcpus": 8, "vms": 3}, {"vcpus": None, "vms": None}),
    ]


@pytest.mark.parametrize("limit", [-1, 2**31, 2**63])
def test_what_no_column_holds_is_no_limit(actor: Actor, carol: User, limit: int) -> None:
    with pytest.raises(BadFields) as bad:
        quotas.change(actor, carol, {"vms": limit})
    assert bad.value.errors == {"vms": "number"}
