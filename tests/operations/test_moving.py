"""A disk moved to another pool, on a host which exists in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fakehost import FakeConnection
from tests.operations.conftest import Stage, make_pool
from tests.operations.test_volumes import put
from vms.errors import BadFields, HostRefused, MoveRefused
from vms.libvirtxml import DomainXML
from vms.models import Document, Operation, OperationState, Reservation, StoragePool, User, VirtualMachine, Volume
from vms.operations.moving import mend
from vms.operations.volumes import new_row
from vms.services import moving
from vms.virt import SnapshotInfo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]
DATA = b"bytes of the guest" * 4096
MACHINE = (
    "<domain type='kvm'><name>web-01</name><uuid>{uuid}</uuid><memory unit='KiB'>2048</memory><vcpu>2</vcpu>"
    "<os><type>hvm</type></os><devices><disk type='{how}' device='disk'><driver name='qemu' type='raw'/>"
    "<source {source}/><target dev='vda' bus='virtio'/></disk></devices></domain>"
)
BY_NAME = ("volume", "pool='default' volume='disk'")
BY_PATH = ("file", "file='/pool/disk'")


@pytest.fixture
def other(stage: Stage, pool: StoragePool) -> StoragePool:
    return make_pool(stage.fake, stage.host, 8, "fast", path="/fast")


@pytest.fixture
def disk(stage: Stage, pool: StoragePool) -> Volume:
    return put(stage, pool, "disk", DATA)


def known(stage: Stage, disk: Volume, how: tuple[str, str] = BY_NAME, state: str = "shut_off") -> None:
    """The VM has the disk, and the watcher has seen it."""
    stage.set_state(state)
    text = MACHINE.format(uuid=stage.uuid, how=how[0], source=how[1])
    live = text if state == "running" else ""
    told = stage.fake.domains[stage.uuid]
    stage.fake.domains[stage.uuid] = replace(told, next_boot_xml=text, live_xml=live)
    Document.objects.update(next_boot=text, live=live)
    stage.fake.sizes[next(key for key in stage.fake.volumes if key[1] == disk.name)] = len(DATA)
    disk.vms.add(stage.vm)


def ask(stage: Stage, other: StoragePool) -> Operation:
    return moving.ask(stage.actor, stage.vm, "vda", other.pk)


def sources(text: str) -> list[str | None]:
    return [disk.source for disk in DomainXML.parse(text).disks]


@pytest.mark.parametrize("how", [BY_NAME, BY_PATH])
def test_of_one_that_is_off_the_bytes_are_copied(
    stage: Stage, disk: Volume, other: StoragePool, done: Done, how: tuple[str, str]
) -> None:
    known(stage, disk, how)
    User.objects.create(username="owner")
    Volume.objects.filter(pk=disk.pk).update(owner=User.objects.get(username="owner"))
    ended = done(ask(stage, other))
    assert ended.state == "succeeded", (ended.error_code, ended.details, ended.error_params)
    assert sources(stage.fake.domains[stage.uuid].next_boot_xml) == ["fast/disk"]
    assert stage.fake.volumes[str(other.uuid), "disk"] == DATA
    row = Volume.objects.get(storage=other.storage_id)
    assert (row.state, row.format, row.owner and row.owner.username) == ("ready", "raw", "owner"), "not the mover's"
    assert Volume.objects.filter(pk=disk.pk, state="ready").exists() and len(stage.fake.volumes) == 2


@pytest.mark.parametrize("how", [BY_NAME, BY_PATH])
def test_one_that_runs_goes_over_when_both_are_the_same(
    stage: Stage, disk: Volume, other: StoragePool, done: Done, how: tuple[str, str]
) -> None:
    known(stage, disk, how, "running")
    ended = done(ask(stage, other))
    assert ended.state == "succeeded", (ended.error_code, ended.details, ended.error_params)
    told = stage.fake.domains[stage.uuid]
    assert sources(told.live_xml) == sources(told.next_boot_xml) == ["/fast/disk"]
    assert [line.code for line in ended.log.all()][-3:-1] == ["move_copies", "move_over"]
    assert Volume.objects.get(storage=other.storage_id).state == "ready"


def test_one_that_is_cancelled_leaves_nothing(stage: Stage, disk: Volume, other: StoragePool, done: Done) -> None:
    known(stage, disk, state="running")
    stage.fake.after["look vda"] = lambda: Operation.objects.update(state=OperationState.CANCELLING)
    before = stage.fake.domains[stage.uuid]
    ended = done(ask(stage, other))
    assert ended.state == "cancelled", (ended.error_code, ended.details)
    assert "end vda False" in stage.fake.calls and not stage.fake.mirrors
    assert stage.fake.domains[stage.uuid] == before
    assert list(Volume.objects.all()) == [disk] and len(stage.fake.volumes) == 1


@pytest.mark.parametrize("verb", ["mirror vda", "end vda True", "upload"])
def test_what_the_host_refuses_leaves_nothing(
    stage: Stage, disk: Volume, other: StoragePool, done: Done, verb: str
) -> None:
    known(stage, disk, state="shut_off" if verb == "upload" else "running")
    stage.fake.fail[verb] = HostRefused("no room")
    before = stage.fake.domains[stage.uuid]
    ended = done(ask(stage, other))
    assert (ended.state, ended.error_code) == ("failed", "host_refused")
    assert stage.fake.domains[stage.uuid] == before and not stage.fake.mirrors
    assert list(Volume.objects.all()) == [disk] and len(stage.fake.volumes) == 1


@pytest.mark.parametrize("over", [True, False])
def test_what_a_dead_worker_left_is_the_disk_or_is_gone(
    stage: Stage, disk: Volume, other: StoragePool, over: bool
) -> None:
    known(stage, disk, state="running")
    asked = Operation.objects.get(pk=ask(stage, other).pk)
    row = new_row(other, "disk", asked.actor_user, format="raw")
    stage.fake.volumes[str(other.uuid), "disk"] = DATA
    stage.fake.mirrors[stage.uuid] = "/fast/disk"
    connection: Any = FakeConnection(stage.fake)
    if over:
        connection.domain(stage.uuid).end_mirror("vda", go_over=True)
    mend(connection, asked)
    assert not stage.fake.mirrors
    assert Volume.objects.filter(pk=row.pk, state="ready").exists() == over
    assert ((str(other.uuid), "disk") in stage.fake.volumes) == over


def test_what_cannot_be_moved_says_why(stage: Stage, pool: StoragePool, disk: Volume, other: StoragePool) -> None:
    known(stage, disk)
    for target in (pool, StoragePool(pk=999)):
        with pytest.raises(BadFields):
            ask(stage, target)
    StoragePool.objects.filter(pk=other.pk).update(type="logical")
    Volume.objects.update(format="qcow2", told_format="qcow2")
    with pytest.raises(BadFields):
        ask(stage, other)
    Volume.objects.update(format="raw", told_format="raw")
    for change, cause in (
        (lambda: Volume.objects.update(state="refused"), "not_served"),
        (lambda: disk.layers.add(Volume.objects.create(storage=pool.storage, name="over", format="qcow2")), "shared"),
        (lambda: Volume.objects.update(present=False), "outside"),
    ):
        Volume.objects.filter(pk=disk.pk).update(state="ready", present=True)
        change()
        with pytest.raises(MoveRefused) as told:
            ask(stage, other)
        assert told.value.params["cause"] == cause
    assert not Operation.objects.exists()


def test_snapshots_would_stay_where_it_was(stage: Stage, disk: Volume, other: StoragePool, done: Done) -> None:
    known(stage, disk)
    told = stage.fake.domains[stage.uuid]
    stage.fake.domains[stage.uuid] = replace(told, snapshots=(SnapshotInfo("a", ()),))
    ended = done(ask(stage, other))
    assert (ended.error_code, ended.error_params) == ("move_refused", {"name": "vda", "cause": "snapshots"})
    assert list(Volume.objects.all()) == [disk]


def test_a_disk_that_was_changed_meanwhile_stays(stage: Stage, disk: Volume, other: StoragePool, done: Done) -> None:
    known(stage, disk, state="running")
    asked = ask(stage, other)
    told = stage.fake.domains[stage.uuid]
    stage.fake.domains[stage.uuid] = replace(told, live_xml=told.live_xml.replace("'disk'/", "'another'/"))
    ended = done(asked)
    assert (ended.state, ended.error_code) == ("failed", "source_changed")
    assert list(Volume.objects.all()) == [disk] and "mirror vda" not in stage.fake.calls


def test_it_counts_for_whom_its_vm_counts(stage: Stage, disk: Volume, other: StoragePool) -> None:
    known(stage, disk)
    VirtualMachine.objects.update(charged_user=stage.actor.user)
    stage.vm.refresh_from_db()
    ask(stage, other)
    assert list(Reservation.objects.values_list("resource", "amount")) == [("disk_bytes", disk.capacity_bytes)]
