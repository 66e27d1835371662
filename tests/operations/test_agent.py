"""What a guest's agent is asked to do, and what becomes of a guest that was frozen when nobody is left who froze it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.operations.conftest import Stage
from vms.errors import AgentAbsent, AgentRefused, AgentSilent, BadFields, BadParameters, HostUnreachable
from vms.kinds.agent import Account, Frozen, Keys
from vms.models import AuditEvent, Freeze, GuestKeys, Happening, Operation, OperationLog, Placement
from vms.operations import evidence, process
from vms.services import agent, freezing, guest_keys

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIx3ePbRA2uQ4gJzDyFP8sDqKQwXJE8pLR5p1hnGFXJq anna@desk"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJiYd64hlS/XQ3bc/SN9+JT/M93MkDWJjfy1dvq5X6Rj"
Done = Callable[[Operation], Operation]


@pytest.fixture
def runs(stage: Stage) -> Stage:
    stage.set_state("running")
    return stage


def over(stage: Stage) -> None:
    """The time of what is frozen is over."""
    Freeze.objects.filter(vm=stage.vm).update(thaw_at=timezone.now() - timedelta(seconds=1))


def thaw(worker: process.WorkerProcess) -> None:
    """A turn of the clock that thaws, in this thread, whose database it is."""
    began: list[Freeze] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(worker.thawer.pool, "submit", lambda do, freeze: began.append(freeze))
        worker.thawer.turn()
    for freeze in began:
        worker.thawer.thaw(freeze)


def test_frozen_for_a_time_then_thawed_by_whoever_is_there(
    runs: Stage, done: Done, worker: process.WorkerProcess
) -> None:
    operation = done(agent.freeze(runs.actor, runs.vm, 30))
    assert (operation.state, runs.fake.frozen) == ("succeeded", {runs.uuid})
    row = Freeze.objects.get(vm=runs.vm)
    assert row.frozen_at is not None
    assert 28 < (row.thaw_at - row.frozen_at).total_seconds() < 31
    thaw(worker)
    assert runs.fake.frozen == {runs.uuid}
    over(runs)
    thaw(worker)
    assert runs.fake.frozen == set()
    assert not Freeze.objects.exists()
    assert Happening.objects.filter(vm=runs.vm, code="thawed").exists()
    assert "thawed_late" in OperationLog.objects.filter(operation=operation).values_list("code", flat=True)


def test_thawed_by_hand_the_clock_has_nothing_to_do(runs: Stage, done: Done) -> None:
    done(agent.freeze(runs.actor, runs.vm, 30))
    assert done(agent.thaw(runs.actor, runs.vm)).state == "succeeded"
    assert (runs.fake.frozen, Freeze.objects.count()) == (set(), 0)


def test_frozen_twice_is_refused_and_leaves_it_frozen(runs: Stage, done: Done) -> None:
    done(agent.freeze(runs.actor, runs.vm, 30))
    again = done(agent.freeze(runs.actor, runs.vm, 600))
    assert (again.state, again.error_code) == ("failed", "nothing_changes")
    assert Freeze.objects.get(vm=runs.vm).seconds == 30


def test_a_clock_that_is_set_back_keeps_nobody_frozen(
    runs: Stage, done: Done, worker: process.WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(agent.freeze(runs.actor, runs.vm, 5))
    Freeze.objects.update(thaw_at=timezone.now() + timedelta(days=1))
    thaw(worker)
    assert runs.fake.frozen
    later = time.monotonic() + 5 + freezing.ASKING.total_seconds() + 1
    monkeypatch.setattr("vms.operations.thawing.time.monotonic", lambda: later)
    thaw(worker)
    assert runs.fake.frozen == set()


def test_what_cannot_be_thawed_is_tried_again_and_said(runs: Stage, done: Done, worker: process.WorkerProcess) -> None:
    done(agent.freeze(runs.actor, runs.vm, 30))
    runs.fake.fail["agent"] = AgentSilent()
    over(runs)
    thaw(worker)
    row = Freeze.objects.get(vm=runs.vm)
    assert row.error_code == "agent_silent"
    assert row.thaw_at > timezone.now()
    del runs.fake.fail["agent"]
    over(runs)
    thaw(worker)
    assert (runs.fake.frozen, Freeze.objects.count()) == (set(), 0)


def test_off_it_is_frozen_no_more_saved_it_is(runs: Stage, done: Done, worker: process.WorkerProcess) -> None:
    done(agent.freeze(runs.actor, runs.vm, 30))
    runs.fake.fail["agent"] = AgentAbsent()
    for state, left in (("saved", 1), ("shut_off", 0)):
        runs.set_state(state)
        over(runs)
        thaw(worker)
        assert Freeze.objects.count() == left, state


def test_another_run_whose_agent_never_comes_has_forgotten_it(
    runs: Stage, done: Done, worker: process.WorkerProcess
) -> None:
    done(agent.freeze(runs.actor, runs.vm, 30))
    runs.fake.runs += 1
    runs.set_state("running")
    runs.fake.fail["agent"] = AgentAbsent()
    over(runs)
    thaw(worker)
    assert Freeze.objects.count() == 1
    Freeze.objects.update(asked_at=timezone.now() - timedelta(minutes=11))
    over(runs)
    thaw(worker)
    assert Freeze.objects.count() == 0


def test_a_guest_that_says_no_is_not_frozen(runs: Stage, done: Done) -> None:
    runs.fake.fail["agent"] = AgentRefused("no such command")
    operation = done(agent.freeze(runs.actor, runs.vm, 30))
    assert (operation.state, operation.error_code) == ("failed", "agent_refused")
    assert operation.details == "no such command"
    assert not Freeze.objects.exists()


def test_a_freezing_that_nobody_saw_end_is_taken_back(runs: Stage, done: Done) -> None:
    def lost() -> None:
        runs.fake.after.clear()
        raise HostUnreachable("it was cut")

    runs.fake.after["agent freeze"] = lost
    runs.fake.frozen.add(runs.uuid)
    operation = done(agent.freeze(runs.actor, runs.vm, 30))
    assert operation.state == "failed"
    assert (runs.fake.frozen, Freeze.objects.count()) == (set(), 0)


def test_a_dead_workers_freezing_is_taken_back_or_left_to_the_clock(runs: Stage, worker: process.WorkerProcess) -> None:
    """Died between the guest's yes and the row's end."""
    operation = agent.freeze(runs.actor, runs.vm, 30)
    claimed = worker.claim(operation.pk)
    assert claimed
    row = freezing.begin(claimed, 1, 30)
    claimed.before = {"frozen": False}
    claimed.save(update_fields=["before"])
    runs.fake.frozen.add(runs.uuid)
    runs.fake.fail["agent"] = AgentSilent()
    assert evidence.settle(claimed, worker.worker, worker.connections, HostUnreachable())
    operation.refresh_from_db()
    assert (operation.state, Freeze.objects.filter(pk=row.pk).exists()) == ("unknown", True)
    del runs.fake.fail["agent"]
    over(runs)
    thaw(worker)
    assert (runs.fake.frozen, Freeze.objects.count()) == (set(), 0)


def test_its_clock_is_set_and_looked_at(runs: Stage, done: Done) -> None:
    runs.fake.ahead = -3600
    assert done(agent.set_time(runs.actor, runs.vm)).state == "succeeded"
    assert runs.fake.ahead == 0


def test_a_password_is_nowhere_but_in_the_guest(runs: Stage, done: Done) -> None:
    secret = "correct horse, 4 batteries"
    operation = agent.set_password(runs.actor, runs.vm, "anna", secret)
    assert operation.sealed
    assert done(operation).state == "succeeded"
    assert f"agent password anna {secret}" in runs.fake.calls
    stored = json.dumps(
        [list(model.objects.values()) for model in (Operation, OperationLog, AuditEvent, Happening)], default=str
    )
    assert "anna" in stored
    assert secret not in stored
    assert Operation.objects.get(pk=operation.pk).sealed == ""


def test_a_password_whose_fate_nobody_knows_is_set_again_by_nobody(runs: Stage, done: Done) -> None:
    runs.fake.fail["agent"] = AgentSilent()
    operation = done(agent.set_password(runs.actor, runs.vm, "anna", "secret-7"))
    assert (operation.state, operation.error_code, operation.sealed) == ("unknown", "agent_silent", "")


def test_without_an_agent_nothing_was_asked(runs: Stage, done: Done) -> None:
    runs.fake.fail["agent"] = AgentAbsent()
    for operation in (
        agent.set_password(runs.actor, runs.vm, "anna", "secret-7"),
        agent.freeze(runs.actor, runs.vm, 30),
        agent.set_time(runs.actor, runs.vm),
        agent.change_keys(runs.actor, runs.vm, "anna"),
    ):
        ended = done(operation)
        assert (ended.state, ended.error_code) == ("failed", "agent_absent"), ended.kind


def test_keys_are_added_read_and_taken_away(runs: Stage, done: Done) -> None:
    runs.fake.keys["anna"] = [f'command="/bin/false" {OTHER_KEY}', "# a comment"]
    assert done(agent.change_keys(runs.actor, runs.vm, "anna", add=[KEY])).state == "succeeded"
    shown = GuestKeys.objects.get(vm=runs.vm, user="anna").keys
    assert [one["fingerprint"] for one in shown] == [guest_keys.fingerprint_of(line) for line in (OTHER_KEY, KEY)]
    gone = [guest_keys.fingerprint_of(OTHER_KEY)]
    assert done(agent.change_keys(runs.actor, runs.vm, "anna", remove=gone)).state == "succeeded"
    # The rest of the file stays.
    assert runs.fake.keys["anna"] == ["# a comment", KEY]
    assert len(GuestKeys.objects.get(vm=runs.vm, user="anna").keys) == 1


def test_the_keys_of_nobody_are_the_guests_refusal(runs: Stage, done: Done) -> None:
    operation = done(agent.change_keys(runs.actor, runs.vm, "nobody-here"))
    assert (operation.state, operation.error_code) == ("failed", "agent_refused")


def test_nothing_strange_is_asked_for(runs: Stage) -> None:
    for user in ("", "a:b", "-rf", "a\nb", "../x", "x" * 65, " a", "a\u202eb"):
        with pytest.raises(BadFields) as refused:
            agent.set_password(runs.actor, runs.vm, user, "secret-7")
        assert refused.value.errors == {"user": "account_user"}, user
        with pytest.raises(BadParameters):
            Account(user)
        with pytest.raises(BadParameters):
            Keys(user, [], [])
    for password in ("", "a\nb", "x" * 201):
        with pytest.raises(BadFields) as refused:
            agent.set_password(runs.actor, runs.vm, "anna", password)
        assert refused.value.errors == {"password": "account_password"}
    for key in ("-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-ed25519 AAAA", f'command="id" {KEY}'):
        with pytest.raises(BadFields) as refused:
            agent.change_keys(runs.actor, runs.vm, "anna", add=[key])
        assert "keys" in refused.value.errors
    for seconds in (0, 4, 601):
        with pytest.raises(BadFields):
            agent.freeze(runs.actor, runs.vm, seconds)
        with pytest.raises(BadParameters):
            Frozen(seconds)
    assert not Operation.objects.exists()


def test_a_hanging_agent_holds_neither_the_vm_nor_the_hosts_other_work(
    runs: Stage, worker: process.WorkerProcess, done: Done
) -> None:
    """Two of them at a time, and the VM is nobody's meanwhile."""
    hanging = [agent.set_password(runs.actor, runs.vm, name, "secret-7") for name in ("a", "b", "c")]
    assert [bool(worker.claim(one.pk)) for one in hanging] == [True, True, False]
    assert done(runs.ask("vm.pause")).state == "succeeded"
    assert Placement.objects.get(current_of=runs.vm).state == "paused"
