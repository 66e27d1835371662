"""Advice: what is said of a VM's week and of volumes, what is not said, to whom, and what is done about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.http import Http404
from django.utils import timezone

from tests.conftest import make_vm, silence
from tests.data.shapes import MACHINE
from tests.grants import grant
from tests.metrics.emptied import emptied
from tests.metrics.weeks import FULL, IDLE, SPANS, TOLD, week
from vms import metrics
from vms.errors import NotAllowed
from vms.metrics import HOST, TIERS, VM
from vms.models import (
    AuditEvent,
    Document,
    Host,
    Image,
    ImageCopy,
    LeftAlone,
    Placement,
    Schedule,
    ScheduledSnapshot,
    Snapshot,
    StoragePool,
    User,
    Version,
    VirtualMachine,
    Volume,
)
from vms.permissions import Actor
from vms.services import advice, advice_words
from vms.services.advice_rules import percentile
from vms.services.freshness import placed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
GIB = 1 << 20
BUSY = {"cpu": 30.0, "net_in": 1e6, "net_out": 1e6}


@pytest.fixture(autouse=True)
def store(db: None) -> Iterator[None]:
    yield from emptied()


@pytest.fixture
def big(host: Host) -> VirtualMachine:
    """Eight processors, 16 GiB; its host has been watched all the week."""
    Host.objects.filter(pk=host.pk).update(facts={"cpus": 32, "memory_kib": 64 * GIB})
    week(host.pk, {"cpu": 1.0}, family=HOST)
    return make_vm(host, "big", vcpus=8, memory_kib=16 * GIB)


def said(who: User) -> list[tuple[str, str, int, int]]:
    return [(one.kind, one.thing.name, one.has, one.wants) for one in advice.find(who).given]


def test_idle_by_a_whole_week(alice: User, big: VirtualMachine) -> None:
    week(big.pk, IDLE, {"cpu": 60.0})
    [one] = advice.find(alice).given
    assert (one.id, one.saves_cpus, one.saves_kib, one.may) == (f"idle-{big.pk}", 8, 16 * GIB, True)
    line = advice_words.line(one)
    assert line.saving == "frees 8 processors, 16 GiB of memory"
    assert "In 95 of 100 spans of three hours its processors were at most 0.4 % in use" in line.why
    assert "Of the last 7 days it ran and was watched for 168 hours." in line.why


@pytest.mark.parametrize(
    ("spans", "n"),
    [([0], 720), (range(0, SPANS, 8), 720), (range(SPANS), 60), (range(39), FULL)],
    ids=["an hour", "an hour a day", "five minutes in each span", "less than five days"],
)
def test_who_was_watched_too_little_is_not_judged(alice: User, big: VirtualMachine, spans: Any, n: int) -> None:
    week(big.pk, IDLE, spans=spans, n=n)
    assert said(alice) == []


def test_one_hour_by_the_watchers_own_roll_ups(alice: User, big: VirtualMachine) -> None:
    begin = int(time.time()) // TIERS[-1].step * TIERS[-1].step - TIERS[-1].step
    values = [IDLE.get(name) for name in VM.names]
    metrics.store({VM: [(big.pk, begin + 5 * i, values) for i in range(720)]})
    for tier in TIERS[1:]:
        metrics.roll_up(VM, tier, [(big.pk, t) for t in range(begin, begin + 3600, tier.step)])
    [(_, rows)] = metrics.spans(VM, [big.pk], ("cpu",), begin - 1, begin + 1, TIERS[-1])
    assert [(row[2], row[3]) for row in rows] == [(720, 40)]
    assert said(alice) == []


def test_a_host_that_is_sampled_seldom_is_judged_too(alice: User, big: VirtualMachine, host: Host) -> None:
    # Every 108 seconds.
    week(host.pk, {"cpu": 1.0}, family=HOST, n=100)
    week(big.pk, IDLE, n=100)
    assert said(alice) == [("idle", "big", 0, 0)]
    # As often as its host, but in half of the spans.
    week(host.pk, {"cpu": 1.0}, family=HOST, n=FULL)
    assert said(alice) == []


def test_gaps_are_no_idleness(alice: User, big: VirtualMachine) -> None:
    # It worked whenever it was watched; before, it was not there.
    week(big.pk, BUSY, spans=range(5))
    assert said(alice) == []
    # Spans in which no rate could be made.
    week(big.pk, {"memory": 1.0})
    assert said(alice) == []


@pytest.mark.parametrize(
    "does", [{"cpu": 3.0}, {"disk_read": 50_000.0}, {"net_out": 3_000.0}], ids=["computes", "reads", "sends"]
)
def test_who_does_something_is_not_idle(alice: User, big: VirtualMachine, does: dict[str, float]) -> None:
    week(big.pk, {**IDLE, **does}, {"cpu": 90.0})
    assert said(alice) == []


def test_too_many_processors(alice: User, big: VirtualMachine) -> None:
    week(big.pk, {**BUSY, "cpu": 6.0}, {"cpu": 20.0})
    # A fifth of eight are 1.6, with room 2.3.
    assert said(alice) == [("cpus", "big", 8, 3)]
    [one] = advice.find(alice).given
    assert (one.saves_cpus, one.saves_kib) == (5, 0)
    assert "at most 20 % of its processors" in advice_words.line(one).why


def test_a_percentile_passes_over_two_spans_of_56_and_not_over_three(alice: User, big: VirtualMachine) -> None:
    week(big.pk, {**BUSY, "cpu": 6.0}, {"cpu": 20.0})
    week(big.pk, {**BUSY, "cpu": 60.0}, {"cpu": 100.0}, spans=[7, 30])
    assert said(alice) == [("cpus", "big", 8, 3)]
    week(big.pk, {**BUSY, "cpu": 60.0}, {"cpu": 100.0}, spans=[8])
    assert said(alice) == []
    assert percentile([float(n) for n in range(1, 101)]) == 95 and percentile([3.0]) == 3 and percentile([]) is None


def test_too_few_processors_unless_the_host_gives_no_time(alice: User, big: VirtualMachine, host: Host) -> None:
    week(big.pk, {**BUSY, "cpu": 90.0, "steal": 1.0}, {"cpu": 100.0})
    assert said(alice) == [("cpus", "big", 8, 12)]
    assert advice_words.line(advice.find(alice).given[0]).saving == "takes 4 processors more"
    Host.objects.filter(pk=host.pk).update(facts={"cpus": 8, "memory_kib": 64 * GIB})
    assert said(alice) == []
    Host.objects.filter(pk=host.pk).update(facts={"cpus": 32})
    week(big.pk, {**BUSY, "cpu": 90.0, "steal": 12.0}, {"cpu": 100.0})
    assert said(alice) == []


def test_memory_is_judged_where_the_guest_tells(alice: User, big: VirtualMachine) -> None:
    gib = 1 << 30
    uses = {**BUSY, "memory": 3.0 * gib, "memory_balloon": 16.0 * gib}
    week(big.pk, uses, {"cpu": 90.0, "memory": 4.0 * gib})
    assert said(alice) == []
    week(big.pk, {**uses, **TOLD}, {"cpu": 90.0, "memory": 4.0 * gib})
    assert said(alice) == [("memory", "big", 16 * GIB, 5 * GIB)]
    assert advice.find(alice).given[0].saves_kib == 11 * GIB
    # What the balloon has taken from it is not saved twice.
    week(big.pk, {**uses, **TOLD, "memory_balloon": 6.0 * gib}, {"cpu": 90.0, "memory": 4.0 * gib})
    assert said(alice) == []


def test_too_little_memory(alice: User, big: VirtualMachine) -> None:
    gib = 1 << 30
    full = {**BUSY, **TOLD, "memory": 15.0 * gib}
    week(big.pk, full, {"cpu": 90.0, "memory": 16.0 * gib})
    assert said(alice) == [("memory", "big", 16 * GIB, 24 * GIB)]
    week(big.pk, {**full, "memory": 9.0 * gib, "swap_in": 1e5}, {"cpu": 90.0, "memory": 14.0 * gib})
    assert said(alice) == [("memory", "big", 16 * GIB, 24 * GIB)]
    assert advice.find(alice).given[0].needs_more


def test_what_was_changed_is_judged_from_then_on(alice: User, big: VirtualMachine) -> None:
    week(big.pk, {**BUSY, "cpu": 6.0}, {"cpu": 20.0})
    version = Version.objects.create(vm=big, number=1, xml="<domain/>")
    for days, since, expected in ((1, 9, 0), (6, 9, 1), (6, 2, 0), (8, 2, 1)):
        now = timezone.now()
        Version.objects.filter(pk=version.pk).update(at=now - timedelta(days=days))
        Placement.objects.filter(vm=big).update(state_since=now - timedelta(days=since))
        assert len(said(alice)) == expected, (days, since)


def test_what_waits_for_the_next_start_is_not_advised_again(alice: User, big: VirtualMachine) -> None:
    week(big.pk, {**BUSY, "cpu": 6.0}, {"cpu": 20.0})
    Placement.objects.filter(vm=big).update(waiting=1)
    assert said(alice) == []


def test_percent_of_some_of_its_processors_say_nothing_of_all(alice: User, big: VirtualMachine) -> None:
    week(big.pk, {**BUSY, "cpu": 6.0}, {"cpu": 20.0})
    Document.objects.filter(placement__vm=big).update(next_boot="<domain><vcpu current='2'>8</vcpu></domain>")
    assert said(alice) == []


@pytest.mark.parametrize("fields", [{"state": "shut_off"}, {"state": "paused"}, {"present": False}])
def test_who_does_not_run_is_not_judged(alice: User, big: VirtualMachine, fields: dict[str, Any]) -> None:
    week(big.pk, IDLE)
    Placement.objects.filter(vm=big).update(**fields)
    assert said(alice) == []


def make_pool(host: Host, name: str = "default") -> StoragePool:
    return StoragePool.objects.create(
        host=host, uuid=UUID(int=StoragePool.objects.count()), name=name, active=True, type="dir"
    )


def make_volume(pool: StoragePool, name: str, days: float = 60, **fields: Any) -> Volume:
    return Volume.objects.create(
        storage=pool.storage, name=name, format="qcow2", capacity_bytes=20 << 30, allocation_bytes=3 << 30,
        changed_at=timezone.now() - timedelta(days=days), **fields,
    )  # fmt: skip


def test_a_volume_that_nothing_uses(alice: User, host: Host, vm: VirtualMachine) -> None:
    pool = make_pool(host)
    make_volume(pool, "left.qcow2")
    make_volume(pool, "new.qcow2", days=2)
    make_volume(pool, "being-made", state="incomplete")
    make_volume(pool, "seed", private=True)
    make_volume(pool, "gone", present=False)
    untold = make_volume(pool, "nobody-knows-when")
    Volume.objects.filter(pk=untold.pk).update(changed_at=None)
    make_volume(pool, "used").vms.add(vm)
    base = make_volume(pool, "base")
    make_volume(pool, "layer", backing=base).vms.add(vm)
    cloud = Image.objects.create(kind="disk", name="cloud")
    ImageCopy.objects.create(image=cloud, volume=make_volume(pool, "cloud.qcow2"))
    assert said(alice) == [("disk", "left.qcow2", 0, 0)]
    [one] = advice.find(alice).given
    line = advice_words.line(one)
    assert (line.name, line.saving) == ("default / left.qcow2", "frees 3 GiB of storage")
    assert (
        "No VM that the dashboard knows has it" in line.why and "7 days" in line.why and "not made here" not in line.why
    )
    assert line.takes_back == "This cannot be undone."


def test_what_was_not_made_here_is_spoken_of_carefully(alice: User, host: Host) -> None:
    make_volume(make_pool(host), "strange", origin="found")
    line = advice_words.line(advice.find(alice).given[0])
    assert line.what == "Look what it is; if nothing needs it, delete it."
    assert "It was not made here" in line.why


def test_media_are_kept_longer(alice: User, host: Host) -> None:
    pool = make_pool(host)
    make_volume(pool, "old.iso", days=31)
    make_volume(pool, "newer.iso", days=20)
    copied = make_volume(pool, "debian", days=31, told_format="iso")
    image = Image.objects.create(kind="iso", name="Debian")
    ImageCopy.objects.create(image=image, volume=copied, published=True)
    assert said(alice) == [("iso", "debian", 0, 0), ("iso", "old.iso", 0, 0)]
    assert "It is offered to others." in advice_words.line(advice.find(alice).given[0]).why


def test_nothing_is_said_of_a_volume_that_a_silent_host_may_use(alice: User, host: Host) -> None:
    pool = make_pool(host)
    make_volume(pool, "shared.qcow2")
    other = Host.objects.create(name="host-b", node="node-a", heard_at=timezone.now())
    beside = StoragePool.objects.create(host=other, uuid=UUID(int=99), name="shared", storage=pool.storage, active=True)
    assert len(said(alice)) == 1
    silence(other)
    assert said(alice) == []
    StoragePool.objects.filter(pk=beside.pk).update(present=False)
    assert len(said(alice)) == 1
    Host.objects.filter(pk=host.pk).update(heard_at=None)
    assert said(alice) == []


def test_one_is_advised_on_what_one_sees(mallory: User, host: Host, big: VirtualMachine) -> None:
    other = make_vm(host, "foreign")
    for each in (big, other):
        week(each.pk, IDLE)
    pool = make_pool(host)
    make_volume(pool, "theirs")
    mine = make_volume(pool, "mine", owner=mallory)
    assert said(mallory) == [("disk", "mine", 0, 0)]
    grant(mallory, "viewer", big)
    found = {one.id: one.may for one in advice.find(mallory).given}
    assert found == {f"idle-{big.pk}": False, f"disk-{mine.pk}": True}
    with pytest.raises(Http404):
        advice.get_or_404(mallory, f"idle-{other.pk}")
    with pytest.raises(Http404):
        advice.leave(Actor(mallory), f"idle-{other.pk}")
    with pytest.raises(NotAllowed):
        advice.leave(Actor(mallory), f"idle-{big.pk}")
    with pytest.raises(NotAllowed):
        advice.apply(Actor(mallory), advice.get_or_404(mallory, f"idle-{big.pk}"))
    grant(mallory, "operator", big)
    assert {one.id: one.may for one in advice.find(mallory).given}[f"idle-{big.pk}"]


def test_what_is_left_alone_is_given_to_nobody_until_that_is_taken_back(
    alice: User, actor: Actor, mallory: User, big: VirtualMachine
) -> None:
    week(big.pk, IDLE)
    grant(mallory, "viewer", big)
    id = f"idle-{big.pk}"
    for _ in range(2):
        advice.leave(actor, id)
    for who in (alice, mallory):
        found = advice.find(who)
        assert found.given == [] and [one.id for one in found.left] == [id]
    assert LeftAlone.objects.get().by_name == "alice"
    for _ in range(2):
        advice.take_back(actor, id)
    assert len(said(mallory)) == 1
    told = AuditEvent.objects.order_by("pk").values_list("action", "target", "facts__advice")
    assert list(told) == [
        ("left-alone:advice", f"vm:{big.pk}", "idle"), ("took-back:advice", f"vm:{big.pk}", "idle"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "id", ["", "idle", "idle-", "idle-x", "idle-²", "sleepy-1", "idle-99999999999999999999", "disk-1"]
)
def test_what_is_no_advice_is_not_there(actor: Actor, big: VirtualMachine, id: str) -> None:
    for ask in (advice.leave, advice.take_back):
        with pytest.raises(Http404):
            ask(actor, id)
    with pytest.raises(Http404):
        advice.get_or_404(actor, f"idle-{big.pk}")


def test_applying_is_the_operation_that_anybody_would_ask_for(
    alice: User, actor: Actor, host: Host, big: VirtualMachine
) -> None:
    week(big.pk, IDLE)
    assert advice.apply(actor, advice.get_or_404(alice, f"idle-{big.pk}")).kind == "vm.shutdown"
    other = make_vm(host, "other", vcpus=2, memory_kib=1 << 20)
    Document.objects.filter(placement__vm=other).update(next_boot=MACHINE)
    week(other.pk, {**BUSY, "cpu": 5.0}, {"cpu": 10.0})
    one = advice.get_or_404(alice, f"cpus-{other.pk}")
    assert (one.has, one.wants) == (2, 1)
    asked = advice.apply(actor, one)
    assert (asked.kind, asked.params["apply"]) == ("vm.shape", "next")
    assert ("cpus", 1) in [(edit["lens"], edit["value"]) for edit in asked.params["edits"]]
    left = make_volume(make_pool(host), "left")
    assert advice.apply(actor, advice.get_or_404(alice, f"disk-{left.pk}")).kind == "volume.delete"


def old(vm: VirtualMachine, name: str, days: int = 31, **fields: Any) -> Snapshot:
    taken = timezone.now() - timedelta(days=days)
    return Snapshot.objects.create(placement=placed(vm), name=name, taken_at=taken, kind="internal", **fields)


def test_old_snapshots(alice: User, actor: Actor, big: VirtualMachine, mallory: User) -> None:
    """Not the young ones, nor what a schedule keeps."""
    there = old(big, "forgotten", has_memory=True, memory_bytes=1 << 30)
    old(big, "young", days=29)
    old(big, "kept")
    keeps = Schedule.objects.create(name="n", owner=alice, vm=big, every="daily", zone="UTC", keep_last=1)
    ScheduledSnapshot.objects.create(schedule=keeps, vm=big, vm_name="big", name="kept", state="taken")
    assert [(one.kind, one.thing.name, one.vm) for one in advice.find(alice).given] == [("snapshot", "forgotten", big)]
    one = advice.find(alice).given[0]
    line = advice_words.line(one)
    assert "31 days ago by its host's clock" in line.why and "1 GiB" in line.why and line.name == "big / forgotten"
    assert line.way == f"/vms/{big.pk}/snapshots/of/forgotten/delete/"
    assert advice.find(mallory).given == []
    grant(mallory, "operator", big)
    assert [(one.thing.name, one.may) for one in advice.find(mallory).given] == [("forgotten", False)]
    with pytest.raises(NotAllowed):
        advice.leave(Actor(mallory), one.id)
    advice.leave(actor, one.id)
    assert advice.find(alice).given == [] and len(advice.find(alice).left) == 1
    advice.take_back(actor, one.id)
    asked = advice.apply(actor, advice.get_or_404(alice, f"snapshot-{there.pk}"), idempotency_key="k")
    assert (asked.kind, asked.params) == ("vm.delete-snapshot", {"name": "forgotten", "children": False})
    there.delete()
    assert advice.asked_before(actor, one.id, "k") == asked
    with pytest.raises(Http404):
        advice.get_or_404(alice, one.id)


def test_it_costs_as_much_for_many(alice: User, host: Host, django_assert_num_queries: Any) -> None:
    pool = make_pool(host)
    for number in range(2):
        for at in range(2 + 10 * number):
            week(make_vm(host, f"vm-{number}-{at}").pk, IDLE)
            make_volume(pool, f"volume-{number}-{at}")
            old(VirtualMachine.objects.get(name=f"vm-{number}-{at}"), "old")
        # VMs, their hosts, with some processors; volumes, pools, may be deleted; snapshots; left alone.
        with django_assert_num_queries(8):
            advice.find(alice)
