"""Agents are asked by a few threads of their own, seldom, and for longer less often where they do not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
from django.utils import timezone

from tests.conftest import make_vm
from tests.fakehost import FakeHost, info
from tests.watcher.conftest import eventually
from vms.errors import AgentSilent
from vms.inventory import Term, Writer
from vms.metrics import Family, Sample
from vms.models import AgentReport, Freeze, Host, Lease, Placement
from vms.virt import GuestInfo
from vms.watcher import agents, line
from vms.watcher.agents import Agents

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


class Stage:
    def __init__(self, host: Host) -> None:
        self.fake = FakeHost()
        self.host = host
        until = timezone.now() + Lease.LENGTH
        Lease.objects.update_or_create(host=host, defaults={"watcher": "w", "epoch": 3, "until": until})
        self.term = Term(host, "w", 3)
        self.writer = Writer()
        self.writer.start()
        self.samples: list[tuple[Family, list[Sample]]] = []
        self.agents = Agents(self.term, self.writer, lambda *several: self.samples.append(several))

    def add(self, name: str) -> str:
        made = self.fake.add(info(name, "running"))
        vm = make_vm(self.host, name, "running")
        Placement.objects.filter(current_of=vm).update(uuid=made.uuid, run_id=1)
        self.fake.guests[made.uuid] = GuestInfo(host_name=f"{name}-guest")
        return made.uuid

    def asked(self) -> int:
        return self.fake.calls.count("agent info")


@pytest.fixture
def stage(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(line, "IDLE", 0.2)
    monkeypatch.setattr(agents, "APART", 0.2)
    made = Stage(host)
    monkeypatch.setattr(line, "open_connection", made.fake.open)
    yield made
    made.agents.stop()
    made.writer.stop()
    eventually(lambda: made.agents.line.threads == 0)


def has_failed(stage: Stage, uuid: str, times: int) -> bool:
    return stage.agents.turns[uuid].failures == times


def report() -> AgentReport | None:
    return AgentReport.objects.first()


def test_one_that_is_connected_is_asked_once_and_then_when_its_time_has_come(stage: Stage) -> None:
    uuid = stage.add("web-01")
    stage.agents.plan([uuid], [])
    assert stage.asked() == 0
    for _ in range(3):
        stage.agents.plan([uuid], [uuid])
    eventually(report)
    made = report()
    assert made is not None
    assert (made.facts["host_name"], made.error_code, made.run_id) == ("web-01-guest", "", 1)
    stage.agents.plan([uuid], [uuid])
    assert (stage.asked(), stage.agents.turns[uuid].due > time.monotonic() + 200) == (1, True)


def test_whoever_waits_for_it_has_it_asked_at_once(stage: Stage) -> None:
    uuid = stage.add("web-01")
    stage.agents.plan([uuid], [uuid])
    eventually(report)
    eventually(lambda: not stage.agents.turns[uuid].waiting)
    stage.agents.hurry(uuid)
    time.sleep(0.3)
    stage.agents.plan([uuid], [uuid])
    eventually(lambda: stage.asked() == 2)


def test_one_that_does_not_answer_is_asked_less_and_less(stage: Stage) -> None:
    uuid = stage.add("web-01")
    stage.fake.fail["agent"] = AgentSilent()
    for failures in (1, 2, 3):
        stage.agents.plan([uuid], [uuid])
        eventually(partial(has_failed, stage, uuid, failures))
        pause = stage.agents.turns[uuid].due - time.monotonic()
        assert pause == pytest.approx(agents.AGAIN * 2 ** (failures - 1), abs=2)
        # Opening its end anew helps it to nothing.
        stage.agents.plan([uuid], [])
        stage.agents.plan([uuid], [uuid])
        assert stage.asked() == failures
        stage.agents.turns[uuid].due = time.monotonic()
    eventually(report)
    made = report()
    assert made is not None
    assert (made.error_code, made.facts) == ("agent_silent", {})


def test_what_it_told_before_stays_while_it_is_silent(stage: Stage) -> None:
    uuid = stage.add("web-01")
    stage.agents.plan([uuid], [uuid])
    eventually(report)
    stage.fake.fail["agent"] = AgentSilent()
    stage.agents.turns[uuid].due = time.monotonic()
    stage.agents.plan([uuid], [uuid])
    eventually(lambda: AgentReport.objects.filter(error_code="agent_silent").exists())
    made = report()
    assert made is not None
    assert made.facts["host_name"] == "web-01-guest"
    # Not in another run.
    Placement.objects.update(run_id=2)
    stage.agents.turns[uuid].due = time.monotonic()
    stage.agents.plan([uuid], [uuid])
    eventually(lambda: AgentReport.objects.filter(run_id=2, told_at=None, facts={}).exists())


def test_many_that_hang_hold_two_threads_and_nobody_elses(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "LONGEST", 0.5)
    uuids = [stage.add(f"vm-{number}") for number in range(4)]
    stage.fake.hang.add("agent info")
    began = time.monotonic()
    stage.agents.plan(uuids, uuids)
    assert time.monotonic() - began < 0.3
    eventually(lambda: stage.asked() == 2)
    assert sum(one.name.startswith("agents ") for one in threading.enumerate()) == 2
    stage.agents.plan(uuids, uuids)
    assert sum(one.name.startswith("agents ") for one in threading.enumerate()) == 2
    eventually(lambda: AgentReport.objects.filter(error_code="agent_silent").count() == 4)


def test_a_frozen_guest_is_not_asked(stage: Stage) -> None:
    uuid = stage.add("web-01")
    placement = Placement.objects.get(uuid=uuid)
    now = timezone.now()
    Freeze.objects.create(vm_id=placement.vm_id, run_id=1, asked_at=now, seconds=60, thaw_at=now)
    stage.agents.plan([uuid], [uuid])
    eventually(lambda: stage.agents.turns[uuid].asked)
    assert stage.asked() == 0
    Freeze.objects.all().delete()

    def asked() -> bool:
        stage.agents.plan([uuid], [uuid])
        return stage.asked() == 1

    eventually(asked)
