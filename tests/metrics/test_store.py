"""What is stored is told again: in the tier that fits, with its gaps, once, and for as long as it is kept."""

from __future__ import annotations

import pytest

from tests.metrics.emptied import count
from vms import metrics
from vms.metrics import HOST, MOST_POINTS, TIERS, VM, Sample
from vms.metrics.tiers import DAY, HOUR, fitting

pytestmark = pytest.mark.usefixtures("store")

NOW = 1_800_000_000 // (3 * HOUR) * 3 * HOUR
MINUTE, QUARTER, HOURS = TIERS[1:]


def sample(t: int, cpu: float | None, memory: float | None = None, thing: int = 7) -> Sample:
    return thing, t, [cpu, None, memory]


def roll_up_all(thing: int, begin: int, end: int) -> None:
    for tier in TIERS[1:]:
        metrics.roll_up(HOST, tier, [(thing, t) for t in range(begin, end, tier.step)])


def test_samples_come_back_as_they_were() -> None:
    metrics.store({HOST: [sample(NOW - 10, 12.34, 3 << 30), sample(NOW - 5, 50.0, 4 << 30)]})
    told = metrics.ask(HOST, 7, ["cpu", "memory", "wait"], NOW - 60, NOW, NOW, step=1)
    assert told.points == {
        "cpu": [(NOW - 10, 12.34), (NOW - 5, 50.0)],
        "memory": [(NOW - 10, 3 << 30), (NOW - 5, 4 << 30)],
        "wait": [(NOW - 10, None), (NOW - 5, None)],
    }
    assert metrics.ask(HOST, 8, ["cpu"], NOW - 60, NOW, NOW).points == {"cpu": []}


def test_every_series_keeps_its_own_scale() -> None:
    values = [0.01 * (i + 1) + 1024 * i for i in range(len(VM.names))]
    metrics.store({VM: [(1, NOW, values)]})
    told = metrics.ask(VM, 1, VM.names, NOW - 1, NOW + 1, NOW, step=1).points
    for name, value in zip(VM.names, values, strict=True):
        [(_, found)] = told[name]
        # To the hundredth, the microsecond, the byte a second or the KiB, each far below what can be measured.
        assert found == pytest.approx(value, abs=1024 if VM[name].unit == "bytes" else 0.51), name


def test_a_time_without_samples_is_a_gap() -> None:
    times = [*range(NOW - 600, NOW - 500, 5), *range(NOW - 300, NOW - 200, 5)]
    metrics.store({HOST: [sample(t, 10.0) for t in times]})
    points = metrics.ask(HOST, 7, ["cpu"], NOW - 600, NOW, NOW, step=5).points["cpu"]
    assert [t for t, value in points if value is None] == [NOW - 500]
    assert len(points) == len(times) + 1


def test_a_sample_that_comes_a_little_late_is_no_gap() -> None:
    times = [NOW - 600 + 7 * i for i in range(50)]
    metrics.store({HOST: [sample(t, 10.0) for t in times]})
    points = metrics.ask(HOST, 7, ["cpu"], NOW - 600, NOW, NOW, step=5).points["cpu"]
    assert None not in [value for _, value in points]


def test_roll_ups_hold_the_mean_and_the_highest() -> None:
    begin = NOW - 3 * HOUR
    # A minute at 10 %, one at 90 % with half as many samples, the rest at 20 %; every tier must weigh them alike.
    samples = [sample(begin + i * 5, 10.0) for i in range(12)]
    samples += [sample(begin + 60 + i * 10, 90.0) for i in range(6)]
    samples += [sample(t, 20.0) for t in range(begin + 120, begin + 900, 5)]
    metrics.store({HOST: samples})
    roll_up_all(7, begin, begin + 3 * HOUR)
    mean = sum(each[2][0] or 0.0 for each in samples) / len(samples)
    for tier in (QUARTER, HOURS):
        told = metrics.ask(HOST, 7, ["cpu"], begin, begin + 1, begin + tier.keep, step=tier.step)
        [(t, value)] = told.points["cpu"]
        assert t == begin and value is not None and abs(value - mean) < 0.01, tier
        told = metrics.ask(HOST, 7, ["cpu"], begin, begin + 1, begin + tier.keep, step=tier.step, of="highest")
        assert told.points["cpu"] == [(begin, 90.0)], tier


def test_what_is_not_told_weighs_nothing() -> None:
    begin = NOW - 3 * HOUR
    metrics.store({HOST: [sample(begin + 5 * i, 40.0 if i < 3 else None) for i in range(24)]})
    roll_up_all(7, begin, begin + 900)
    told = metrics.ask(HOST, 7, ["cpu", "memory"], begin, begin + 1, begin + QUARTER.keep, step=900).points
    assert told == {"cpu": [(begin, 40.0)], "memory": [(begin, None)]}


def test_making_a_row_again_changes_nothing() -> None:
    begin = NOW - HOUR
    metrics.store({HOST: [sample(begin + 5 * i, float(i)) for i in range(12)]})
    for _ in range(3):
        metrics.store({HOST: [sample(begin + 5 * i, float(i)) for i in range(12)]})
        metrics.roll_up(HOST, MINUTE, [(7, begin // 60 * 60)])
    assert (count("host", "raw"), count("host", "minute")) == (12, 1)


def test_a_killed_watchers_work_is_found() -> None:
    begin = NOW - HOUR
    metrics.store({HOST: [sample(begin + 5 * i, 1.0) for i in range(36)]})
    metrics.roll_up(HOST, MINUTE, [(7, begin)])
    # The last one that is there may have been made too early.
    assert metrics.left_undone(HOST, MINUTE) == [(7, begin), (7, begin + 60), (7, begin + 120)]


def test_each_tier_lets_go_of_what_is_old_and_of_what_lies_ahead() -> None:
    metrics.store({HOST: [sample(NOW - age, 1.0) for age in (10, 2 * HOUR, -2 * DAY)]})
    buckets = [(7, NOW - age) for age in (2 * HOUR, 0, -2 * DAY)]
    metrics.store({HOST: [sample(t, 1.0) for _, t in buckets]})
    metrics.roll_up(HOST, MINUTE, buckets)
    metrics.prune(NOW)
    assert (count("host", "raw"), count("host", "minute")) == (2, 2)
    metrics.prune(NOW + 3 * DAY)
    assert (count("host", "raw"), count("host", "minute")) == (0, 0)


def test_what_is_gone_is_forgotten() -> None:
    metrics.store({HOST: [sample(NOW, 1.0, thing=thing) for thing in (3, 7, 9)]})
    assert metrics.things(HOST) == [3, 7, 9]
    metrics.forget(HOST, [3, 9])
    assert metrics.things(HOST) == [7]


def test_an_answer_is_never_long() -> None:
    metrics.store({HOST: [sample(t, 1.0) for t in range(NOW - HOUR, NOW)]})
    told = metrics.ask(HOST, 7, ["cpu"], NOW - HOUR, NOW, NOW, step=1)
    assert told.step == 2 and len(told.points["cpu"]) <= MOST_POINTS


@pytest.mark.parametrize(
    ("age", "step", "name"),
    [(HOUR, 12, "raw"), (HOUR, 60, "minute"), (DAY, 288, "minute"), (DAY, 1, "minute"), (30 * DAY, 8640, "quarter"),
     (2 * DAY, 60, "quarter"), (700 * DAY, 200_000, "hours"), (5000 * DAY, 60, "hours")],
)  # fmt: skip
def test_the_tier_is_as_coarse_as_the_chart_and_reaches_back(age: int, step: int, name: str) -> None:
    assert fitting(age, step).name == name


def test_small_charts_of_many_are_one_answer() -> None:
    begin = NOW - 600
    metrics.store({VM: [(vm, begin + 5 * i, [float(vm)] + [None] * 19) for vm in (1, 2) for i in range(48)]})
    metrics.roll_up(VM, MINUTE, [(vm, begin + 60 * i) for vm in (1, 2) for i in range(4)])
    told = metrics.lately(VM, [1, 2, 3], "cpu", NOW)
    assert told == {vm: [(begin, float(vm)), (begin + 120, float(vm))] for vm in (1, 2)}
