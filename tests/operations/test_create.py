"""VMs made by a worker whose host exists in this process: what is made, and what is left where a step fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pycdlib
import pytest
import yaml

from tests.fakehost import info
from tests.headers.images import MIB, made
from tests.operations.conftest import Stage
from vms.errors import BadFields, HostRefused, HostUnreachable, OverQuota, VmsError
from vms.kinds.create import NewVm
from vms.libvirtxml import DomainXML, Given
from vms.models import (
    Grant,
    Host,
    Image,
    ImageCopy,
    Network,
    Operation,
    OperationLock,
    Placement,
    Quota,
    Reservation,
    Seed,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
    Worker,
)
from vms.operations import create as ways
from vms.operations import run
from vms.operations.making import Making, Step
from vms.operations.process import WorkerProcess
from vms.permissions import Actor, visible_volumes
from vms.services import create, operations, quotas
from vms.services.seeds import SeedWish
from vms.services.wishes import DiskWish, Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]


@pytest.fixture
def image(stage: Stage, pool: StoragePool, tmp_path_factory: pytest.TempPathFactory) -> Image:
    return put_image(stage, pool, "debian.qcow2", made(tmp_path_factory.mktemp("image"), "qcow2"))


def put_image(stage: Stage, pool: StoragePool, name: str, data: bytes, kind: str = "disk") -> Image:
    stage.fake.volumes[str(pool.uuid), name] = data
    format = "qcow2" if kind == "disk" else "raw"
    volume = Volume.objects.create(storage=pool.storage, name=name, format=format, owner=stage.actor.user)
    image = Image.objects.create(
        kind=kind, name=name, format=format, size_bytes=len(data), virtual_bytes=4 * MIB, os="debian12"
    )
    ImageCopy.objects.create(image=image, volume=volume, published=True)
    return image


def nothing_is_left(stage: Stage, *names: str) -> None:
    """Of what was made; but for these VMs."""
    assert {each.name for each in stage.fake.domains.values()} == {"web-01", *names}
    assert {vm.name for vm in VirtualMachine.objects.all()} == {"web-01", *names}
    assert not OperationLock.objects.exists()
    assert not Volume.objects.filter(state="incomplete").exists()
    if not names:
        assert not [key for key in stage.fake.volumes if key[1].startswith("new")]
        assert not Volume.objects.filter(name__startswith="new").exists()


WISH = Wish("new", cpus=1, memory_mib=256, disks=(DiskWish(size_mib=8),))
SEEDED = replace(WISH, seed=SeedWish(user="anna", password="open sesame", address="192.0.2.10/24"))


def test_an_empty_vm_is_made_and_started(stage: Stage, pool: StoragePool, network: Network, done: Done) -> None:
    [operation] = create.create(stage.actor, WISH)
    vm = VirtualMachine.objects.get(name="new")
    assert operation.vm == vm and vm.charged_user == stage.actor.user
    assert Grant.objects.get(vm=vm).role.name == "owner"
    assert {row.resource: row.amount for row in operation.reservations.all()} == {
        "vms": 1, "vcpus": 1, "memory_kib": 256 << 10, "disk_bytes": 8 * MIB,
    }  # fmt: skip
    assert done(operation).state == "succeeded", (operation.error_code, operation.details)
    assert stage.fake.calls == [f"create new.qcow2 qcow2 {8 * MIB}", "define domain", "start"]
    volume = Volume.objects.get(name="new.qcow2")
    assert (volume.state, volume.format, volume.owner) == ("ready", "qcow2", stage.actor.user)
    nothing_is_left(stage, "new")


def test_its_disk_counts_once_at_every_moment(
    stage: Stage, pool: StoragePool, network: Network, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its watcher may see it with its disk before its operation has ended."""
    seen, end = [], run.end

    def used() -> list[int]:
        now = quotas.used(stage.actor.user)
        return [now["vms"], now["vcpus"], now["disk_bytes"]]

    def look(operation: Operation, *args: object) -> None:
        seen.append(used())
        Volume.objects.get(name="new.qcow2").vms.add(VirtualMachine.objects.get(name="new"))
        seen.append(used())
        end(operation, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "end", look)
    [operation] = create.create(stage.actor, WISH)
    seen.append(used())
    assert done(operation).state == "succeeded"
    assert [*seen, used()] == [seen[0]] * 4 and seen[0][2] == 8 * MIB


def test_its_definition_names_what_was_given(stage: Stage, pool: StoragePool, network: Network, done: Done) -> None:
    [operation] = create.create(stage.actor, replace(WISH, start=False))
    assert done(operation).state == "succeeded"
    identity = str(Placement.objects.get(vm__name="new").uuid)
    assert stage.fake.domains[identity].state == "shut_off"
    document = DomainXML.parse(stage.fake.domains[identity].next_boot_xml)
    assert document.uuid == identity and document.networks == ["default"] and document.macs[0].startswith("52:54:00:")
    assert [disk.source for disk in document.disks] == ["default/new.qcow2"]


@pytest.mark.parametrize("linked", [False, True])
def test_a_disk_is_the_image_and_larger(
    stage: Stage, pool: StoragePool, image: Image, done: Done, linked: bool
) -> None:
    disk = DiskWish(image=image.pk, size_mib=64, linked=linked)
    [operation] = create.create(stage.actor, Wish("new", disks=(disk,), start=False))
    assert done(operation).state == "succeeded", (operation.error_code, operation.details)
    row = Volume.objects.get(name="new.qcow2")
    assert (row.format, row.capacity_bytes) == ("qcow2", 64 * MIB)
    if linked:
        assert row.backing == Volume.objects.get(name="debian.qcow2")
        assert stage.fake.calls == [f"create new.qcow2 qcow2 {64 * MIB}", "define domain"]
        return
    there = stage.fake.volumes
    assert there[str(pool.uuid), "new.qcow2"] == there[str(pool.uuid), "debian.qcow2"]
    assert [call.partition(" ")[0] for call in stage.fake.calls] == ["create", "upload", "refresh", "grow", "define"]


def test_an_iso_is_installed_from(stage: Stage, pool: StoragePool, network: Network, done: Done) -> None:
    iso = put_image(stage, pool, "debian.iso", bytes(MIB), "iso")
    wish = Wish("new", disks=(DiskWish(),), install=iso.pk, start=False)
    [operation] = create.create(stage.actor, wish)
    assert done(operation).state == "succeeded", (operation.error_code, operation.details)
    document = DomainXML.parse(stage.fake.domains[str(Placement.objects.get(vm__name="new").uuid)].next_boot_xml)
    assert [(disk.kind, disk.source) for disk in document.disks] == [
        ("disk", "default/new.qcow2"), ("cdrom", "default/debian.iso"),
    ]  # fmt: skip
    assert Volume.objects.filter(name="debian.iso").exists()
    assert VirtualMachine.objects.get(name="new").installs_from == "default/debian.iso"


def test_windows_has_its_drivers_beside_what_installs_it(
    stage: Stage, pool: StoragePool, network: Network, done: Done
) -> None:
    win, drivers = (put_image(stage, pool, f"{name}.iso", bytes(MIB), "iso") for name in ("win", "virtio-win"))
    Image.objects.filter(pk=drivers.pk).update(os="virtio-win")
    wish = Wish("new", os="win2k22", disks=(DiskWish(size_mib=8),), install=win.pk, start=False)
    [operation] = create.create(stage.actor, wish)
    assert done(operation).state == "succeeded", (operation.error_code, operation.details)
    document = DomainXML.parse(stage.fake.domains[str(Placement.objects.get(vm__name="new").uuid)].next_boot_xml)
    assert [(disk.bus, disk.source) for disk in document.disks] == [
        ("virtio", "default/new.qcow2"), ("sata", "default/win.iso"), ("sata", "default/virtio-win.iso"),
    ]  # fmt: skip
    assert VirtualMachine.objects.get(name="new").installs_from == "default/win.iso"


def test_answers_lie_on_a_disc_that_nobody_is_shown(
    stage: Stage, pool: StoragePool, network: Network, done: Done, tmp_path: Path
) -> None:
    [operation] = create.create(stage.actor, replace(SEEDED, start=False))
    assert "open sesame" not in repr((operation.params, operation.sealed))
    assert done(operation).state == "succeeded", (operation.error_code, operation.details)
    vm = VirtualMachine.objects.get(name="new")
    document = DomainXML.parse(stage.fake.domains[str(Placement.objects.get(vm=vm).uuid)].next_boot_xml)
    assert [(disk.kind, disk.source) for disk in document.disks] == [
        ("disk", "default/new.qcow2"), ("cdrom", "default/new-seed.iso"),
    ]  # fmt: skip
    (tmp_path / "disc").write_bytes(stage.fake.volumes[str(pool.uuid), "new-seed.iso"])
    disc, read = pycdlib.PyCdlib(), {}
    disc.open(str(tmp_path / "disc"))
    for name in ("meta-data", "user-data", "network-config"):
        disc.get_file_from_iso_fp(file := BytesIO(), rr_path=f"/{name}")
        read[name] = yaml.safe_load(file.getvalue())
    disc.close()
    assert read["meta-data"] == {"instance-id": document.uuid, "local-hostname": "new"}
    assert read["user-data"]["user"]["name"] == "anna"
    assert read["network-config"]["ethernets"]["card0"]["match"] == {"macaddress": document.macs[0]}
    row = Volume.objects.get(name="new-seed.iso")
    assert (row.state, row.private, row.owner) == ("ready", True, stage.actor.user)
    assert not visible_volumes(stage.actor).filter(pk=row.pk).exists()
    seed = Seed.objects.get(vm=vm)
    assert (seed.volume, seed.by, seed.keep, seed.told["user"]) == (row, stage.actor.user, False, "anna")
    operation.refresh_from_db()
    assert not operation.sealed and "$6$" not in repr(operation.params)


def test_a_disk_that_is_there_is_taken_as_it_is(stage: Stage, pool: StoragePool, network: Network, done: Done) -> None:
    stage.fake.volumes[str(pool.uuid), "old"] = bytes(MIB)
    old = Volume.objects.create(storage=pool.storage, name="old", format="raw", owner=stage.actor.user)
    stage.fake.fail["define domain"] = HostRefused("no")
    [operation] = create.create(stage.actor, Wish("new", disks=(DiskWish(volume=old.pk),)))
    assert done(operation).error_code == "host_refused"
    assert stage.fake.volumes[str(pool.uuid), "old"] == bytes(MIB)
    del stage.fake.fail["define domain"]
    [operation] = create.create(stage.actor, Wish("new", disks=(DiskWish(volume=old.pk),), start=False))
    assert done(operation).state == "succeeded", (operation.error_code, operation.details)
    assert Volume.objects.get(name="old").state == "ready"


@pytest.mark.parametrize("step", [step.name for step in ways.STEPS])
@pytest.mark.parametrize("error", [HostRefused("no"), HostUnreachable("gone")], ids=["refused", "lost"])
def test_where_a_step_fails_nothing_is_left(
    stage: Stage, pool: StoragePool, network: Network, done: Done, monkeypatch: pytest.MonkeyPatch, step: str,
    error: VmsError,
) -> None:  # fmt: skip
    def failing(original: Step) -> Step:
        def do(making: Making) -> None:
            original.do(making)
            raise error

        return replace(original, do=do, needed=always) if original.name == step else original

    monkeypatch.setattr(ways, "STEPS", tuple(failing(each) for each in ways.STEPS))
    [operation] = create.create(stage.actor, SEEDED)
    operation = done(operation)
    if step == "start" and isinstance(error, HostUnreachable):
        # The start took effect: that the answer was lost undoes nothing.
        assert operation.state == "succeeded"
        nothing_is_left(stage, "new")
        return
    assert (operation.state, operation.error_code) == ("failed", error.code)
    assert operation.vm is None and operation.target_name == "new"
    nothing_is_left(stage)


def always(params: NewVm) -> bool:
    return True


class Killed(BaseException):
    """What a kill -9 is to the program: nothing after it runs."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [step.name for step in ways.STEPS])
def test_what_a_dead_worker_left_is_whole_or_gone(
    stage: Stage, pool: StoragePool, network: Network, worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch,
    step: str, when: str,
) -> None:  # fmt: skip
    def dying(original: Step) -> Step:
        def do(making: Making) -> None:
            if when == "after":
                original.do(making)
            raise Killed

        return replace(original, do=do, needed=always) if original.name == step else original

    with monkeypatch.context() as patch:
        patch.setattr(ways, "STEPS", tuple(dying(each) for each in ways.STEPS))
        # Dead programs tidy nothing up.
        patch.setattr(ways, "undo", lambda *args: None)
        [operation] = create.create(stage.actor, SEEDED)
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


def test_what_a_silent_host_kept_is_taken_away_when_it_answers_again(
    stage: Stage, pool: StoragePool, network: Network, worker: WorkerProcess
) -> None:
    def fall_silent() -> None:
        stage.fake.gone = True

    stage.fake.after["define domain"] = fall_silent
    [operation] = create.create(stage.actor, WISH)
    worker.do(worker.claim(operation.pk))  # type: ignore[arg-type]
    operation.refresh_from_db()
    assert operation.state == "unknown" and VirtualMachine.objects.filter(name="new").exists()
    Host.objects.update(error_code="host_unreachable")
    worker.reconcile()
    operation.refresh_from_db()
    assert operation.state == "unknown"
    stage.fake.gone = False
    Host.objects.update(error_code="")
    worker.reconcile()
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == ("failed", "host_unreachable")
    nothing_is_left(stage)


def test_whoever_cancels_it_in_the_line_leaves_nothing(stage: Stage, pool: StoragePool) -> None:
    [operation] = create.create(stage.actor, WISH)
    assert operations.cancel(operation, actor=stage.actor).state == "cancelled"
    nothing_is_left(stage)
    assert not Reservation.objects.filter(operation__state="queued").exists()


def test_a_name_that_somebody_took_outside_is_not_taken_from_him(
    stage: Stage, pool: StoragePool, network: Network, done: Done
) -> None:
    [operation] = create.create(stage.actor, WISH)
    outside = stage.fake.add(info("new"))
    assert done(operation).error_code == "vm_taken"
    assert stage.fake.domains[outside.uuid] == outside
    del stage.fake.domains[outside.uuid]
    nothing_is_left(stage)


def test_what_lies_there_already_is_not_taken_away(
    stage: Stage, pool: StoragePool, network: Network, done: Done
) -> None:
    stage.fake.volumes[str(pool.uuid), "new.qcow2"] = b"somebody's"
    [operation] = create.create(stage.actor, WISH)
    assert done(operation).error_code == "name_taken"
    assert stage.fake.volumes[str(pool.uuid), "new.qcow2"] == b"somebody's"
    assert not VirtualMachine.objects.filter(name="new").exists()


def test_what_no_row_gives_is_not_defined(
    stage: Stage, pool: StoragePool, network: Network, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "Given", lambda **given: Given())
    [operation] = create.create(stage.actor, WISH)
    operation = done(operation)
    assert (operation.state, operation.error_code) == ("refused", "needs_more")
    nothing_is_left(stage)


def test_of_twenty_at_once_as_many_are_made_as_there_is_room_for(
    stage: Stage, pool: StoragePool, network: Network, done: Done
) -> None:
    bob = User.objects.create(username="bob", is_administrator=True)
    Quota.objects.create(user=bob, vms=7)
    made, refused = [], []
    for number in range(20):
        try:
            made += create.create(Actor(bob), replace(WISH, name=f"new-{number}"))
        except OverQuota as over:
            refused.append(over.params)
    assert len(made) == 7 and len(refused) == 13 and refused[0]["resource"] == "vms"
    operations.cancel(made[1], actor=Actor(bob))
    create.create(Actor(bob), replace(WISH, name="new-20"))
    assert done(made[0]).state == "succeeded"
    with pytest.raises(OverQuota):
        create.create(Actor(bob), replace(WISH, name="new-21"))


def test_several_are_all_asked_for_or_none(stage: Stage, pool: StoragePool, network: Network) -> None:
    made = create.create(stage.actor, replace(WISH, name="new-#", count=3))
    assert [each.target_name for each in made] == ["new-1", "new-2", "new-3"] and len({one.batch for one in made}) == 1
    with pytest.raises(BadFields):
        create.create(stage.actor, replace(WISH, name="new-#", count=4))
    assert VirtualMachine.objects.filter(name__startswith="new-").count() == 3
    with pytest.raises(BadFields):
        create.create(stage.actor, replace(WISH, name="new", count=2))


def test_a_right_that_goes_meanwhile_ends_it(stage: Stage, pool: StoragePool, network: Network, done: Done) -> None:
    [operation] = create.create(stage.actor, WISH)
    User.objects.filter(pk=stage.actor.user.pk).update(is_administrator=False)
    operation = done(operation)
    assert (operation.state, operation.error_code) == ("refused", "not_allowed")
    nothing_is_left(stage)
