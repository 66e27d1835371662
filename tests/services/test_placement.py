"""Which VM can go to which host, from rows: what each reader is told, in how many questions, and how long it takes."""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.conftest import make_vm
from tests.grants import grant
from vms.errors import CannotMove
from vms.kinds.migration import Migrate
from vms.models import Document, Host, MoveRoute, Network, Placement, StoragePool, User, VirtualMachine, Volume
from vms.services import placement
from vms.services.sentences import sentence

pytestmark = pytest.mark.django_db

CPU: Final = {"model": "EPYC", "vendor": "AMD", "features": ["aes", "x2apic"], "blocked": [["EPYC-Milan", ["vaes"]]]}
FACTS: Final = {
    "domain_type": "kvm", "arch": "x86_64", "cpus": 32, "memory_kib": 64 << 20, "qemu_version": "7.2.0",
    "security_models": ["apparmor", "dac"], "links": [{"name": "eth0", "kind": "ethernet"}],
}  # fmt: skip
HARDWARE: Final = {
    "machines": ["pc-q35-7.2", "q35"], "most_vcpus": [288, 288], "emulator": "/usr/bin/qemu-system-x86_64",
    "firmwares": ["bios", "efi"], "secure_boot": True, "tpm": True, "cpu_vendor": "AMD", "cpu_models": ["EPYC"],
    "guest_cpu": CPU, "cells": [],
}  # fmt: skip
DOCUMENT: Final = """<domain type='kvm'><name>{name}</name><memory unit='GiB'>4</memory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><cpu mode='custom'><model>EPYC</model>
<feature policy='require' name='x2apic'/></cpu><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>
<disk type='file' device='disk'><driver type='qcow2' cache='none'/><source file='{folder}/{name}.qcow2'/>
<target dev='vda'/></disk><disk type='file' device='cdrom'><target dev='sda'/></disk></devices></domain>"""


def make_host(name: str, **fields: Any) -> Host:
    made = {"heard_at": timezone.now(), "facts": FACTS, "hardware": HARDWARE, **fields}
    host = Host.objects.create(name=name, transport="ssh", libvirt_uuid=uuid.uuid4(), **made)
    Network.objects.create(host=host, uuid=uuid.uuid4(), name="default", active=True, mode="nat")
    return host


def make_pool(host: Host, name: str = "default", *, like: StoragePool | None = None, **fields: Any) -> StoragePool:
    made = {"type": "dir", "path": f"/srv/{name}", "active": True, "available_bytes": 100 << 30, **fields}
    if like:
        made["storage"] = like.storage
    return StoragePool.objects.create(host=host, uuid=uuid.uuid4(), name=name, **made)


def make(host: Host, pool: StoragePool, name: str = "web-01", state: str = "running", **fields: Any) -> VirtualMachine:
    vm = make_vm(host, name, state, memory_kib=4 << 20, **fields)
    text = DOCUMENT.format(name=name, folder=pool.path)
    Document.objects.filter(placement=vm.placement).update(live=text if state == "running" else "", next_boot=text)
    volume = Volume.objects.create(
        storage=pool.storage, name=f"{name}.qcow2", path=f"{pool.path}/{name}.qcow2", format="qcow2",
        capacity_bytes=20 << 30,
    )  # fmt: skip
    volume.vms.add(vm)
    return vm


@pytest.fixture
def hosts() -> list[Host]:
    return [make_host(name) for name in ("host-a", "host-b", "host-c")]


def codes(found: list[placement.Verdict]) -> dict[str, list[str]]:
    return {one.host.name: [reason.code for reason in one.reasons] for one in found}


def test_hosts_best_first_each_with_the_way_that_is_best_there(hosts: list[Host], alice: User) -> None:
    """host-c has its disk already; host-b has more memory free, and a pool into which the disk would be copied."""
    shared = make_pool(hosts[0], "shared", type="netfs")
    make_pool(hosts[2], "shared", like=shared, type="netfs")
    make_pool(hosts[1], "small", available_bytes=30 << 30)
    fast = make_pool(hosts[1], "fast")
    far = make_host("host-d")
    Host.objects.filter(pk=far.pk).update(error_code="host_unreachable")
    make_vm(hosts[2], "big", memory_kib=40 << 20)
    found = placement.choices(alice, make(hosts[0], shared))
    assert [one.host.name for one in found] == ["host-c", "host-b", "host-d"]
    near, away, silent = found
    assert (near.possible, near.wish) == (True, Migrate(hosts[2].pk, timeout_s=720))
    assert away.possible and away.copied_bytes == 20 << 30
    assert away.wish == Migrate(hosts[1].pk, copy_storage=True, pool=fast.pk, timeout_s=1320)
    assert not silent.possible
    assert codes(found) == {"host-c": [], "host-b": [], "host-d": ["silent", "no_pool"]}


def test_a_vm_that_is_off_moves_in_no_hurry(hosts: list[Host], alice: User) -> None:
    pool = make_pool(hosts[0])
    there = make_pool(hosts[1])
    vm = make(hosts[0], pool, state="shut_off")
    found = {one.host.name: one for one in placement.choices(alice, vm)}
    assert codes(list(found.values())) == {"host-b": [], "host-c": ["no_pool"]}
    assert found["host-b"].wish == Migrate(hosts[1].pk, mode="offline", copy_storage=True, pool=there.pk)


def test_reasons_are_made_of_what_the_reader_may_use(hosts: list[Host], mallory: User) -> None:
    """A network, a pool or a host in which he has no part is not there for him."""
    shared = make_pool(hosts[0], "shared", type="netfs")
    make_pool(hosts[1], "fast")
    vm = make(hosts[0], shared)
    assert placement.choices(mallory, vm) == []
    grant(mallory, "creator", host=hosts[1])
    assert codes(placement.choices(mallory, vm)) == {"host-b": []}
    Network.objects.filter(host=hosts[1]).delete()
    assert codes(placement.choices(mallory, vm)) == {"host-b": ["network"]}


def test_a_move_is_refused_in_words(hosts: list[Host], alice: User, mallory: User) -> None:
    pool = make_pool(hosts[0])
    vm = make(hosts[0], pool)
    Network.objects.filter(host=hosts[1]).update(name="lan")
    with pytest.raises(CannotMove) as refused:
        placement.refuse(alice, vm, hosts[1], Migrate(hosts[1].pk))
    assert sentence(refused.value.code, refused.value.params) == (
        "web-01 can't move to host-b: host-b lacks the network “default”. Create it there, or choose another network."
    )
    grant(mallory, "creator", host=hosts[1])
    with pytest.raises(CannotMove) as refused:
        placement.refuse(mallory, vm, hosts[1], Migrate(hosts[1].pk))
    assert "host-b" not in sentence(refused.value.code, refused.value.params)


def test_what_goes_in_clear_text_takes_no_disks_along(hosts: list[Host], alice: User) -> None:
    pool = make_pool(hosts[0])
    target = make_pool(hosts[1])
    vm = make(hosts[0], pool)
    wish = Migrate(hosts[1].pk, copy_storage=True, pool=target.pk)
    placement.refuse(alice, vm, hosts[1], wish)
    MoveRoute.objects.create(source=hosts[0], target=hosts[1], way="clear")
    with pytest.raises(CannotMove, match="cannot_move"):
        placement.refuse(alice, vm, hosts[1], wish)


def test_a_layer_needs_what_lies_below_it(hosts: list[Host], alice: User) -> None:
    shared, own = make_pool(hosts[0], "shared", type="netfs"), make_pool(hosts[0])
    make_pool(hosts[1], "shared", like=shared, type="netfs")
    vm = make(hosts[0], shared)
    below = Volume.objects.create(storage=own.storage, name="base.qcow2", format="qcow2")
    assert placement.choices(alice, vm)[0].disks == ()
    Volume.objects.filter(vms=vm).update(backing=below, backing_path="/srv/default/base.qcow2")
    assert [disk.need.target for disk in placement.choices(alice, vm)[0].disks] == ["vda"]


def test_200_vms_and_20_hosts_are_judged_at_once(alice: User) -> None:
    """In so many questions as one of each, and within the time that a page may take, of the processor alone."""
    hosts = [make_host(f"kvm-{number:02}") for number in range(20)]
    first = make_pool(hosts[0], "shared", type="netfs")
    for host in hosts[1:]:
        make_pool(host, "shared", like=first, type="netfs")
    vms = [make(hosts[number % 20], first, f"app-{number:03}") for number in range(200)]
    counts, best = [], 9.0
    for some, there in ((vms[:1], hosts[:1]), (vms, hosts), (vms, hosts), (vms, hosts)):
        with CaptureQueriesContext(connection) as asked:
            began = time.process_time()
            found = placement.matrix(alice, some, placement.targets(alice)[: len(there)])
            best = min(best, time.process_time() - began) if len(some) > 1 else best
        counts.append(len(asked))
        assert len(found) == len(some) * len(there)
    assert len(set(counts)) == 1 and counts[0] <= 12, counts
    assert sum(one.possible for one in found) == 200 * 19
    assert Placement.objects.count() == 200
    assert best < 0.3, best
