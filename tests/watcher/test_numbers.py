"""What becomes of counters on their way to pages and store."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.conftest import make_vm
from vms import live, metrics
from vms.metrics import GUEST, HOST, POOL, VM, Family, Sample
from vms.models import Host, Placement, StoragePool, VirtualMachine
from vms.virt import CardNumbers, DiskNumbers, GuestFileSystem, GuestInfo, HostNumbers, Numbers, PoolInfo
from vms.watcher.numbers import Sampler, sample_guest

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


class Kept:
    """Takes samples; cpu tells a VM's shares one after the other."""

    def __init__(self) -> None:
        self.samples: list[tuple[Family, Sample]] = []

    def keep(self, family: Family, samples: list[Sample]) -> None:
        self.samples += [(family, sample) for sample in samples]

    def cpu(self, vm: VirtualMachine) -> list[float | None]:
        return [values[0] for family, (thing, _, values) in self.samples if family is VM and thing == vm.pk]


@pytest.fixture
def kept() -> Kept:
    return Kept()


def identity(vm: VirtualMachine) -> str:
    assert vm.placement
    return str(vm.placement.uuid)


BEGAN = 1_700_000_000.0


def feed(
    sampler: Sampler, vm: VirtualMachine, times: Mapping[float, float], run: int = 1, began: float = BEGAN
) -> None:
    """times: at which moment its processors had worked for how many seconds. began: the time of day at moment 0."""
    for at, worked in times.items():
        numbers = {identity(vm): Numbers(round(worked * 10**9), 1024, run)}
        sampler.sample(numbers, {identity(vm): 2}, 5.0, at, began + at)


def test_pages_and_store_are_told_the_same(host: Host, vm: VirtualMachine, kept: Kept) -> None:
    feed(Sampler(host, kept.keep), vm, {100.0: 7, 105.0: 12})
    assert kept.cpu(vm) == [None, 50.0]
    assert live.numbers([host.pk]) == {str(vm.placement_id): {"cpu": 0.5, "memory_kib": 1024.0}}
    told = live.counters([host.pk])[vm.pk]
    assert (told["cpu_ns"], told["run_id"], told["disks"]) == (12 * 10**9, 1, [])


def test_what_its_disks_and_cards_move_is_told_where_it_is_known(host: Host, vm: VirtualMachine, kept: Kept) -> None:
    sampler = Sampler(host, kept.keep)
    for at, moved in ((100.0, 0), (105.0, 5000)):
        disk, card = DiskNumbers("vda", moved, 2 * moved, 1, 1, 1, 1), CardNumbers("vnet0", 3 * moved, *[moved] * 7)
        told = {identity(vm): Numbers(10**9, 1024, 1, disks=(disk,), cards=(card,))}
        sampler.sample(told, {identity(vm): 2}, 5.0, at, BEGAN + at)
    known = {"disk_read": 1000, "disk_write": 2000, "net_in": 3000, "net_out": 1000}
    assert live.numbers([host.pk]) == {str(vm.placement_id): {"cpu": 0.0, "memory_kib": 1024.0, **known}}


def test_a_host_that_was_away_for_an_hour_leaves_a_gap_and_no_mountain(
    host: Host, vm: VirtualMachine, kept: Kept
) -> None:
    feed(Sampler(host, kept.keep), vm, {100.0: 7, 105.0: 8, 3705.0: 3000, 3710.0: 3001})
    assert kept.cpu(vm) == [None, 10.0, None, 10.0]


def test_a_start_anew_counts_from_there(host: Host, vm: VirtualMachine, kept: Kept) -> None:
    sampler = Sampler(host, kept.keep)
    feed(sampler, vm, {100.0: 700, 105.0: 701})
    feed(sampler, vm, {110.0: 2, 115.0: 3}, run=2)
    assert kept.cpu(vm) == [None, 10.0, None, 10.0]


def test_what_is_kept_adds_up_to_what_was_counted(host: Host, vm: VirtualMachine, kept: Kept) -> None:
    """A machine with much to do is asked unevenly, and times are kept in whole seconds."""
    times = {100.9: 0.0, 105.1: 0.0, 111.8: 9.0, 117.2: 9.0, 117.4: 11.0, 122.9: 12.0, 130.1: 12.0, 135.5: 12.0}
    feed(Sampler(host, kept.keep), vm, times)
    stored = [(t, values[0]) for _, (_, t, values) in kept.samples]
    assert [t - BEGAN for t, _ in stored] == [100, 105, 111, 117, 122, 130, 135]
    worked = sum((t - before) * 2 * (cpu or 0) / 100 for (before, _), (t, cpu) in pairwise(stored))
    assert worked == pytest.approx(12.0)


def test_what_works_evenly_is_told_evenly(host: Host, vm: VirtualMachine, kept: Kept) -> None:
    feed(Sampler(host, kept.keep), vm, {at: at / 2 for at in (100.9, 105.1, 111.8, 117.2, 123.0)})
    assert kept.cpu(vm)[1:] == [pytest.approx(25.0)] * 4


def test_a_clock_that_jumps_changes_no_rate(host: Host, vm: VirtualMachine, kept: Kept) -> None:
    sampler = Sampler(host, kept.keep)
    for wall, (at, worked) in zip((1e9, 1e9 - 3600, 1e9 + 9e6), ((100.0, 1), (105.0, 2), (110.0, 3)), strict=True):
        feed(sampler, vm, {at: worked}, began=wall - at)
    assert kept.cpu(vm) == [None, 10.0, 10.0]
    assert [sample[1] for _, sample in kept.samples] == [10**9, 10**9 - 3600, 10**9 + 9 * 10**6]


def test_a_vm_that_moves_is_counted_where_it_counts(host: Host, vm: VirtualMachine, kept: Kept) -> None:
    other = Host.objects.create(name="host-b", libvirt_uuid=uuid.uuid4())
    here, there = Sampler(host, kept.keep), Sampler(other, kept.keep)
    feed(here, vm, {100.0: 1, 105.0: 2})
    beyond = Placement.objects.create(
        vm=vm, host=other, uuid=identity(vm), name="web-01", state="running", state_since="2026-01-01T00:00Z",
        read_at="2026-01-01T00:00Z", vcpus=2, memory_kib=1,
    )  # fmt: skip
    # It runs on both for a moment, and what the new one counts began at nothing.
    feed(there, vm, {106.0: 0})
    feed(here, vm, {110.0: 3})
    VirtualMachine.objects.filter(pk=vm.pk).update(placement=beyond)
    feed(there, vm, {111.0: 1, 116.0: 2})
    assert kept.cpu(vm) == [None, 10.0, 10.0, 10.0, 10.0]
    feed(here, vm, {175.0: 4, 180.0: 5})
    assert len(kept.cpu(vm)) == 5


def test_what_no_row_knows_is_not_stored(host: Host, kept: Kept) -> None:
    sampler = Sampler(host, kept.keep)
    sampler.sample({str(uuid.uuid4()): Numbers(1, 1)}, {}, 5.0, 100.0, BEGAN)
    assert not kept.samples
    found = make_vm(host, "web-02")
    feed(sampler, found, {105.0: 1})
    assert kept.cpu(found) == [None]


def test_a_host_tells_its_own_and_how_often_it_is_asked(host: Host, kept: Kept) -> None:
    sampler = Sampler(host, kept.keep)
    for at, cpu, idle in ((0.0, 0, 0), (5.0, 10**9, 6 * 10**8)):
        sampler.sample_host(HostNumbers(cpu, idle, 4096, 1024, {}, {}, 0), 7.5, at)
    assert [(family, sample[0], sample[2]) for family, sample in kept.samples] == [
        (HOST, host.pk, [None, None, 3 << 20]), (HOST, host.pk, [40.0, 0.0, 3 << 20]),
    ]  # fmt: skip
    assert live.host_use(host.pk)["period"] == 7.5
    sampler.sample_host(None, 5.0, 10.0)
    assert live.host_use(host.pk) == {"period": 5.0}


def test_of_its_pools_those_that_have_a_row_and_are_started(host: Host, kept: Kept) -> None:
    row = StoragePool.objects.create(host=host, uuid=uuid.uuid4(), name="default")
    known = PoolInfo(str(row.uuid), "default", "dir", "/pool", True, True, 100 << 30, 60 << 30, 40 << 30)
    new = replace(known, uuid=str(uuid.uuid4()), name="new")
    Sampler(host, kept.keep).sample_pools([known, new])
    Sampler(host, kept.keep).sample_pools([replace(known, active=False, capacity=0, allocation=0)])
    assert [(family, sample[0], sample[2]) for family, sample in kept.samples] == [
        (POOL, row.pk, (40 << 30, 100 << 30))
    ]


def test_a_guests_fullest_file_system(vm: VirtualMachine, kept: Kept) -> None:
    assert vm.placement
    told = (
        GuestFileSystem("/", "ext4", ("vda",), 10 << 30, 4 << 30),
        GuestFileSystem("/var", "xfs", ("vdb",), 1 << 30, 1 << 29),
        GuestFileSystem("/media", "iso9660", ("sda",), 600 << 20, 600 << 20),
        GuestFileSystem("/mnt", "nfs", (), None, None),
        GuestFileSystem("/lies", "ext4", (), 2**63, 2**70),
    )
    sample_guest(vm.placement, GuestInfo(file_systems=told[:4]), kept.keep)
    sample_guest(vm.placement, GuestInfo(file_systems=told[2:4]), kept.keep)
    assert [(family, sample[0], sample[2]) for family, sample in kept.samples] == [
        (GUEST, vm.pk, (50.0, (4 << 30) + (1 << 29), 11 << 30))
    ]
    sample_guest(vm.placement, GuestInfo(file_systems=told), kept.keep)
    metrics.store({GUEST: [kept.samples[-1][1]]})


def test_a_former_placements_guest_is_not_the_vms(vm: VirtualMachine, kept: Kept) -> None:
    assert vm.placement
    VirtualMachine.objects.filter(pk=vm.pk).update(placement=None)
    elsewhere = Placement.objects.get(pk=vm.placement.pk)
    sample_guest(elsewhere, GuestInfo(file_systems=(GuestFileSystem("/", "ext4", (), 9, 3),)), kept.keep)
    assert not kept.samples
