"""VMs out of archives, made by a worker whose host exists in this process."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

import pytest
from django.utils import timezone

from tests.archives.packing import envelope, item, ova, sums, vmdk
from tests.headers.images import made
from tests.operations.conftest import Stage, make_pool
from tests.operations.test_create import Done, Killed, nothing_is_left
from vms import headers
from vms.errors import BadFields, HostRefused, HostUnreachable, Locked, NotAllowed, VmsError
from vms.libvirtxml import DomainXML
from vms.models import (
    Archive,
    Network,
    Operation,
    Placement,
    Quota,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
    Worker,
)
from vms.operations import afar
from vms.operations import create as makers
from vms.operations import imports as ways
from vms.operations.making import Making, Step
from vms.operations.process import WorkerProcess
from vms.permissions import Actor
from vms.services import archives, imports, operations, volumes
from vms.services.imports import ImportWish
from vms.services.sentences import sentence

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis", "network")]
MIB: Final = 1 << 20
NAME: Final = "web-disk1.vmdk"


@pytest.fixture(scope="module")
def disk() -> bytes:
    content = bytearray(40 * MIB)
    for at in (0, 5 * MIB, 33 * MIB + 512):
        content[at : at + MIB] = Random(at).randbytes(MIB)
    return bytes(content)


@pytest.fixture(scope="module")
def image(disk: bytes, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return vmdk(tmp_path_factory.mktemp("vmdk"), disk)


def put(stage: Stage, pool: StoragePool, name: str, data: bytes, format: str = "raw") -> Volume:
    stage.fake.volumes[str(pool.uuid), name] = data
    return Volume.objects.create(
        storage=pool.storage, name=name, format=format, owner=stage.actor.user, capacity_bytes=len(data)
    )  # fmt: skip


def packed(image: bytes, listed: bytes | None = None) -> bytes:
    root = envelope(
        item(3, VirtualQuantity="2"), item(4, AllocationUnits="byte * 2^20", VirtualQuantity="256"),
        item(6, ResourceSubType="lsilogic"), item(10, ResourceSubType="E1000", Connection="VM Network"),
        item(10, ResourceSubType="E1000", Connection="Other"), item(14), item(17, HostResource="ovf:/disk/d1"),
        files=None, capacity="40", capacityAllocationUnits="byte * 2^20",
    )  # fmt: skip
    return ova(root, (NAME, image), listed=listed)


@pytest.fixture
def archive(stage: Stage, pool: StoragePool, image: bytes, done: Done) -> Volume:
    """Read already."""
    volume = put(stage, pool, "web.ova", packed(image))
    assert done(archives.read(stage.actor, volume)).state == "succeeded"
    return volume


def content(stage: Stage, pool: StoragePool, name: str, folder: Path) -> bytes:
    """What a guest would see of the volume."""
    (folder / "made").write_bytes(stage.fake.volumes[str(pool.uuid), name])
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", folder / "made"], check=True, timeout=60)
    words = ("qemu-img", "convert", "-f", "qcow2", "-O", "raw", folder / "made", folder / "seen")
    subprocess.run(words, check=True, timeout=60)
    return (folder / "seen").read_bytes()


def test_what_is_in_it_is_told_before(stage: Stage, archive: Volume) -> None:
    found = archives.current(archive)
    assert found is not None
    told = archives.told(found)
    assert (told["name"], told["os"], told["cpus"], told["memory_mib"], told["firmware"]) == (
        "web", "debian12", 2, 256, "bios",
    )  # fmt: skip
    assert told["cards"][0] == {"model": "E1000", "network": "VM Network"} and told["left_out"] == ["floppy"]
    assert archives.disks(found) == [archives.PackedDisk(NAME, "vmdk", 40 * MIB)]
    assert archive in archives.find_sources(stage.actor)
    wish = imports.to_wish(stage.actor, ImportWish(archive.pk))
    assert (wish.name, wish.careful, wish.networks) == ("web", True, (Network.objects.get().pk,) * 2)


def test_an_archive_becomes_a_vm(
    stage: Stage, pool: StoragePool, archive: Volume, done: Done, disk: bytes, tmp_path: Path
) -> None:
    before = stage.fake.volumes[str(pool.uuid), "web.ova"]
    stage.fake.calls.clear()
    operation = done(imports.import_vm(stage.actor, ImportWish(archive.pk, name="new")))
    assert operation.state == "succeeded", (operation.error_code, operation.details)
    assert content(stage, pool, "new.qcow2", tmp_path) == disk
    row = Volume.objects.get(name="new.qcow2")
    assert (row.state, row.format, row.capacity_bytes, row.owner) == ("ready", "qcow2", 40 * MIB, stage.actor.user)
    assert stage.fake.volumes[str(pool.uuid), "web.ova"] == before and Volume.objects.filter(name="web.ova").exists()
    vm = VirtualMachine.objects.get(name="new")
    identity = str(Placement.objects.get(vm=vm).uuid)
    document = DomainXML.parse(stage.fake.domains[identity].next_boot_xml)
    assert document.uuid == identity and document.networks == ["default"]
    assert all(mac.startswith("52:54:00:") for mac in document.macs) and len(set(document.macs)) == 2
    assert [(each.bus, each.source) for each in document.disks] == [("sata", "default/new.qcow2")]
    codes = [line.code for line in operation.log.all()]
    assert "sum_agrees" in codes and "disk_taken_out" in codes
    nothing_is_left(stage, "new")


def test_what_is_wanted_otherwise(stage: Stage, archive: Volume, done: Done) -> None:
    wish = ImportWish(
        archive.pk, name="new", cpus=1, memory_mib=128, os="", firmware="bios", careful=False, networks=(), start=False
    )
    assert done(imports.import_vm(stage.actor, wish)).state == "succeeded"
    identity = str(Placement.objects.get(vm__name="new").uuid)
    document = DomainXML.parse(stage.fake.domains[identity].next_boot_xml)
    assert (document.networks, [each.bus for each in document.disks]) == ([], ["virtio"])
    assert stage.fake.domains[identity].state == "shut_off"


@pytest.mark.parametrize("kind", ["streamOptimized", "monolithicSparse"])
def test_a_disk_alone_becomes_a_vm(
    stage: Stage, pool: StoragePool, done: Done, disk: bytes, tmp_path: Path, kind: str
) -> None:
    volume = put(stage, pool, "new.vmdk", vmdk(tmp_path, disk, kind), "vmdk")
    assert done(archives.read(stage.actor, volume)).state == "succeeded"
    operation = done(imports.import_vm(stage.actor, ImportWish(volume.pk, start=False)))
    assert operation.state == "succeeded", (operation.error_code, operation.details)
    document = DomainXML.parse(
        stage.fake.domains[str(Placement.objects.get(vm__name="new").uuid)].next_boot_xml
    )  # fmt: skip
    assert document.networks == ["default"]
    assert content(stage, pool, "new.qcow2", tmp_path) == disk


def test_in_a_pool_of_block_devices_it_is_raw(
    stage: Stage, pool: StoragePool, archive: Volume, done: Done, disk: bytes
) -> None:
    other = make_pool(stage.fake, stage.host, 17, "vg", type="logical", path="/dev/vg")
    operation = done(imports.import_vm(stage.actor, ImportWish(archive.pk, name="new", pool=other.pk)))
    assert operation.state == "succeeded", (operation.error_code, operation.details)
    assert stage.fake.volumes[str(other.uuid), "new"] == disk and "wipe new" in stage.fake.calls


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data, image: data[: len(data) // 2], "refused_archive"),
        (lambda data, image: data.replace(b" SPARSE ", b" FLAT   ", 1), "refused_image"),
        (lambda data, image: bytes(len(data)), "refused_archive"),
    ],
)
def test_what_is_refused_when_it_is_read(
    stage: Stage, pool: StoragePool, image: bytes, done: Done, change: object, code: str
) -> None:
    volume = put(stage, pool, "web.ova", change(packed(image), image))  # type: ignore[operator]
    operation = done(archives.read(stage.actor, volume))
    assert (operation.state, operation.error_code) == ("failed", code)
    assert not Archive.objects.exists()
    with pytest.raises(BadFields) as refused:
        imports.import_vm(stage.actor, ImportWish(volume.pk))
    assert refused.value.errors == {"volume": "archive_unread"}


@pytest.mark.parametrize("format", headers.FOREIGN)
def test_what_is_not_converted_says_what_to_do(
    stage: Stage, pool: StoragePool, done: Done, tmp_path: Path, format: str
) -> None:
    volume = put(stage, pool, f"old.{format}", made(tmp_path, format, size=MIB))
    operation = done(archives.read(stage.actor, volume))
    assert (operation.error_code, operation.error_params) == ("refused_archive", {"reason": "other_disk"})
    assert "qemu-img convert -O qcow2" in sentence(operation.error_code, operation.error_params)


def test_what_was_written_since_is_read_anew(stage: Stage, archive: Volume) -> None:
    Volume.objects.filter(pk=archive.pk).update(changed_at=timezone.now())
    archive.refresh_from_db()
    assert archives.current(archive) is None


def test_another_archive_in_its_place_makes_no_vm(
    stage: Stage, pool: StoragePool, archive: Volume, done: Done, tmp_path: Path
) -> None:
    operation = imports.import_vm(stage.actor, ImportWish(archive.pk, name="new"))
    stage.fake.volumes[str(pool.uuid), "web.ova"] = packed(vmdk(tmp_path, bytes(39 * MIB)))
    assert done(operation).error_code == "refused_archive"
    nothing_is_left(stage)


def test_a_file_that_is_not_what_its_checksum_says(stage: Stage, pool: StoragePool, image: bytes, done: Done) -> None:
    volume = put(stage, pool, "web.ova", packed(image, sums((NAME, b"another"))))
    assert done(archives.read(stage.actor, volume)).state == "succeeded"
    operation = done(imports.import_vm(stage.actor, ImportWish(volume.pk, name="new")))
    assert operation.error_code == "checksum_differs"
    nothing_is_left(stage)


def test_a_disk_that_breaks_off_in_the_middle_leaves_nothing(
    stage: Stage, pool: StoragePool, image: bytes, done: Done
) -> None:
    bad = bytearray(image)
    bad[len(bad) // 2 : len(bad) // 2 + 4096] = b"\xff" * 4096
    volume = put(stage, pool, "web.ova", packed(bytes(bad)))
    assert done(archives.read(stage.actor, volume)).state == "succeeded"
    operation = done(imports.import_vm(stage.actor, ImportWish(volume.pk, name="new", networks=())))
    assert operation.error_code == "refused_archive", operation.details
    nothing_is_left(stage)


def test_who_cancels_it_in_the_middle_leaves_nothing(
    stage: Stage, archive: Volume, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(afar, "LOOK", 0.0)
    monkeypatch.setattr(afar, "PIECE", MIB)
    operation = imports.import_vm(stage.actor, ImportWish(archive.pk, name="new"))
    asked: list[Operation] = []

    def cancel() -> None:
        asked.extend([] if asked else [operations.cancel(operation, actor=stage.actor)])

    stage.fake.after["send"] = cancel
    assert done(operation).state == "cancelled"
    assert asked and "step_done" in [line.code for line in operation.log.all()]
    nothing_is_left(stage)


def test_it_stays_within_the_quota(stage: Stage, archive: Volume) -> None:
    bob = User.objects.create(username="bob", is_administrator=True)
    Quota.objects.create(user=bob, disk_bytes=39 * MIB)
    with pytest.raises(VmsError) as refused:
        imports.import_vm(Actor(bob), ImportWish(archive.pk, name="new"))
    assert refused.value.code == "over_quota"


def test_who_may_not_copy_it_imports_nothing(stage: Stage, archive: Volume) -> None:
    eve = Actor(User.objects.create(username="eve"))
    with pytest.raises(NotAllowed):
        imports.import_vm(eve, ImportWish(archive.pk, name="new"))
    with pytest.raises(NotAllowed):
        archives.read(eve, archive)


def test_it_is_not_deleted_while_it_is_imported(stage: Stage, archive: Volume) -> None:
    imports.import_vm(stage.actor, ImportWish(archive.pk, name="new"))
    with pytest.raises(Locked):
        volumes.delete(stage.actor, archive)


def test_the_same_key_is_the_same_vm(stage: Stage, archive: Volume) -> None:
    wish = ImportWish(archive.pk, name="new")
    first = imports.import_vm(stage.actor, wish, idempotency_key="k")
    assert imports.import_vm(stage.actor, wish, idempotency_key="k") == first
    assert Operation.objects.filter(kind="vm.import").count() == 1


def failing(original: Step, step: str, error: BaseException, when: str) -> Step:
    def do(making: Making) -> None:
        if when == "after":
            original.do(making)
        raise error

    return replace(original, do=do) if original.name == step else original


@pytest.mark.parametrize("step", [step.name for step in ways.STEPS])
@pytest.mark.parametrize("error", [HostRefused("no"), HostUnreachable("gone")], ids=["refused", "lost"])
def test_where_a_step_fails_nothing_is_left(
    stage: Stage, archive: Volume, done: Done, monkeypatch: pytest.MonkeyPatch, step: str, error: VmsError
) -> None:
    monkeypatch.setattr(ways, "STEPS", tuple(failing(each, step, error, "after") for each in ways.STEPS))
    operation = done(imports.import_vm(stage.actor, ImportWish(archive.pk, name="new")))
    if step == "start" and isinstance(error, HostUnreachable):
        assert operation.state == "succeeded"
        nothing_is_left(stage, "new")
        return
    assert (operation.state, operation.error_code) == ("failed", error.code)
    nothing_is_left(stage)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [step.name for step in ways.STEPS])
def test_what_a_dead_worker_left_is_whole_or_gone(
    stage: Stage, archive: Volume, worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ways, "STEPS", tuple(failing(each, step, Killed(), when) for each in ways.STEPS))
        patch.setattr(makers, "undo", lambda *args: None)
        operation = imports.import_vm(stage.actor, ImportWish(archive.pk, name="new"))
        with pytest.raises(Killed):
            worker.do(worker.claim(operation.pk))  # type: ignore[arg-type]
    Worker.objects.filter(pk=worker.worker.pk).update(stopped_at="2026-01-01T00:00Z")
    other = WorkerProcess(node=stage.host.node)
    other.reconcile()
    other.pool.shutdown()
    operation.refresh_from_db()
    if step == "start" and when == "after":
        assert operation.state == "succeeded"
        nothing_is_left(stage, "new")
    else:
        assert (operation.state, operation.error_code) == ("failed", "worker_died")
        nothing_is_left(stage)
