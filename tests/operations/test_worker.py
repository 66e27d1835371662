"""Never lost, never done twice: claims, rights, limits, silence, and workers that die."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db import connection as database
from django.utils import timezone

from tests.conftest import make_vm, silence
from tests.operations.conftest import Stage
from vms import live
from vms.errors import HostUnreachable
from vms.kinds import KINDS
from vms.models import ApiToken, Host, Operation, OperationLock, User, Worker
from vms.operations import claim, jobs, process, run, transitions
from vms.operations.connections import KEPT
from vms.permissions import Actor
from vms.services import operations
from vms.virt import Job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]


def test_one_of_many_claims_wins(stage: Stage, worker: process.WorkerProcess) -> None:
    operation = stage.ask("vm.start")
    claimed = [claim.claim(operation.pk, worker.worker) for _ in range(5)]
    assert [bool(each) for each in claimed] == [True, False, False, False, False]


def test_a_knock_that_comes_twice_starts_once(stage: Stage, done: Done) -> None:
    operation = stage.ask("vm.start")
    done(operation)
    done(operation)
    assert stage.fake.calls == ["start"]


def test_a_lost_knock_is_made_up_for(stage: Stage, worker: process.WorkerProcess, monkeypatch: Any) -> None:
    operation = stage.ask("vm.start")
    taken: list[int] = []
    monkeypatch.setattr(worker.pool, "submit", lambda job, operation: taken.append(operation.pk))
    worker.claim_all()
    assert taken == [operation.pk]


@pytest.mark.parametrize("change", [{"kind": "vm.teleport"}, {"version": 99}, {"node": "another"}, {"queue": "x"}])
def test_what_it_does_not_know_stays_for_who_does(stage: Stage, done: Done, change: dict[str, Any]) -> None:
    operation = stage.ask("vm.start")
    known = {name: getattr(operation, name) for name in change}
    Operation.objects.update(**change)
    assert done(operation).state == "queued"
    assert claim.waiting_in_line(stage.host.node) == []
    # To one that knows it, it is as any other.
    Operation.objects.update(**known)
    assert done(operation).state == "succeeded"


def test_a_host_holds_only_a_few_threads(
    stage: Stage, worker: process.WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(claim.MOST, "quick", 2)
    asked = [
        operations.request(KINDS["vm.start"], make_vm(stage.host, f"vm-{n}", "shut_off"), actor=stage.actor)
        for n in range(3)
    ]
    other = Host.objects.create(name="host-b", node=stage.host.node)
    elsewhere = operations.request(KINDS["vm.start"], make_vm(other, "far", "shut_off"), actor=stage.actor)
    assert [bool(claim.claim(each.pk, worker.worker)) for each in (*asked, elsewhere)] == [True, True, False, True]
    transitions.succeed(asked[0], worker.worker)
    assert claim.claim(asked[2].pk, worker.worker)


def test_what_finds_no_place_is_not_in_line(
    stage: Stage, worker: process.WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(claim.MOST, "quick", 2)
    asked = [
        operations.request(KINDS["vm.start"], make_vm(stage.host, f"vm-{n}", "shut_off"), actor=stage.actor).pk
        for n in range(60)
    ]
    other = Host.objects.create(name="host-b", node=stage.host.node)
    far = operations.request(KINDS["vm.start"], make_vm(other, "far", "shut_off"), actor=stage.actor).pk
    assert claim.waiting_in_line(stage.host.node) == [*asked[:2], far]
    held = claim.claim(asked[1], worker.worker)
    assert held
    assert claim.waiting_in_line(stage.host.node) == [asked[0], far]
    assert claim.claim(asked[0], worker.worker)
    assert claim.waiting_in_line(stage.host.node) == [far]
    transitions.succeed(held, worker.worker)
    assert claim.waiting_in_line(stage.host.node) == [asked[2], far]


def test_one_knock_brings_on_all_that_waits(stage: Stage, worker: process.WorkerProcess) -> None:
    others = [make_vm(stage.host, f"vm-{n}", "shut_off") for n in range(5)]
    asked = [operations.request(KINDS["vm.start"], vm, actor=stage.actor).pk for vm in others]
    worker.take(asked[3])
    assert not Operation.objects.filter(pk__in=asked, state="queued").exists()


@pytest.mark.parametrize("lost", ["right", "account", "token", "token's time"])
def test_rights_are_those_of_the_moment(stage: Stage, done: Done, alice: User, lost: str) -> None:
    token = ApiToken.objects.create(
        user=alice, token_hash="h", prefix="p", scopes=" all ", expires_at=timezone.now() + timedelta(days=1)
    )
    stage.actor = Actor(alice, token=token)
    operation = stage.ask("vm.start")
    if lost == "right":
        User.objects.update(is_administrator=False)
    elif lost == "account":
        User.objects.update(is_active=False)
    elif lost == "token":
        ApiToken.objects.update(revoked_at=timezone.now())
    else:
        ApiToken.objects.update(expires_at=timezone.now())
    assert done(operation).state == "refused"
    assert (operation.error_code, stage.fake.calls) == ("not_allowed", [])
    assert not OperationLock.objects.exists()


def test_rights_are_asked_again_right_before_it_happens(
    stage: Stage, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stage.fake.open

    def open_and_lose(*words: Any, **options: Any) -> Any:
        User.objects.update(is_administrator=False)
        return real(*words, **options)

    monkeypatch.setattr("vms.operations.connections.open_connection", open_and_lose)
    assert done(stage.ask("vm.start")).state == "refused"
    assert stage.fake.calls == []


def test_one_taken_away_before_the_call_is_not_done(stage: Stage, done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    real = stage.fake.open

    def open_and_supersede(*words: Any, **options: Any) -> Any:
        Operation.objects.update(state="superseded")
        return real(*words, **options)

    monkeypatch.setattr("vms.operations.connections.open_connection", open_and_supersede)
    assert done(stage.ask("vm.start")).state == "superseded"
    assert stage.fake.calls == []


def test_a_verdict_is_not_overwritten_by_a_worker_that_wakes_up(stage: Stage, done: Done) -> None:
    operation = stage.ask("vm.start")
    stage.fake.after["start"] = lambda: Operation.objects.filter(pk=operation.pk).update(state="unknown")
    assert done(operation).state == "unknown"


def test_a_silent_host_is_not_asked(stage: Stage, done: Done) -> None:
    operation = stage.ask("vm.start")
    silence(Host.objects.get(), "keepalive")
    assert done(operation).state == "failed"
    assert (operation.error_code, operation.details, stage.fake.opened) == ("host_silent", "keepalive", 0)


def wait_for_host(stage: Stage, kind: str) -> Operation:
    """The operation, asked for while the host is silent."""
    silence(Host.objects.get())
    return operations.request(KINDS[kind], stage.vm, actor=stage.actor, wait=True)


def is_heard() -> None:
    Host.objects.update(error_code="", heard_at=timezone.now())


def test_what_waits_for_its_host_is_done_when_that_is_heard(
    stage: Stage, worker: process.WorkerProcess, done: Done
) -> None:
    operation = wait_for_host(stage, "vm.start")
    assert done(operation).state == "queued"
    assert claim.waiting_in_line(stage.host.node) == []
    is_heard()
    assert claim.waiting_in_line(stage.host.node) == [operation.pk]
    assert done(operation).state == "succeeded"


def test_what_waits_does_not_stand_in_the_way_of_others(stage: Stage, worker: process.WorkerProcess) -> None:
    silence(stage.host)
    stage.host.refresh_from_db()
    for number in range(51):
        vm = make_vm(stage.host, f"crowd-{number}", "shut_off")
        operations.request(KINDS["vm.start"], vm, actor=stage.actor, wait=True)
    other = make_vm(Host.objects.create(name="host-b", node=stage.host.node), "far", "shut_off")
    asked = operations.request(KINDS["vm.start"], other, actor=stage.actor)
    assert claim.waiting_in_line(stage.host.node) == [asked.pk]


def test_what_waits_is_refused_where_it_makes_no_sense_any_more(stage: Stage, done: Done) -> None:
    operation = wait_for_host(stage, "vm.start")
    stage.fake.set_state(stage.uuid, "running")
    is_heard()
    assert done(operation).state == "refused"
    assert (operation.error_code, operation.error_params["state"]) == ("wrong_state", "running")
    assert stage.fake.calls == []
    assert not OperationLock.objects.exists()


def test_what_waits_has_the_rights_of_its_hour(stage: Stage, done: Done) -> None:
    operation = wait_for_host(stage, "vm.start")
    User.objects.update(is_administrator=False)
    is_heard()
    assert done(operation).state == "refused"
    assert (operation.error_code, stage.fake.calls) == ("not_allowed", [])


def test_what_waits_in_vain_ends_in_words(stage: Stage, worker: process.WorkerProcess, done: Done) -> None:
    operation = wait_for_host(stage, "vm.start")
    worker.control()
    operation.refresh_from_db()
    assert operation.state == "queued"
    Operation.objects.update(waits_until=timezone.now() - timedelta(seconds=1))
    worker.control()
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == ("failed", "not_heard")
    assert operation.error_params == {"host": "host-a"}
    assert not OperationLock.objects.exists()
    is_heard()
    assert done(operation).state == "failed"


def test_a_host_that_nobody_reaches_fails_it(stage: Stage, done: Done) -> None:
    stage.fake.gone = True
    assert done(stage.ask("vm.start")).error_code == "host_unreachable"


def test_one_connection_is_kept_and_a_broken_one_is_opened_anew(
    stage: Stage, worker: process.WorkerProcess, done: Done
) -> None:
    done(stage.ask("vm.start"))
    done(stage.ask("vm.force-off"))
    assert stage.fake.opened == 1
    [[(_, kept)]] = worker.connections.idle.values()
    kept.cut()
    assert done(stage.ask("vm.start")).state == "succeeded"
    assert stage.fake.opened == 2


def test_each_is_lent_to_one_at_a_time_and_no_more_are_kept_than_the_next_click_needs(
    stage: Stage, worker: process.WorkerProcess
) -> None:
    lent = worker.connections.lent
    with lent(stage.host) as one, lent(stage.host) as two, lent(stage.host) as three:
        assert len({id(one), id(two), id(three)}) == 3
    assert [one.alive(), two.alive(), three.alive()].count(True) == KEPT
    with lent(stage.host) as again:
        assert again in (one, two, three)
    assert stage.fake.opened == 3


def broken_after(stage: Stage, verb: str, effect: bool) -> None:
    """The wire breaks in the call; the host has done it, or has not."""

    def end() -> None:
        raise HostUnreachable("it broke")

    if effect:
        stage.fake.after[verb] = end
    else:
        stage.fake.fail[verb] = HostUnreachable("it broke")


@pytest.mark.parametrize(
    ("kind", "before", "verb", "effect", "state", "error"),
    [
        ("vm.start", "shut_off", "start", True, "succeeded", ""),
        ("vm.start", "shut_off", "start", False, "failed", "host_unreachable"),
        ("vm.force-off", "running", "force_off", True, "succeeded", ""),
        ("vm.force-off", "running", "force_off", False, "failed", "host_unreachable"),
        ("vm.pause", "running", "pause", True, "succeeded", ""),
        ("vm.reset", "running", "reset", True, "unknown", "host_unreachable"),
        ("vm.shutdown", "running", "shutdown", True, "unknown", "host_unreachable"),
    ],
)
def test_a_wire_that_breaks_in_the_call_is_judged_by_evidence(
    stage: Stage, done: Done, kind: str, before: str, verb: str, effect: bool, state: str, error: str
) -> None:
    stage.set_state(before)
    broken_after(stage, verb, effect)
    operation = done(stage.ask(kind))
    assert (operation.state, operation.error_code) == (state, error)
    assert stage.fake.calls == [verb]
    assert not OperationLock.objects.exists()


def test_silence_past_the_limit_is_cut_and_said(
    stage: Stage, worker: process.WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.fake.hang.add("reset")
    stage.set_state("running")
    operation = stage.ask("vm.reset")
    monkeypatch.setattr(run, "KINDS", {"vm.reset": type("K", (), {"silence_seconds": 0.2})})
    ended = threading.Event()

    def control() -> None:
        while not ended.wait(0.05):
            for running in list(worker.running.values()):
                running.cut_when_silent()

    thread = threading.Thread(target=control)
    thread.start()
    began = time.monotonic()
    worker.take(operation.pk)
    ended.set()
    thread.join()
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == ("unknown", "timed_out")
    assert time.monotonic() - began < 10


def left_behind(stage: Stage, kind: str, *, asked: bool) -> Operation:
    """An operation whose worker died, before the host was asked or after."""
    dead = Worker.objects.create(
        name="dead", node=stage.host.node, pid=1, started_at=timezone.now(), beat_at=timezone.now()
    )
    operation = stage.ask(kind)
    claimed = claim.claim(operation.pk, dead)
    assert claimed
    if asked:
        seen = stage.fake.domains[stage.uuid]
        Operation.objects.filter(pk=operation.pk).update(
            before={"state": seen.state, "run_id": seen.run_id, "happening": 0, "busy": False}
        )
    Worker.objects.filter(pk=dead.pk).update(stopped_at=timezone.now())
    return operation


@pytest.mark.parametrize(
    ("kind", "before", "after", "asked", "state", "error"),
    [
        ("vm.start", "shut_off", "running", True, "succeeded", ""),
        ("vm.start", "shut_off", "shut_off", True, "failed", "worker_died"),
        ("vm.start", "shut_off", "shut_off", False, "failed", "worker_died"),
        ("vm.force-off", "running", "shut_off", True, "succeeded", ""),
        ("vm.force-off", "running", "running", True, "failed", "worker_died"),
        ("vm.reset", "running", "running", True, "unknown", "worker_lost"),
        ("vm.reset", "running", "running", False, "failed", "worker_died"),
        ("vm.shutdown", "running", "running", True, "unknown", "worker_lost"),
        ("vm.shutdown", "running", "shut_off", True, "succeeded", ""),
        ("vm.save", "running", "saved", True, "succeeded", ""),
        ("vm.save", "running", "running", True, "failed", "worker_died"),
        ("vm.save", "running", "shut_off", True, "unknown", "worker_lost"),
        ("vm.restore", "saved", "running", True, "succeeded", ""),
        ("vm.discard-saved", "saved", "shut_off", True, "succeeded", ""),
        ("vm.discard-saved", "saved", "saved", True, "failed", "worker_died"),
        ("vm.discard-saved", "saved", "running", True, "unknown", "worker_lost"),
        ("vm.nmi", "running", "running", True, "unknown", "worker_lost"),
    ],
)
def test_what_a_dead_worker_left_is_told_and_not_done_again(
    stage: Stage, worker: process.WorkerProcess, kind: str, before: str, after: str, asked: bool, state: str, error: str
) -> None:
    stage.set_state(before)
    operation = left_behind(stage, kind, asked=asked)
    if after != before:
        stage.fake.runs += 1
        stage.fake.set_state(stage.uuid, after)
    worker.reconcile()
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == (state, error)
    assert stage.fake.calls == []
    assert not OperationLock.objects.exists()


def test_what_the_host_is_still_at_is_not_decided(stage: Stage, worker: process.WorkerProcess) -> None:
    stage.set_state("running")
    operation = left_behind(stage, "vm.save", asked=True)
    stage.fake.jobs[stage.uuid] = Job(done=1, left=1)
    worker.reconcile()
    operation.refresh_from_db()
    assert operation.state == "running"
    assert OperationLock.objects.exists()
    stage.fake.jobs.clear()
    stage.fake.set_state(stage.uuid, "saved")
    worker.reconcile()
    operation.refresh_from_db()
    assert operation.state == "succeeded"


def test_a_host_that_cannot_be_asked_leaves_it_unknown(stage: Stage, worker: process.WorkerProcess) -> None:
    operation = left_behind(stage, "vm.start", asked=True)
    stage.fake.gone = True
    worker.reconcile()
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == ("unknown", "worker_lost")


@pytest.mark.parametrize("offset", [timedelta(0), timedelta(hours=1), timedelta(hours=-1)])
def test_a_worker_whose_beat_stands_still_is_dead_whatever_its_clock_said(
    stage: Stage, worker: process.WorkerProcess, offset: timedelta
) -> None:
    operation = left_behind(stage, "vm.start", asked=False)
    Worker.objects.filter(name="dead").update(stopped_at=None, beat_at=timezone.now() + offset)
    for _ in range(process.DEAD_AFTER):
        worker.reconcile()
    operation.refresh_from_db()
    assert operation.state == "running"
    worker.reconcile()
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == ("failed", "worker_died")


@pytest.mark.parametrize("step", [timedelta(seconds=2), timedelta(hours=1), timedelta(hours=-1)])
def test_a_worker_that_beats_keeps_its_own_whatever_its_clock_says(
    stage: Stage, worker: process.WorkerProcess, step: timedelta
) -> None:
    operation = left_behind(stage, "vm.start", asked=True)
    beat = timezone.now()
    for look in range(3 * process.DEAD_AFTER):
        Worker.objects.filter(name="dead").update(stopped_at=None, beat_at=beat + step * (look // 3))
        worker.reconcile()
    operation.refresh_from_db()
    assert operation.state == "running"


def test_a_restart_under_the_same_name_declares_the_dead_one_dead_at_once(stage: Stage) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    fresh = {"node": "n", "started_at": timezone.now(), "beat_at": timezone.now()}
    dead = Worker.objects.create(name="n", pid=child.pid, **fresh)
    living = Worker.objects.create(name="n", pid=os.getpid(), **fresh)
    process.WorkerProcess(node="n", name="n")
    dead.refresh_from_db()
    living.refresh_from_db()
    assert dead.stopped_at is not None
    assert living.stopped_at is None


def test_a_worker_that_was_declared_dead_does_not_ask_the_host(stage: Stage, worker: process.WorkerProcess) -> None:
    operation = stage.ask("vm.start")
    claimed = claim.claim(operation.pk, worker.worker)
    Worker.objects.update(stopped_at=timezone.now())
    assert claimed
    worker.do(claimed)
    assert stage.fake.calls == []
    # Whoever settles it must see that nothing can have been done.
    assert Operation.objects.get().before == {}


def test_a_worker_that_was_declared_dead_claims_nothing(stage: Stage, worker: process.WorkerProcess) -> None:
    operation = stage.ask("vm.start")
    Worker.objects.update(stopped_at=timezone.now())
    assert claim.claim(operation.pk, worker.worker) is None
    operation.refresh_from_db()
    assert (operation.state, operation.worker) == ("queued", None)


def test_a_worker_that_was_declared_dead_tells_no_progress(stage: Stage, worker: process.WorkerProcess) -> None:
    stage.set_state("running")
    claimed = claim.claim(stage.ask("vm.save").pk, worker.worker)
    assert claimed
    jobs.tell(claimed, Job(done=1, left=3))
    Worker.objects.update(stopped_at=timezone.now())
    jobs.tell(claimed, Job(done=2, left=2))
    assert Operation.objects.get().progress == 25


def test_a_shut_down_cancelled_before_it_was_delivered_ends_cancelled(stage: Stage, done: Done) -> None:
    stage.set_state("running")
    operation = stage.ask("vm.shutdown")
    stage.fake.after["shutdown"] = lambda: Operation.objects.update(state="cancelling")
    assert done(operation).state == "cancelled"
    assert not OperationLock.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_stopping_waits_for_what_runs_and_claims_no_more(stage: Stage, worker: process.WorkerProcess) -> None:
    release = threading.Event()
    stage.fake.after["start"] = lambda: release.wait(5)
    operation = stage.ask("vm.start")

    def take() -> None:
        worker.take(operation.pk)
        database.close()

    thread = threading.Thread(target=take)
    thread.start()
    while not worker.running:
        time.sleep(0.01)
    threading.Timer(0.3, release.set).start()
    worker.stop()
    thread.join()
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    stage.sync()
    later = stage.ask("vm.force-off")
    worker.take(later.pk)
    later.refresh_from_db()
    assert later.state == "queued"


def test_the_beat_says_that_it_is_ready(worker: process.WorkerProcess) -> None:
    before = Worker.objects.get(pk=worker.worker.pk).beat_at
    time.sleep(0.01)
    worker.beat()
    assert Worker.objects.get(pk=worker.worker.pk).beat_at > before
    assert live.connection().exists(live.key("ready", "worker"))


def test_what_it_could_not_end_is_ended_by_evidence(
    stage: Stage, worker: process.WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database fails after the host has done it."""

    def full(*args: object, **fields: object) -> bool:
        raise OperationalError("database or disk is full")

    operation = stage.ask("vm.start")
    with monkeypatch.context() as patch:
        patch.setattr(run, "succeed", full)
        patch.setattr(run, "fail", full)
        with pytest.raises(OperationalError):
            worker.take(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, stage.fake.calls) == ("running", ["start"])
    worker.reconcile()
    operation.refresh_from_db()
    assert operation.state == "running", "it may be on its way"
    worker.reconcile()
    operation.refresh_from_db()
    assert (operation.state, stage.fake.calls) == ("succeeded", ["start"])
    assert not OperationLock.objects.exists()


def test_what_it_is_at_is_not_taken_for_lost(stage: Stage, worker: process.WorkerProcess) -> None:
    operation = stage.ask("vm.start")
    claimed = worker.claim(operation.pk)
    assert claimed
    for _ in range(3):
        worker.reconcile()
    assert worker.claim(operation.pk) is None
    worker.do(claimed)
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    assert not worker.mine
