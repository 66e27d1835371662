"""Shutting down, waiting and starting anew, on a host which exists in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.operations.conftest import Stage
from vms.models import Operation
from vms.operations.waiting import end_what_is_seen
from vms.services import operations

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]


@pytest.fixture
def restart(stage: Stage, done: Done) -> Operation:
    """Asked of the guest, which has not yet answered."""
    stage.set_state("running")
    stage.fake.deaf.add("shutdown")
    return done(stage.ask("vm.restart"))


def look(stage: Stage, operation: Operation) -> str:
    end_what_is_seen(stage.host.node)
    operation.refresh_from_db()
    return operation.state


def go_off(stage: Stage) -> None:
    stage.set_state("shut_off")
    stage.fake.runs += 1


def test_it_starts_once_it_is_off(stage: Stage, restart: Operation, done: Done) -> None:
    assert look(stage, restart) == "waiting" and "shutdown" in stage.fake.calls
    assert not Operation.objects.filter(kind="vm.start").exists()
    go_off(stage)
    assert look(stage, restart) == look(stage, restart) == "waiting"
    [start] = Operation.objects.filter(parent=restart)
    assert (start.kind, start.actor_name) == ("vm.start", restart.actor_name)
    assert done(start).state == "succeeded"
    stage.sync()
    assert look(stage, restart) == "succeeded"


def test_a_start_that_fails_fails_it(stage: Stage, restart: Operation, done: Done) -> None:
    go_off(stage)
    look(stage, restart)
    [start] = Operation.objects.filter(parent=restart)
    stage.fake.deaf.add("start")
    assert done(start).state == "failed"
    assert look(stage, restart) == "failed"


def test_who_starts_it_meanwhile_has_done_it(stage: Stage, restart: Operation, done: Done) -> None:
    go_off(stage)
    other = stage.ask("vm.start")
    assert look(stage, restart) == "waiting" and not Operation.objects.filter(parent=restart).exists()
    done(other)
    stage.sync()
    assert look(stage, restart) == "succeeded"


def test_who_lost_the_right_starts_nothing(stage: Stage, restart: Operation) -> None:
    go_off(stage)
    stage.actor.user.is_administrator = False
    stage.actor.user.save()
    assert look(stage, restart) == "failed"
    assert not Operation.objects.filter(parent=restart).exists()


def test_one_that_is_cancelled_or_forced_off_stays_off(stage: Stage, restart: Operation, done: Done) -> None:
    done(stage.ask("vm.force-off"))
    stage.sync()
    assert look(stage, restart) == "superseded"
    assert not Operation.objects.filter(kind="vm.start").exists()
    go_off(stage)
    stage.set_state("running")
    again = done(stage.ask("vm.restart"))
    operations.cancel(again, actor=stage.actor)
    go_off(stage)
    assert look(stage, again) == "cancelled" and not Operation.objects.filter(kind="vm.start").exists()
