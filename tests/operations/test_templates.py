"""Templates by a worker whose host exists in this process: made, made VMs again, instances, what a failure leaves."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from django.utils import timezone

from tests.headers.images import MIB, made
from tests.operations.conftest import Stage
from vms.errors import HostRefused
from vms.kinds import templates as kinds
from vms.libvirtxml import difference
from vms.models import (
    Document,
    NetworkFilter,
    Operation,
    OperationLock,
    Placement,
    StoragePool,
    Template,
    TemplateVolume,
    VirtualMachine,
    Volume,
    Worker,
)
from vms.operations import process, trash
from vms.operations import templates as ways
from vms.services import create, templates
from vms.services import trash as service
from vms.services.wishes import DiskWish, Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]
DISK = (
    "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='default' volume='golden.qcow2'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)


class Killed(BaseException):
    """As kill -9 would end it: nothing after it is done."""


@pytest.fixture
def disk(stage: Stage, pool: StoragePool, tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """The VM's only one; it starts with its host."""
    NetworkFilter.objects.create(host=stage.host, uuid=uuid.UUID(int=9), name="clean-traffic")
    data = made(tmp_path_factory.mktemp("disk"), "qcow2")
    stage.fake.volumes[str(pool.uuid), "golden.qcow2"] = data
    row = Volume.objects.create(
        storage=pool.storage, name="golden.qcow2", path="/pool/golden.qcow2", format="qcow2", capacity_bytes=len(data)
    )
    row.vms.add(stage.vm)
    told = stage.fake.domains[stage.uuid]
    text = told.next_boot_xml.replace("<devices>", f"<devices>{DISK}")
    stage.fake.domains[stage.uuid] = replace(told, next_boot_xml=text, autostart=True)
    Document.objects.filter(placement__vm=stage.vm).update(next_boot=text)
    return row


@pytest.fixture
def template(stage: Stage, disk: Volume, done: Done) -> VirtualMachine:
    assert done(templates.make(stage.actor, stage.vm)).state == "succeeded"
    return again(stage)


def again(stage: Stage) -> VirtualMachine:
    return VirtualMachine.objects.select_related("placement__host", "template").get(pk=stage.vm.pk)


def data_of(stage: Stage, name: str = "golden.qcow2") -> bytes:
    return stage.fake.volumes[str(uuid.UUID(int=7)), name]


def is_as_before(stage: Stage) -> bool:
    """Whether it is the VM that it was, whole."""
    told = stage.fake.domains[stage.uuid]
    whole = told.autostart and "readonly" not in told.next_boot_xml
    return whole and not Template.objects.exists() and again(stage).templated_at is None


def test_it_is_marked_then_kept_from_writing_then_read(stage: Stage, template: VirtualMachine) -> None:
    told = stage.fake.domains[stage.uuid]
    assert not told.autostart and "<readonly/>" in told.next_boot_xml
    [each] = TemplateVolume.objects.all()
    assert each.sha256 == sha256(data_of(stage)).hexdigest() and each.size_bytes == len(data_of(stage))
    log = list(Operation.objects.get().log.values_list("code", flat=True))
    assert [code for code in log if code.startswith("template_")] == list(kinds.STEPS)
    assert template.template.ready and template.template.autostart and not OperationLock.objects.exists()


def test_it_becomes_the_vm_that_it_was(stage: Stage, template: VirtualMachine, done: Done) -> None:
    assert done(templates.make_vm(stage.actor, template)).state == "succeeded"
    assert is_as_before(stage)


def test_it_is_deleted_with_its_disk(stage: Stage, template: VirtualMachine, done: Done) -> None:
    assert done(service.delete(stage.actor, template, trash=False, confirm="web-01")).state == "succeeded"
    assert not stage.fake.volumes and not Template.objects.exists() and not Volume.objects.exists()


def test_what_it_lies_over_is_read_too(stage: Stage, disk: Volume, done: Done) -> None:
    stage.fake.volumes[str(uuid.UUID(int=7)), "base.img"] = bytes(MIB)
    base = Volume.objects.create(storage=disk.storage, name="base.img", path="/pool/base.img", format="raw")
    Volume.objects.filter(pk=disk.pk).update(backing=base, backing_path="/pool/base.img")
    assert done(templates.make(stage.actor, stage.vm)).state == "succeeded"
    rows = list(TemplateVolume.objects.order_by("depth").values_list("volume__name", "depth", "sha256"))
    assert [row[:2] for row in rows] == [("golden.qcow2", 0), ("base.img", 1)]
    assert rows[1][2] == sha256(bytes(MIB)).hexdigest()
    stage.fake.volumes[str(uuid.UUID(int=7)), "base.img"] = bytes(MIB - 1) + b"\1"
    [asked] = create.create(stage.actor, wish(again(stage), linked=True))
    assert done(asked).error_code == "template_changed"


@pytest.mark.parametrize("step", kinds.STEPS)
@pytest.mark.parametrize("killed", [False, True])
def test_what_fails_at_any_step_leaves_a_vm(
    stage: Stage, disk: Volume, worker: process.WorkerProcess, monkeypatch: pytest.MonkeyPatch, step: str, killed: bool
) -> None:
    asked = templates.make(stage.actor, stage.vm)
    real = trash.log

    def log(operation: Operation, code: str, **params: str) -> None:
        real(operation, code, **params)
        if code == step:
            raise Killed if killed else HostRefused("no")

    with monkeypatch.context() as patch:
        patch.setattr(ways, "log", log)
        if killed:
            # Nobody is there to take anything back.
            patch.setattr(ways, "take_back", lambda connection, operation: None)
            with pytest.raises(Killed):
                worker.take(asked.pk)
        else:
            worker.take(asked.pk)
    if killed:
        settle_as_another(stage, worker)
    ended = Operation.objects.get(pk=asked.pk)
    assert ended.state == "failed", (ended.state, ended.error_code, ended.details)
    assert is_as_before(stage) and not OperationLock.objects.exists()


def settle_as_another(stage: Stage, worker: process.WorkerProcess) -> None:
    """The worker is dead, and another one settles what it left."""
    Worker.objects.filter(pk=worker.worker.pk).update(stopped_at=timezone.now())
    other = process.WorkerProcess(node=stage.host.node, name="other")
    try:
        other.reconcile()
    finally:
        other.pool.shutdown()


@pytest.mark.parametrize("killed", [False, True])
def test_what_fails_on_the_way_back_leaves_a_template(
    stage: Stage, template: VirtualMachine, worker: process.WorkerProcess, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    asked = templates.make_vm(stage.actor, template)
    real = ways.let_write

    def let_write(*args: Any, wanted: bool) -> None:
        real(*args, wanted=wanted)
        if wanted:
            raise Killed if killed else HostRefused("no")

    with monkeypatch.context() as patch:
        patch.setattr(ways, "let_write", let_write)
        if killed:
            with pytest.raises(Killed):
                worker.take(asked.pk)
        else:
            worker.take(asked.pk)
    if killed:
        assert "readonly" not in stage.fake.domains[stage.uuid].next_boot_xml and not again(stage).template.ready
        settle_as_another(stage, worker)
    assert Operation.objects.get(pk=asked.pk).state == "failed"
    assert again(stage).template.ready and not stage.fake.domains[stage.uuid].autostart
    assert "<readonly/>" in stage.fake.domains[stage.uuid].next_boot_xml


def test_what_somebody_began_meanwhile_is_seen(stage: Stage, template: VirtualMachine, done: Done) -> None:
    """An instance that was asked for after the question and before the worker came."""
    asked = templates.make_vm(stage.actor, template)
    [making] = create.create(stage.actor, wish(template, linked=True))
    assert done(asked).error_code == "template_in_use"
    assert done(making).state == "succeeded" and again(stage).template.ready


def test_the_hosts_word_counts(stage: Stage, disk: Volume, done: Done) -> None:
    asked = templates.make(stage.actor, stage.vm)
    told = stage.fake.domains[stage.uuid]
    stage.fake.domains[stage.uuid] = replace(
        told, next_boot_xml=told.next_boot_xml.replace("golden.qcow2", "other.qcow2")
    )
    ended = done(asked)
    assert (ended.state, ended.error_params["reason"]) == ("failed", "disks") and not Template.objects.exists()


def wish(vm: VirtualMachine, *, linked: bool) -> Wish:
    return Wish("new", cpus=1, memory_mib=256, disks=(DiskWish(template=vm.pk, linked=linked),), networks=())


@pytest.mark.parametrize("linked", [False, True])
def test_an_instance_is_made_of_it(stage: Stage, template: VirtualMachine, done: Done, linked: bool) -> None:
    [asked] = create.create(stage.actor, wish(template, linked=linked))
    ended = done(asked)
    assert ended.state == "succeeded", (ended.error_code, ended.details)
    row = Volume.objects.get(name="new.qcow2")
    assert (row.backing is not None) == linked
    if not linked:
        assert data_of(stage, "new.qcow2") == data_of(stage)
    identity = str(Placement.objects.get(vm__name="new").uuid)
    text = stage.fake.domains[identity].next_boot_xml
    assert identity != stage.uuid and "golden" not in text and "readonly" not in text


@pytest.mark.parametrize("linked", [False, True])
def test_what_was_changed_is_made_into_nothing(
    stage: Stage, template: VirtualMachine, done: Done, linked: bool
) -> None:  # fmt: skip
    [asked] = create.create(stage.actor, wish(template, linked=linked))
    key = str(uuid.UUID(int=7)), "golden.qcow2"
    stage.fake.volumes[key] = data_of(stage)[:-1] + b"!"
    ended = done(asked)
    assert (ended.state, ended.error_code) == ("failed", "template_changed"), (ended.state, ended.details)
    assert not [name for _, name in stage.fake.volumes if name.startswith("new")]
    assert not VirtualMachine.objects.filter(name="new").exists()


def test_nothing_is_made_of_what_runs_by_its_hosts_word(stage: Stage, template: VirtualMachine, done: Done) -> None:
    [asked] = create.create(stage.actor, wish(template, linked=True))
    stage.fake.set_state(stage.uuid, "running")
    assert done(asked).error_code == "invalid_state"


def test_only_the_mark_is_taken_for_given(stage: Stage, template: VirtualMachine) -> None:
    """Taking "read only" from a disk is else what an administrator alone may do."""
    text = stage.fake.domains[stage.uuid].next_boot_xml
    needs = difference(text, text.replace("<readonly/>", ""))
    assert {need.privilege for need in needs} == {"vm.define"}
