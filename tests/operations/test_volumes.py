"""Volumes made, grown, copied, wiped and deleted, by a worker whose host exists in this process."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import make_vm
from tests.fakehost import FakeHost, info
from tests.headers.images import MIB, made, number, qcow2_over, text_vmdk
from tests.operations.conftest import Stage
from vms import live
from vms.errors import HostRefused, HostUnreachable
from vms.models import Host, Operation, OperationLock, Placement, Reservation, StoragePool, Volume
from vms.operations import run
from vms.operations import volumes as ways
from vms.services import operations, quotas, volumes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]


@pytest.fixture
def disk(stage: Stage, pool: StoragePool) -> Volume:
    """A raw volume of 6 MiB that nothing uses."""
    return put(stage, pool, "disk", bytes(range(256)) * (6 * MIB // 256))


def put(stage: Stage, pool: StoragePool, name: str, data: bytes, format: str = "raw") -> Volume:
    stage.fake.volumes[str(pool.uuid), name] = data
    return Volume.objects.create(
        storage=pool.storage, name=name, format=format, told_format=format, capacity_bytes=len(data),
        path=f"/pool/{name}", owner=stage.actor.user,
    )  # fmt: skip


def bytes_of(stage: Stage, name: str) -> bytes | None:
    return next((data for (_, called), data in stage.fake.volumes.items() if called == name), None)


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_a_new_volume_is_its_makers(stage: Stage, pool: StoragePool, done: Done, format: str) -> None:
    operation = volumes.create(stage.actor, pool, name="new.img", size_bytes=2 * MIB, format=format)
    assert Reservation.objects.get(operation=operation).amount == 2 * MIB
    assert done(operation).state == "succeeded", operation.details
    assert stage.fake.calls == [f"create new.img {format} {2 * MIB}"]
    row = Volume.objects.get(name="new.img")
    assert (row.state, row.format, row.capacity_bytes, row.present) == ("ready", format, 2 * MIB, True)
    assert row.owner == stage.actor.user and row.storage == pool.storage
    assert not OperationLock.objects.exists()


@pytest.mark.parametrize(("type", "zeroed"), [("logical", True), ("disk", True), ("rbd", False), ("netfs", False)])
def test_where_others_left_something_a_new_volume_is_zeroed(
    stage: Stage, pool: StoragePool, done: Done, type: str, zeroed: bool
) -> None:
    StoragePool.objects.update(type=type)
    pool.refresh_from_db()
    assert done(volumes.create(stage.actor, pool, name="new", size_bytes=MIB, format="raw")).state == "succeeded"
    assert ("wipe new" in stage.fake.calls) == zeroed


def test_what_fails_leaves_nothing(stage: Stage, pool: StoragePool, done: Done) -> None:
    stage.fake.fail["wipe"] = HostRefused("no")
    StoragePool.objects.update(type="logical")
    pool.refresh_from_db()
    operation = done(volumes.create(stage.actor, pool, name="new", size_bytes=MIB, format="raw"))
    assert (operation.state, operation.error_code) == ("failed", "host_refused")
    assert bytes_of(stage, "new") is None and not Volume.objects.exists() and not OperationLock.objects.exists()


def test_what_a_dead_worker_left_is_taken_away(stage: Stage, pool: StoragePool, done: Done) -> None:
    stage.fake.fail["wipe"] = HostUnreachable("it broke")
    StoragePool.objects.update(type="logical")
    pool.refresh_from_db()
    operation = done(volumes.create(stage.actor, pool, name="new", size_bytes=MIB, format="raw"))
    assert (operation.state, operation.error_code) == ("failed", "host_unreachable")
    assert bytes_of(stage, "new") is None and not Volume.objects.exists()


def test_what_is_there_already_is_not_written_over(stage: Stage, pool: StoragePool, done: Done) -> None:
    stage.fake.volumes[str(pool.uuid), "new"] = b"somebody's"
    operation = done(volumes.create(stage.actor, pool, name="new", size_bytes=MIB, format="raw"))
    assert (operation.state, operation.error_code) == ("failed", "name_taken")
    assert bytes_of(stage, "new") == b"somebody's" and not Volume.objects.exists()


def test_a_volume_grows(stage: Stage, disk: Volume, done: Done) -> None:
    operation = volumes.grow(stage.actor, disk, size_bytes=8 * MIB)
    assert Reservation.objects.get(operation=operation).amount == 2 * MIB
    assert done(operation).state == "succeeded"
    assert stage.fake.calls == ["grow disk"]


@pytest.mark.parametrize("ask", ["create", "clone", "grow"])
def test_a_volume_counts_once_at_every_moment(
    stage: Stage, pool: StoragePool, disk: Volume, done: Done, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """Made, and its operation not ended yet; the host's own list of it may have come by then."""
    seen, end = [], run.end

    def look(operation: Operation, *args: Any) -> None:
        seen.append(quotas.used(stage.actor.user)["disk_bytes"])
        end(operation, *args)

    monkeypatch.setattr(run, "end", look)
    asks: dict[str, Callable[[], Operation]] = {
        "create": lambda: volumes.create(stage.actor, pool, name="new", size_bytes=6 * MIB, format="qcow2"),
        "clone": lambda: volumes.clone(stage.actor, disk, name="new"),
        "grow": lambda: volumes.grow(stage.actor, disk, size_bytes=12 * MIB),
    }
    operation = asks[ask]()
    seen.append(quotas.used(stage.actor.user)["disk_bytes"])
    row = Volume.objects.create(
        storage=pool.storage, name="half", state="incomplete", owner=stage.actor.user, capacity_bytes=MIB
    )
    seen.append(quotas.used(stage.actor.user)["disk_bytes"])
    row.delete()
    assert done(operation).state == "succeeded", operation.details
    assert [*seen, quotas.used(stage.actor.user)["disk_bytes"]] == [12 * MIB] * 4


def test_what_a_running_vm_has_grows_with_its_guest(stage: Stage, disk: Volume, done: Done) -> None:
    disks = "<devices><disk type='file'><source file='/pool/{}'/><target dev='vdz'/></disk>"
    seen = stage.fake.domains[stage.uuid]
    disk.vms.add(stage.vm)
    stage.set_state("running")
    for name, state in (("other", "failed"), ("disk", "succeeded")):
        text = seen.next_boot_xml.replace("<devices>", disks.format(name))
        stage.fake.domains[stage.uuid] = replace(stage.fake.domains[stage.uuid], next_boot_xml=text)
        operation = done(volumes.grow(stage.actor, disk, size_bytes=8 * MIB))
        assert operation.state == state, operation.details
    assert stage.fake.calls == ["grow_disk vdz"]
    disk.refresh_from_db()
    assert (disk.capacity_bytes, disk.known_bytes) == (8 * MIB, 8 * MIB)


def test_a_disk_grows_on_the_host_where_its_guest_runs(
    stage: Stage, pool: StoragePool, disk: Volume, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = FakeHost(volumes=stage.fake.volumes, sizes=stage.fake.sizes)
    monkeypatch.setattr(ways, "connect", far.connect)
    host = Host.objects.create(name="far", transport="tls", address="far.example.org")
    StoragePool.objects.create(host=host, storage=pool.storage, uuid=uuid.UUID(int=8), name="far", path="/far")
    seen = info("far-vm", "running")
    disks = "<devices><disk type='file'><source file='/far/disk'/><target dev='vdz'/></disk>"
    far.add(replace(seen, next_boot_xml=seen.next_boot_xml.replace("<devices>", disks)))
    vm = make_vm(host, "far-vm")
    Placement.objects.filter(current_of=vm).update(uuid=seen.uuid)
    disk.vms.add(vm)
    operation = done(volumes.grow(stage.actor, disk, size_bytes=8 * MIB))
    assert operation.state == "succeeded", operation.details
    assert (stage.fake.calls, far.calls) == ([], ["grow_disk vdz"])


@pytest.mark.parametrize("ask", ["clone", "grow", "wipe"])
def test_what_was_swapped_meanwhile_is_left_alone(stage: Stage, disk: Volume, done: Done, ask: str) -> None:
    Volume.objects.update(known_bytes=6 * MIB)
    disk.refresh_from_db()
    wishes: dict[str, dict[str, Any]] = {"clone": {"name": "copy"}, "grow": {"size_bytes": 8 * MIB}, "wipe": {}}
    operation = getattr(volumes, ask)(stage.actor, disk, **wishes[ask])
    key = next(iter(stage.fake.volumes))
    stage.fake.volumes[key] = b"secret" * MIB + b"!"
    assert (done(operation).state, operation.error_code) == ("failed", "volume_swapped")
    assert stage.fake.calls == [] and len(stage.fake.volumes) == 1


def test_a_clone_has_holes_where_there_are_zeros(stage: Stage, pool: StoragePool, done: Done) -> None:
    data = b"a" * MIB + bytes(6 * MIB) + b"b" * MIB
    row = put(stage, pool, "thin", data)
    assert done(volumes.clone(stage.actor, row, name="copy")).state == "succeeded"
    assert bytes_of(stage, "copy") == data
    assert stage.fake.calls.count(f"skip {MIB}") == 6
    StoragePool.objects.update(type="logical")
    pool.refresh_from_db()
    assert done(volumes.clone(stage.actor, row, name="whole")).state == "succeeded"
    assert bytes_of(stage, "whole") == data
    assert stage.fake.calls.count(f"skip {MIB}") == 6, "what others left there would shine through"


def test_a_clone_goes_to_another_host(stage: Stage, disk: Volume, done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    far = FakeHost()
    monkeypatch.setattr(ways, "connect", far.connect)
    host = Host.objects.create(name="far", transport="tls", address="far.example.org")
    pool = StoragePool.objects.create(host=host, uuid=uuid.UUID(int=8), name="far", type="dir", path="/f", active=True)
    assert done(volumes.clone(stage.actor, disk, name="copy", pool=pool)).state == "succeeded"
    assert list(far.volumes) == [(str(pool.uuid), "copy")] and bytes_of(stage, "copy") is None
    assert Volume.objects.get(name="copy").storage == pool.storage
    far.fail["send"] = HostRefused("disk full")
    assert done(volumes.clone(stage.actor, disk, name="second", pool=pool)).error_code == "host_refused"
    assert list(far.volumes) == [(str(pool.uuid), "copy")] and not Volume.objects.filter(name="second").exists()


def test_a_clone_has_the_same_bytes_and_another_owner(stage: Stage, disk: Volume, done: Done) -> None:
    Volume.objects.update(owner=None)
    disk.refresh_from_db()
    operation = done(volumes.clone(stage.actor, disk, name="copy"))
    assert operation.state == "succeeded", operation.details
    assert bytes_of(stage, "copy") == bytes_of(stage, "disk")
    copy = Volume.objects.get(name="copy")
    assert (copy.state, copy.format, copy.capacity_bytes) == ("ready", "raw", 6 * MIB)
    assert copy.owner == stage.actor.user
    assert [line.code for line in operation.log.all()] == ["claimed", "volume_read", "volume_made", "seen"]
    # To the host a copy is bytes, whatever it will be.
    assert stage.fake.calls == [f"create copy raw {6 * MIB}", "upload copy"]


def test_an_image_is_cloned_as_it_is(
    stage: Stage, pool: StoragePool, done: Done, tmp_path_factory: pytest.TempPathFactory
) -> None:
    image = made(tmp_path_factory.mktemp("qcow2"), "qcow2")
    row = put(stage, pool, "image", image, "qcow2")
    assert done(volumes.clone(stage.actor, row, name="copy")).state == "succeeded"
    assert bytes_of(stage, "copy") == image
    assert Volume.objects.get(name="copy").format == "qcow2"


def test_what_a_guest_wrote_is_copied_nowhere(
    stage: Stage, pool: StoragePool, done: Done, tmp_path_factory: pytest.TempPathFactory
) -> None:
    image = made(tmp_path_factory.mktemp("qcow2"), "qcow2")
    hostile = {
        "other_format": ("raw", qcow2_over(image, "/etc/shadow")),
        "backing_file": ("qcow2", qcow2_over(image, "/etc/shadow")),
        "data_file": ("qcow2", number(image, 72, 4, 8)),
    }
    for reason, (format, data) in hostile.items():
        row = put(stage, pool, reason, data, format)
        operation = done(volumes.clone(stage.actor, row, name="copy"))
        assert (operation.state, operation.error_code) == ("failed", "refused_image"), reason
        assert operation.error_params == {"reason": reason}
    row = put(stage, pool, "text", text_vmdk("/etc/shadow").ljust(MIB, b"\0"))
    assert done(volumes.clone(stage.actor, row, name="copy")).error_params == {"reason": "other_format"}
    assert not any(call.startswith(("create", "upload")) for call in stage.fake.calls)
    assert not Volume.objects.filter(name="copy").exists()


def test_a_clone_that_is_cancelled_leaves_nothing(
    stage: Stage, disk: Volume, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "LOOK", -1)
    operation = volumes.clone(stage.actor, disk, name="copy")

    def cancel() -> None:
        if not Operation.objects.get(pk=operation.pk).cancel_requested:
            operations.cancel(Operation.objects.get(pk=operation.pk), actor=stage.actor)

    stage.fake.after["send"] = cancel
    assert done(operation).state == "cancelled"
    assert bytes_of(stage, "copy") is None and not Volume.objects.filter(name="copy").exists()
    assert not OperationLock.objects.exists()


def test_a_clone_tells_how_far_it_is(stage: Stage, disk: Volume, done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "LOOK", -1)
    operation = done(volumes.clone(stage.actor, disk, name="copy"))
    assert operation.state == "succeeded" and operation.progress == 99


def test_a_clone_that_breaks_leaves_nothing(stage: Stage, disk: Volume, done: Done) -> None:
    for error in (HostRefused("disk full"), HostUnreachable("it broke")):
        stage.fake.fail["send"] = error
        operation = done(volumes.clone(stage.actor, disk, name="copy"))
        assert (operation.state, operation.error_code) == ("failed", error.code)
        assert bytes_of(stage, "copy") is None and not Volume.objects.filter(name="copy").exists()


def test_a_deleted_volume_is_gone(stage: Stage, disk: Volume, done: Done) -> None:
    operation = done(volumes.delete(stage.actor, disk))
    assert operation.state == "succeeded", operation.details
    assert bytes_of(stage, "disk") is None and not Volume.objects.exists()
    assert operation.volume is None and operation.target_name == "disk"


def test_a_wiped_volume_is_raw(stage: Stage, pool: StoragePool, done: Done) -> None:
    row = put(stage, pool, "old", b"QFI\xfb" + bytes(600), "qcow2")
    assert done(volumes.wipe(stage.actor, row)).state == "succeeded"
    row.refresh_from_db()
    assert (row.format, row.state) == ("raw", "ready")
    assert bytes_of(stage, "old") == bytes(604)


@pytest.mark.parametrize("ask", [volumes.delete, volumes.wipe])
def test_what_a_vm_began_to_use_meanwhile_stays(
    stage: Stage, disk: Volume, done: Done, ask: Callable[..., Operation]
) -> None:
    operation = ask(stage.actor, disk)
    seen = stage.fake.domains[stage.uuid]
    disks = "<devices><disk type='file'><source file='/pool/disk'/></disk>"
    stage.fake.add(info("other", next_boot_xml=seen.next_boot_xml.replace("<devices>", disks)))
    assert (done(operation).state, operation.error_code) == ("failed", "volume_used")
    assert bytes_of(stage, "disk")


def test_what_began_to_run_meanwhile_is_not_copied(stage: Stage, disk: Volume, done: Done) -> None:
    disk.vms.add(stage.vm)
    operation = volumes.clone(stage.actor, disk, name="copy")
    Placement.objects.update(state="running")
    assert done(operation).error_code == "volume_runs"
    assert bytes_of(stage, "copy") is None


def test_its_pool_is_looked_at_when_it_is_done(
    stage: Stage, pool: StoragePool, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(live, "look", lambda host, name: looked.append(name))
    done(volumes.create(stage.actor, pool, name="new", size_bytes=MIB, format="raw"))
    assert looked == [f"pool:{pool.pk}"]
