"""The thread that writes numbers: nothing lost by a kill but seconds, nothing counted twice, nothing kept for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.metrics.emptied import count, emptied
from vms import metrics
from vms.metrics import HOST, VM, Sample
from vms.models import Host, LastScreen, Placement, VirtualMachine
from vms.watcher import recorder as recording
from vms.watcher.recorder import Recorder

BEGIN = 1_800_000_000 // 10800 * 10800


def ago(**by: float) -> datetime:
    return datetime.fromtimestamp(BEGIN, UTC) - timedelta(**by)


@pytest.fixture(autouse=True)
def store(db: None) -> Iterator[None]:
    Host.objects.create(pk=7, name="host-7")
    yield from emptied()


class Clocks:
    """wall and monotonic, set by the test."""

    def __init__(self) -> None:
        self.wall, self.moment = float(BEGIN), 1000.0

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.moment

    def go(self, seconds: float) -> None:
        self.wall += seconds
        self.moment += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    made = Clocks()
    monkeypatch.setattr(recording, "time", made)
    return made


def sample(thing: int, t: float, cpu: float = 10.0) -> Sample:
    return thing, int(t), [cpu, None, None]


def run(recorder: Recorder, clocks: Clocks, seconds: int, cpu: float = 10.0) -> None:
    """A sample each five seconds, a turn each fifteen."""
    for i in range(seconds // 5):
        recorder.keep(HOST, [sample(7, clocks.wall, cpu)])
        clocks.go(5)
        if i % 3 == 2:
            recorder.turn()


def cpu(start: float, end: float, now: float, step: int) -> list[float | None]:
    return [
        value for _, value in metrics.ask(HOST, 7, ["cpu"], int(start), int(end), int(now), step=step).points["cpu"]
    ]


def test_roll_ups_follow_the_samples(clocks: Clocks) -> None:
    recorder = Recorder()
    run(recorder, clocks, 1200)
    assert count("host", "raw") == 240
    # The last minutes are made when nothing more of them can come.
    assert count("host", "minute") == 19
    assert count("host", "quarter") == 1
    clocks.go(60)
    recorder.turn()
    assert count("host", "minute") == 20


def test_a_killed_watchers_successor_makes_what_was_left(clocks: Clocks) -> None:
    run(Recorder(), clocks, 600)
    made = count("host", "minute")
    clocks.go(1800)
    second = Recorder()
    second.begin()
    second.turn()
    assert (made, count("host", "minute")) == (9, 10)
    run(second, clocks, 300)
    clocks.go(120)
    second.turn()
    points = metrics.ask(HOST, 7, ["cpu"], BEGIN, int(clocks.wall), int(clocks.wall), step=60).points["cpu"]
    assert [value for _, value in points] == [10.0] * 10 + [None] + [10.0] * 5


def test_a_clock_put_back_counts_nothing_twice_and_throws_nothing_away(clocks: Clocks) -> None:
    recorder = Recorder()
    run(recorder, clocks, 1800)
    clocks.wall -= 1200
    run(recorder, clocks, 1200, cpu=30.0)
    clocks.go(900)
    recorder.turn()
    told = cpu(BEGIN, BEGIN + 1799, clocks.wall, 900)
    # 600 s at 10, then 1,200 s written over at 30; the end of the first pass is still to be seen where nothing came.
    assert told == [pytest.approx((600 * 10 + 300 * 30) / 900, abs=0.01), 30.0]
    assert count("host", "raw") == 360


def test_a_clock_that_jumps_far_ahead_throws_nothing_away(clocks: Clocks) -> None:
    recorder = Recorder()
    run(recorder, clocks, 4500)
    kept = count("host", "minute")
    clocks.wall += 3 * 365 * 86400
    run(recorder, clocks, 900)
    assert count("host", "minute") >= kept
    clocks.wall -= 3 * 365 * 86400
    run(recorder, clocks, 4500)
    # The clock has been steady for an hour: what lay ahead is gone, and what is as old as that too.
    with metrics.database.reading() as look:
        look.execute("SELECT max(t) FROM metrics_host_minute")
        assert look.fetchone()[0] <= clocks.wall


def test_raw_samples_go_after_an_hour(clocks: Clocks) -> None:
    recorder = Recorder()
    run(recorder, clocks, 4 * 3600)
    assert count("host", "raw") <= (3600 + 300 + 600) / 5 + 3
    assert count("host", "minute") >= 4 * 60 - 2


def test_numbers_of_who_is_gone_go_too(clocks: Clocks, host: Host, vm: VirtualMachine) -> None:
    recorder = Recorder()
    values = [1.0] * len(VM.names)
    for thing in (vm.pk, vm.pk + 1):
        recorder.keep(VM, [(thing, BEGIN, values)])
    recorder.keep(HOST, [sample(host.pk, BEGIN), sample(host.pk + 1, BEGIN)])
    recorder.turn()
    recorder.prune(BEGIN)
    assert (metrics.things(VM), metrics.things(HOST)) == ([vm.pk], [host.pk])


@pytest.mark.parametrize(
    ("placement", "host_fields", "left"),
    [
        ({}, {}, True),
        ({"present": False, "gone_at": ago(hours=23)}, {}, True),
        ({"present": False, "gone_at": ago(hours=25)}, {}, False),
        ({}, {"removed_at": ago(hours=25)}, False),
    ],
)
def test_the_last_screen_of_who_is_gone_goes_a_day_later(
    clocks: Clocks, host: Host, vm: VirtualMachine, placement: dict[str, Any], host_fields: dict[str, Any], left: bool
) -> None:
    LastScreen.objects.create(vm=vm, taken_at=ago(days=3), png=b"its screen")
    Placement.objects.filter(vm=vm).update(**placement)
    Host.objects.update(**host_fields)
    Recorder().prune(BEGIN)
    assert LastScreen.objects.exists() == left


def test_a_store_that_refuses_costs_samples_and_no_more(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    recorder, store = Recorder(), metrics.store

    def full(samples: object) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(metrics, "store", full)
    recorder.keep(HOST, [sample(7, clocks.wall)])
    recorder.work("they cannot be stored", recorder.turn)
    monkeypatch.setattr(metrics, "store", store)
    recorder.keep(HOST, [sample(7, clocks.wall + 5)])
    recorder.work("they cannot be stored", recorder.turn)
    assert count("host", "raw") == 1
