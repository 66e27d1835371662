"""A definition that a worker makes on a host which exists in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakehost import info
from tests.libvirtxml.test_blame import GOOD
from tests.operations.conftest import Stage
from vms.errors import HostRefused, HostUnreachable
from vms.models import Operation, OperationLock, OperationLog, Placement, VirtualMachine
from vms.operations.process import WorkerProcess
from vms.services import define, operations

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]


def nothing_is_left(stage: Stage, *others: str) -> None:
    assert {each.name for each in stage.fake.domains.values()} == {"web-01", *others}
    assert [vm.name for vm in VirtualMachine.objects.all()] == ["web-01"]
    assert not OperationLock.objects.exists()


def codes(operation: Operation) -> list[str]:
    return list(OperationLog.objects.filter(operation=operation).values_list("code", flat=True))


def test_it_is_there_as_it_was_written(stage: Stage, done: Done) -> None:
    operation = define.define(stage.actor, stage.host, GOOD)
    assert done(operation).state == "succeeded", (operation.error_code, operation.details)
    [made] = [each for each in stage.fake.domains.values() if each.name == "x"]
    assert made.uuid == str(Placement.objects.get(vm__name="x").uuid)
    assert '<target dev="vda" bus="virtio"/>' in made.next_boot_xml and not operation.sealed
    assert not OperationLock.objects.exists()


def test_what_the_host_refuses_leaves_nothing(stage: Stage, done: Done) -> None:
    stage.fake.fail["define domain"] = HostRefused("no such machine")
    operation = define.define(stage.actor, stage.host, GOOD)
    assert (done(operation).state, operation.details) == ("failed", "no such machine")
    assert "undone" in codes(operation)
    nothing_is_left(stage)


def test_a_name_that_is_taken_meanwhile_leaves_the_other(stage: Stage, done: Done) -> None:
    operation = define.define(stage.actor, stage.host, GOOD)
    stage.fake.add(info("x"))
    assert (done(operation).state, operation.error_code) == ("failed", "vm_taken")
    nothing_is_left(stage, "x")


def test_a_right_that_is_gone_by_then_defines_nothing(stage: Stage, done: Done) -> None:
    operation = define.define(stage.actor, stage.host, GOOD)
    stage.actor.user.is_administrator = False
    stage.actor.user.save()
    assert done(operation).state == "refused"
    nothing_is_left(stage)


def test_a_host_that_goes_away_is_asked_what_became_of_it(stage: Stage, done: Done) -> None:
    def away() -> None:
        raise HostUnreachable("the wire is cut")

    stage.fake.after["define domain"] = away
    operation = define.define(stage.actor, stage.host, GOOD)
    assert done(operation).state == "succeeded", "it is there"


def test_what_is_cancelled_before_was_never_there(stage: Stage, worker: WorkerProcess) -> None:
    operation = define.define(stage.actor, stage.host, GOOD)
    operations.cancel(operation, actor=stage.actor)
    nothing_is_left(stage)
