"""Asking for work: one row, one lock, one knock."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.conftest import make_vm, silence
from vms.errors import BadParameters, HostLeftAlone, HostSilent, Locked, NotAllowed, WrongState
from vms.kinds import hosts, power
from vms.models import AuditEvent, Host, Lease, Operation, OperationLock, User, VirtualMachine
from vms.permissions import Actor
from vms.services import operations
from vms.services.attention import unread_failures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_it_queues_a_row_with_lock_and_audit(vm: VirtualMachine, actor: Actor) -> None:
    operation = operations.request(power.RESET, vm, actor=actor)
    assert (operation.state, operation.vm, operation.actor_name) == ("queued", vm, "alice")
    assert OperationLock.objects.get().key == f"vm:{vm.pk}"
    assert AuditEvent.objects.get().action == "asked:vm.reset"


def test_it_refuses_a_second_and_names_the_first(vm: VirtualMachine, actor: Actor) -> None:
    first = operations.request(power.PAUSE, vm, actor=actor)
    with pytest.raises(Locked) as refused:
        operations.request(power.RESET, vm, actor=actor)
    assert refused.value.params["operation"] == first.pk
    assert Operation.objects.count() == 1


def test_it_supersedes_a_shut_down_that_waits_for_the_guest(vm: VirtualMachine, actor: Actor) -> None:
    waiting = operations.request(power.SHUTDOWN, vm, actor=actor)
    Operation.objects.filter(pk=waiting.pk).update(state="waiting")
    forced = operations.request(power.FORCE_OFF, vm, actor=actor)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.superseded_by) == ("superseded", forced)
    assert OperationLock.objects.get().operation == forced


def test_it_refuses_what_the_state_forbids(host: Host, actor: Actor) -> None:
    with pytest.raises(WrongState):
        operations.request(power.START, make_vm(host, state="running"), actor=actor)


def test_it_refuses_who_may_not(vm: VirtualMachine, mallory: User) -> None:
    with pytest.raises(NotAllowed):
        operations.request(power.RESET, vm, actor=Actor(mallory))
    assert not Operation.objects.exists()


def test_it_refuses_on_a_silent_host(vm: VirtualMachine, host: Host, actor: Actor) -> None:
    silence(host)
    with pytest.raises(HostSilent):
        operations.request(power.RESET, vm, actor=actor)


def test_it_waits_for_a_silent_host_where_that_is_asked_for(vm: VirtualMachine, host: Host, actor: Actor) -> None:
    silence(host)
    operation = operations.request(power.RESET, vm, actor=actor, wait=True)
    assert operation.state == "queued" and operation.waits_until
    assert timedelta(minutes=59) < operation.waits_until - timezone.now() <= timedelta(hours=1)
    assert [line.code for line in operation.log.all()] == ["waits"]
    with pytest.raises(HostSilent):
        operations.request(power.PAUSE, vm, actor=actor)
    with pytest.raises(Locked):
        operations.request(power.PAUSE, vm, actor=actor, wait=True)
    assert operations.cancel(operation, actor=actor).state == "cancelled"
    assert not OperationLock.objects.exists()


def test_a_host_that_answers_is_not_waited_for(vm: VirtualMachine, actor: Actor) -> None:
    assert operations.request(power.RESET, vm, actor=actor, wait=True).waits_until is None


def test_a_host_that_is_left_alone_is_not_waited_for(vm: VirtualMachine, host: Host, actor: Actor) -> None:
    Host.objects.update(left_alone=True)
    with pytest.raises(HostLeftAlone):
        operations.request(power.RESET, vm, actor=actor, wait=True)


@pytest.mark.parametrize("until", [-5, 3600], ids=["late", "from before the clock was set back"])
def test_it_does_not_believe_a_watcher_that_is_silent_itself(
    vm: VirtualMachine, host: Host, actor: Actor, until: int
) -> None:
    silence(host)
    Lease.objects.update(until=timezone.now() + timedelta(seconds=until))
    assert operations.request(power.RESET, vm, actor=actor).state == "queued"


def test_it_answers_an_idempotency_key_with_the_first_row(host: Host, actor: Actor) -> None:
    first = operations.request(hosts.GET_READY, host, actor=actor, idempotency_key="k")
    assert operations.request(hosts.GET_READY, host, actor=actor, idempotency_key="k") == first


def test_it_cancels_what_waits_in_the_queue(vm: VirtualMachine, actor: Actor) -> None:
    operation = operations.request(power.RESET, vm, actor=actor)
    assert operations.cancel(operation, actor=actor).state == "cancelled"
    assert not OperationLock.objects.exists()


def test_an_idempotency_key_is_for_one_request_and_for_a_day(host: Host, actor: Actor) -> None:
    first = operations.request(power.RESET, make_vm(host), actor=actor, idempotency_key="k")
    other = make_vm(host, "web-02")
    with pytest.raises(BadParameters):
        operations.request(power.RESET, other, actor=actor, idempotency_key="k")
    Operation.objects.filter(pk=first.pk).update(queued_at=timezone.now() - timedelta(hours=25))
    assert operations.request(power.RESET, other, actor=actor, idempotency_key="k") != first


def test_a_failure_can_be_read_after_the_clock_was_set_back_and_after_it_was_waited_for(
    vm: VirtualMachine, actor: Actor
) -> None:
    operation = operations.request(power.SHUTDOWN, vm, actor=actor)
    end = timezone.now() + timedelta(hours=1)
    Operation.objects.update(state="failed", ended_at=end, read_at=end - timedelta(minutes=5))
    assert unread_failures(actor.user).get() == operation
    operation.refresh_from_db()
    operations.mark_read(operation, actor=actor)
    assert not unread_failures(actor.user).exists()
