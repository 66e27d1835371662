"""Who uses most: by the rows that the charts are drawn from, and only of what somebody sees."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import make_vm
from tests.grants import grant
from tests.metrics.emptied import emptied
from vms import metrics
from vms.metrics import HOST, TIERS, VM
from vms.models import Host, User, VirtualMachine
from vms.services import capacity
from vms.services.top import top

pytestmark = pytest.mark.django_db
RAW, MINUTE, QUARTER, HOURS = TIERS
DAY = 24 * 3600


@pytest.fixture(autouse=True)
def store(db: None) -> Iterator[None]:
    yield from emptied()


def values(**named: float) -> list[float | None]:
    return [named.get(name) for name in VM.names]


def lately(vm: VirtualMachine, **named: float) -> None:
    """It did this all the last two minutes."""
    now = int(time.time())
    metrics.store({VM: [(vm.pk, now - 5 * i, values(**named)) for i in range(20)]})


def quarters(vm: VirtualMachine, which: Any, **named: float) -> None:
    """It did this in these quarters of an hour, 0 being the last whole one."""
    end = int(time.time()) // 900 * 900
    times = [end - 900 * (each + 1) for each in which]
    metrics.store({VM: [(vm.pk, t + 30, values(**named)) for t in times]})
    metrics.roll_up(VM, MINUTE, [(vm.pk, t) for t in times])
    metrics.roll_up(VM, QUARTER, [(vm.pk, t) for t in times])


def ranked(who: User, *args: Any, **more: Any) -> list[tuple[str, float]]:
    return [(line.name, round(line.value, 3)) for line in top(who, *args, **more).lines]


def test_processors_are_counted_and_not_percent(alice: User, host: Host) -> None:
    small, large, idle = (make_vm(host, name, vcpus=n) for name, n in (("small", 1), ("large", 8), ("idle", 4)))
    lately(small, cpu=90)
    lately(large, cpu=25)
    lately(idle, cpu=0)
    found = top(alice, "cpu", "now")
    assert [(line.name, line.value) for line in found.lines] == [("large", 2.0), ("small", 0.9)]
    assert found.total == pytest.approx(2.9) and found.counted == 3
    assert [line.share for line in found.lines] == [pytest.approx(2 / 2.9), pytest.approx(0.9 / 2.9)]


def test_memory_is_what_the_process_holds_where_that_is_told(alice: User, host: Host) -> None:
    told, silent = make_vm(host, "told"), make_vm(host, "silent")
    lately(told, memory=1 << 20, memory_process=3 << 30)
    lately(silent, memory=2 << 30)
    assert ranked(alice, "memory", "now") == [("told", 3 << 30), ("silent", 2 << 30)]


def test_both_directions_count(alice: User, host: Host) -> None:
    vm = make_vm(host, "busy")
    lately(vm, disk_read=1000, disk_write=500, net_in=10, net_out=20)
    assert ranked(alice, "disk", "now") == [("busy", 1500)]
    assert ranked(alice, "network", "now") == [("busy", 30)]


def test_a_day_agrees_with_the_chart(alice: User, host: Host, vm: VirtualMachine) -> None:
    quarters(vm, range(96), cpu=20)
    quarters(vm, range(0, 96, 3), cpu=80)
    now = int(time.time())
    end = now // 900 * 900
    points = metrics.ask(VM, vm.pk, ["cpu"], end - DAY, end - 1, now, step=900).points["cpu"]
    drawn = [value for _, value in points if value is not None]
    [line] = top(alice, "cpu", "day").lines
    assert len(drawn) == 96
    assert line.value == pytest.approx(sum(drawn) / 96 * 2 / 100, rel=0.01)


def test_who_was_off_used_nothing_then(alice: User, host: Host) -> None:
    short, steady = make_vm(host, "short", "shut_off"), make_vm(host, "steady")
    quarters(short, range(8), cpu=90)
    quarters(steady, range(96), cpu=30)
    found = dict(ranked(alice, "cpu", "day"))
    assert found["steady"] == pytest.approx(0.6) and found["short"] == pytest.approx(90 * 2 / 100 * 8 / 96, rel=0.01)
    assert ranked(alice, "cpu", "now") == []


def test_one_sees_ones_own(alice: User, mallory: User, host: Host, vm: VirtualMachine) -> None:
    other = make_vm(host, "foreign")
    for each in (vm, other):
        lately(each, cpu=50)
        quarters(each, range(4), cpu=50)
    assert ranked(mallory, "cpu", "now") == []
    grant(mallory, "viewer", vm)
    for over in ("now", "day"):
        found = top(mallory, "cpu", over)
        assert [(line.name, line.host, line.share) for line in found.lines] == [(vm.name, None, 1.0)]
        assert found.counted == 1
    # A host of others is not named, one's own is.
    grant(mallory, "viewer", host)
    assert {line.host for line in top(mallory, "cpu", "now").lines} == {(host.pk, host.name)}


def test_of_one_host(alice: User, host: Host, vm: VirtualMachine) -> None:
    other = Host.objects.create(name="host-b", node="node-a")
    lately(vm, cpu=10)
    lately(make_vm(other, "there"), cpu=90)
    assert ranked(alice, "cpu", "now", host=host) == [(vm.name, 0.2)]


def test_it_costs_as_much_for_many(alice: User, host: Host, django_assert_num_queries: Any) -> None:
    for number in range(30):
        lately(make_vm(host, f"vm-{number}"), cpu=number)
    with django_assert_num_queries(2):
        assert len(top(alice, "cpu", "now").lines) == 10


def test_what_is_given_is_that_of_running_vms(alice: User, host: Host) -> None:
    make_vm(host, "on", vcpus=3, memory_kib=3 << 20)
    make_vm(host, "paused", "paused", vcpus=1, memory_kib=2 << 20)
    make_vm(host, "off", "shut_off", vcpus=4, memory_kib=1 << 20)
    make_vm(host, "gone", present=False, vcpus=16)
    now = int(time.time())
    metrics.store({HOST: [(host.pk, now - 5 * i, [50.0, 0.0, 2 << 30]) for i in range(4)]})
    [line] = capacity.host_lines(alice, [host], capacity.given(alice))
    cpus, memory = line.cpus, line.memory
    assert (cpus.whole, cpus.given, cpus.promised, cpus.over, cpus.used) == (2, 4, 8, 2, 1.0)
    assert (memory.whole >> 30, memory.given >> 30, memory.promised >> 30, memory.over >> 30) == (4, 5, 6, 1)
    assert (memory.used, memory.day) == (float(2 << 30), None)
    assert (line.vms, line.running) == (3, 2)
