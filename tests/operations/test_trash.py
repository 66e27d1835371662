"""Deleting a VM by a worker whose host exists in this process: what goes, what stays, what a dead worker leaves."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from tests.api.conftest import Program, program, stranger, token
from tests.conftest import make_vm
from tests.grants import grant
from tests.headers.images import MIB
from tests.operations.conftest import Stage
from vms.errors import (
    AlsoDefined,
    BadFields,
    BelongingsChanged,
    HostRefused,
    HostUnreachable,
    NameGivesRights,
    NotAllowed,
    WrongState,
)
from vms.kinds import KINDS
from vms.kinds import trash as kinds
from vms.models import (
    Document,
    Grant,
    Host,
    Image,
    ImageCopy,
    LastScreen,
    Operation,
    OperationLock,
    Placement,
    Role,
    RolePrivilege,
    StoragePool,
    Trashed,
    User,
    VirtualMachine,
    Volume,
    Worker,
)
from vms.operations import process
from vms.operations import trash as ways
from vms.permissions import Actor, visible_vms
from vms.services import belongings, operations, quotas, renaming, trash
from vms.virt import SnapshotInfo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]
DISK = "<disk type='file' device='{device}'><source file='/pool/{name}'/><target dev='{target}'/>{rest}</disk>"


__all__ = ["program", "stranger", "token"]  # fixtures


class Killed(BaseException):
    """As kill -9 would end it: nothing after it is done."""


def put(stage: Stage, pool: StoragePool, name: str, *vms: VirtualMachine, **fields: Any) -> Volume:
    """A volume of 1 MiB that these use."""
    stage.fake.volumes[str(pool.uuid), name] = bytes(MIB)
    row = Volume.objects.create(
        storage=pool.storage, name=name, path=f"/pool/{name}", format="raw", capacity_bytes=MIB, **fields
    )
    row.vms.set(vms)
    return row


def define(stage: Stage, disks: Sequence[str] = (), devices: str = "", firmware: str = "", **fields: Any) -> None:
    """web-01 has these disks, here and on its host, whose watcher has read it."""
    seen = stage.fake.domains[stage.uuid]
    parts = [DISK.format(device="disk", name=name, target=f"vd{n}", rest="") for n, name in enumerate(disks)]
    text = (
        f"<domain type='qemu'><name>web-01</name><uuid>{stage.uuid}</uuid>{firmware}"
        f"<devices>{''.join(parts)}{devices}</devices></domain>"
    )
    stage.fake.domains[stage.uuid] = replace(seen, next_boot_xml=text, **fields)
    kept = fields.get("snapshots", ())
    told = {"snapshots": [one.name for one in kept], "checkpoints": list(fields.get("checkpoints", ())), "sources": []}
    Document.objects.filter(placement__vm=stage.vm).update(next_boot=text, kept=told if kept else {})
    Placement.objects.filter(vm=stage.vm).update(
        autostart=fields.get("autostart", False), has_managed_save=fields.get("has_managed_save", False)
    )


@pytest.fixture
def disks(stage: Stage, pool: StoragePool) -> list[Volume]:
    """Two that web-01 alone uses."""
    define(stage, ["one", "two"], autostart=True)
    return [put(stage, pool, name, stage.vm) for name in ("one", "two")]


def names(stage: Stage) -> set[str]:
    return {name for _, name in stage.fake.volumes}


def again(stage: Stage, worker: process.WorkerProcess) -> None:
    """The worker is dead, and another one settles what it left."""
    Worker.objects.filter(pk=worker.worker.pk).update(stopped_at=timezone.now())
    other = process.WorkerProcess(node=stage.host.node, name="other")
    try:
        other.reconcile()
    finally:
        other.pool.shutdown()


def test_what_goes_and_what_stays(stage: Stage, pool: StoragePool) -> None:
    other = make_vm(stage.host, "db-01")
    define(
        stage, ["own", "used", "backs", "image"],
        DISK.format(device="cdrom", name="boot.iso", target="sda", rest="<readonly/>")
        + DISK.format(device="disk", name="shared", target="sdb", rest="<shareable/>")
        + DISK.format(device="disk", name="../srv/outside", target="sdc", rest="").replace("/pool/../", "/")
        + "<tpm model='tpm-crb'><backend type='emulator'/></tpm>",
        "<os><nvram>/nvram/web-01</nvram></os>", snapshots=(SnapshotInfo("monday"),), checkpoints=("c",),
        has_managed_save=True,
    )  # fmt: skip
    own, base = put(stage, pool, "own", stage.vm), put(stage, pool, "base", stage.vm)
    Volume.objects.filter(pk=own.pk).update(backing=base)
    put(stage, pool, "used", stage.vm, other)
    put(stage, pool, "layer", backing=put(stage, pool, "backs", stage.vm))
    copied = put(stage, pool, "image", stage.vm)
    ImageCopy.objects.create(image=Image.objects.create(kind="disk", name="Debian"), volume=copied)
    for name in ("boot.iso", "shared"):
        put(stage, pool, name, stage.vm)
    found = belongings.find(stage.actor, stage.vm)
    assert [line.name for line in found.goes] == ["default / own"] and found.volumes == [own.pk]
    assert {line.name.removeprefix("default / "): line.why for line in found.stays} == {
        "base": "below", "used": "used", "backs": "backs", "image": "image", "boot.iso": "media", "shared": "shared",
        "/srv/outside": "outside",
    }  # fmt: skip
    assert {line.by for line in found.stays if line.why == "used"} == {"db-01"}
    has = found.told
    assert (has["snapshots"], has["checkpoints"], has["saved"], has["nvram"], has["tpm"]) == (
        ["monday"], ["c"], True, "/nvram/web-01", True,
    )  # fmt: skip
    for pick in ([], [base.pk], [own.pk, copied.pk]):
        if pick:
            with pytest.raises(BadFields):
                trash.delete(stage.actor, stage.vm, volumes=pick)
    # A host that has the storage too and is silent may need any of it.
    StoragePool.objects.create(
        host=Host.objects.create(name="host-b", node="b", libvirt_uuid=uuid.uuid4(), left_alone=True),
        storage=pool.storage, uuid=uuid.uuid4(), name="default", active=True,
    )  # fmt: skip
    assert belongings.find(stage.actor, stage.vm).volumes == []


def test_into_the_trash_and_out_again(stage: Stage, disks: list[Volume], done: Done) -> None:
    stage.set_state("running")
    before = stage.fake.domains[stage.uuid]
    used = quotas.used(stage.actor.user)
    assert done(trash.delete(stage.actor, stage.vm)).state == "succeeded"
    assert stage.fake.calls == ["force_off", "autostart False"]
    line = trash.make_lines(stage.actor, list(trash.listed(stage.actor)))[0]
    assert (line.vm, line.runs, line.gone, line.size, line.trash.volumes) == (
        stage.vm, False, False, 2 * MIB, [one.pk for one in disks],
    )  # fmt: skip
    assert line.trash.purge_at and line.trash.purge_at > timezone.now() + timedelta(days=6)
    assert not visible_vms(stage.actor).exists() and quotas.used(stage.actor.user) == used
    for kind in ("vm.start", "vm.autostart"):
        with pytest.raises(WrongState):
            operations.request(
                KINDS[kind], stage.vm, actor=stage.actor, params=KINDS[kind].params.from_json(
                    {"enabled": True} if kind == "vm.autostart" else {}
                ),
            )  # fmt: skip
    [vm] = trash.listed(stage.actor)
    assert done(trash.put_back(stage.actor, vm)).state == "succeeded"
    assert stage.fake.domains[stage.uuid] == replace(before, state="shut_off", run_id=None, live_xml="")
    assert list(visible_vms(stage.actor)) == [stage.vm] and not Trashed.objects.exists()
    assert not OperationLock.objects.exists()


def test_it_counts_until_it_is_gone(stage: Stage, disks: list[Volume], done: Done) -> None:
    user = User.objects.create(username="carol")
    VirtualMachine.objects.update(charged_user=user)
    counted = {"vms": 1, "disk_bytes": 2 * MIB}
    done(trash.delete(stage.actor, stage.vm))
    now = quotas.used(user)
    assert {name: now[name] for name in counted} == counted
    [vm] = trash.listed(stage.actor)
    assert done(trash.purge(stage.actor, vm, confirm="web-01")).state == "succeeded"
    assert not any(quotas.used(user).values())


def test_whoever_repeats_a_deletion_is_told_of_the_first(
    stage: Stage, disks: list[Volume], done: Done, program: Program, stranger: Program
) -> None:
    key = {"Idempotency-Key": "once"}
    pk = stage.vm.pk

    def repeated(path: str, body: dict[str, Any]) -> Operation:
        """Before its end, after it, by nobody else, and with no other key."""
        first = program.post(path, body, **key)
        assert first.status_code == 202, first.content
        operation = done(Operation.objects.get(pk=first.json()["operation"]["id"]))
        assert operation.state == "succeeded"
        again = program.post(path, body, **key)
        assert (again.status_code, again.json()["operation"]["id"]) == (202, operation.pk)
        assert program.post(path, body).status_code == 404
        assert program.post(path.replace(str(pk), str(pk + 1)), body, **key).status_code == 404
        assert stranger.post(path, body, **key).status_code == 404
        key["Idempotency-Key"] += "-more"
        return operation

    assert repeated(f"/vms/{pk}/delete", {}).kind == "vm.trash"
    assert repeated(f"/trash/{pk}/restore", {}).kind == "vm.put-back"
    assert repeated(f"/vms/{pk}/delete", {}).kind == "vm.trash"
    assert repeated(f"/trash/{pk}/purge", {"confirm": "web-01"}).kind == "vm.delete"


def test_nobody_has_a_right_on_what_is_gone(stage: Stage, disks: list[Volume], done: Done) -> None:
    carol = User.objects.create(username="carol")
    grant(carol, "owner", stage.vm)
    kept = grant(carol, "viewer", make_vm(stage.host, "other"))
    assert done(trash.delete(stage.actor, stage.vm)).state == "succeeded"
    LastScreen.objects.create(vm=stage.vm, taken_at=timezone.now(), png=b"its screen")
    assert Grant.objects.count() == 2, "it may come back"
    assert done(trash.purge(stage.actor, VirtualMachine.objects.get(pk=stage.vm.pk), confirm="web-01")).state
    assert list(Grant.objects.all()) == [kept] and not LastScreen.objects.exists()


def test_for_good(stage: Stage, disks: list[Volume], done: Done) -> None:
    with pytest.raises(BadFields):
        trash.delete(stage.actor, stage.vm, trash=False, confirm="web-02")
    operation = done(trash.delete(stage.actor, stage.vm, trash=False, confirm="web-01", volumes=[disks[0].pk]))
    assert operation.state == "succeeded", operation.details
    assert stage.fake.calls == ["forget all", "delete one"]
    assert [line.code for line in operation.log.all()][1:-1] == ["compared", "marked", "forgotten", "volume_deleted"]
    vm = VirtualMachine.objects.get(pk=stage.vm.pk)
    assert vm.deleted_at and names(stage) == {"two"} and list(Volume.objects.all()) == [disks[1]]
    assert not Trashed.objects.exists() and not OperationLock.objects.exists()


@pytest.mark.parametrize("change", ["disk", "snapshot", "runs", "neighbour"])
def test_a_changed_list_is_refused(stage: Stage, disks: list[Volume], done: Done, change: str) -> None:
    operation = trash.delete(stage.actor, stage.vm, trash=False, confirm="web-01")
    seen = stage.fake.domains[stage.uuid]
    more = DISK.format(device="disk", name="three", target="vdx", rest="")
    changes: dict[str, Any] = {
        "disk": {"next_boot_xml": seen.next_boot_xml.replace("<devices>", f"<devices>{more}")},
        "snapshot": {"snapshots": (SnapshotInfo("new"),)},
        "runs": {"state": "running", "run_id": 3, "live_xml": seen.next_boot_xml},
    }
    if change == "neighbour":
        other = str(uuid.uuid4())
        stage.fake.domains[other] = replace(seen, uuid=other, name="web-02")
    else:
        stage.fake.domains[stage.uuid] = replace(seen, **changes[change])
    assert (done(operation).state, operation.error_code) == ("failed", "belongings_changed")
    assert stage.fake.calls == [] and names(stage) == {"one", "two"} and not Trashed.objects.exists()
    assert list(visible_vms(stage.actor)) == [stage.vm]


def test_a_list_that_was_read_long_ago_is_refused(stage: Stage, pool: StoragePool, disks: list[Volume]) -> None:
    seen = belongings.find(stage.actor, stage.vm).digest
    disks[0].vms.add(make_vm(stage.host, "db-01"))
    with pytest.raises(BelongingsChanged):
        trash.delete(stage.actor, stage.vm, seen=seen)


def test_what_the_host_refuses_leaves_all_of_it(stage: Stage, disks: list[Volume], done: Done) -> None:
    stage.fake.fail["forget all"] = HostRefused("no")
    assert done(trash.delete(stage.actor, stage.vm, trash=False, confirm="web-01")).error_code == "host_refused"
    assert names(stage) == {"one", "two"} and not Trashed.objects.exists()
    assert list(visible_vms(stage.actor)) == [stage.vm]
    stage.fake.fail["autostart False"] = HostRefused("no")
    assert done(trash.delete(stage.actor, stage.vm)).state == "failed"
    assert list(visible_vms(stage.actor)) == [stage.vm] and stage.fake.domains[stage.uuid].autostart


def test_what_is_left_of_it_waits_in_the_trash(stage: Stage, disks: list[Volume], done: Done) -> None:
    stage.fake.fail["delete"] = HostRefused("no")
    assert done(trash.delete(stage.actor, stage.vm, trash=False, confirm="web-01")).state == "failed"
    Placement.objects.update(present=False)
    Volume.vms.through.objects.all().delete()
    [line] = trash.make_lines(stage.actor, list(trash.listed(stage.actor)))
    assert (line.gone, line.trash.purging, line.trash.why, len(line.trash.left)) == (True, True, "host_refused", 2)
    assert belongings.find(stage.actor, line.vm).volumes == [one.pk for one in disks]
    with pytest.raises(WrongState):
        trash.put_back(stage.actor, line.vm)
    stage.fake.fail.clear()
    operation = trash.purge(stage.actor, line.vm, confirm="web-01", volumes=[disks[1].pk])
    assert done(operation).state == "succeeded"
    assert names(stage) == {"one"} and Volume.objects.get() == disks[0] and not Trashed.objects.exists()


def test_what_is_marked_and_there_still_is_purged_or_put_back(stage: Stage, disks: list[Volume], done: Done) -> None:
    done(trash.delete(stage.actor, stage.vm))
    Trashed.objects.update(purging=True)
    [vm] = trash.listed(stage.actor)
    assert done(trash.put_back(stage.actor, vm)).state == "succeeded"
    done(trash.delete(stage.actor, VirtualMachine.objects.get()))
    Trashed.objects.update(purging=True)
    [vm] = trash.listed(stage.actor)
    assert done(trash.purge(stage.actor, vm, confirm="web-01")).state == "succeeded"
    assert not names(stage)


def test_what_another_host_has_too_stays(stage: Stage, disks: list[Volume]) -> None:
    host = Host.objects.create(name="host-b", node="b", libvirt_uuid=uuid.uuid4())
    Placement.objects.create(vm=stage.vm, host=host, uuid=stage.uuid, name="web-01")
    with pytest.raises(AlsoDefined):
        trash.delete(stage.actor, stage.vm, trash=False, confirm="web-01")


@pytest.mark.parametrize("step", kinds.STEPS)
@pytest.mark.parametrize("kind", ["vm.trash", "vm.delete"])
def test_killed_at_any_step_it_is_there_whole_or_gone_whole(
    stage: Stage, disks: list[Volume], worker: process.WorkerProcess, monkeypatch: pytest.MonkeyPatch, kind: str,
    step: str,
) -> None:  # fmt: skip
    stage.set_state("running")
    real = ways.log

    def log(operation: Operation, code: str, **params: str) -> None:
        real(operation, code, **params)
        if code == step:
            raise Killed

    monkeypatch.setattr(ways, "log", log)
    wish = {} if kind == "vm.trash" else {"trash": False, "confirm": "web-01"}
    operation = trash.delete(stage.actor, stage.vm, **wish)  # type: ignore[arg-type]
    reached = {"vm.trash": (kinds.COMPARED, kinds.OFF, kinds.MARKED), "vm.delete": kinds.STEPS}
    if step not in reached[kind]:
        worker.take(operation.pk)
        operation.refresh_from_db()
        assert operation.state == "succeeded"
        return
    with pytest.raises(Killed):
        worker.take(operation.pk)
    monkeypatch.setattr(ways, "log", real)
    again(stage, worker)
    operation.refresh_from_db()
    there = stage.uuid in stage.fake.domains
    assert operation.state == ("failed" if kind == "vm.delete" and there else operation.state) and not operation.is_open
    vm = VirtualMachine.objects.get(pk=stage.vm.pk)
    if kind == "vm.trash":
        assert there and names(stage) == {"one", "two"}
        assert (vm.trashed_at is None) == (operation.state == "failed") == stage.fake.domains[stage.uuid].autostart
    elif there:
        assert names(stage) == {"one", "two"} and vm.trashed_at is None and vm.deleted_at is None
        assert list(visible_vms(stage.actor)) == [stage.vm]
    else:
        assert operation.state == "succeeded"
        assert not names(stage) and vm.deleted_at and not Volume.objects.exists()
    assert Trashed.objects.exists() == (kind == "vm.trash" and vm.trashed_at is not None)
    assert not OperationLock.objects.exists()


def test_it_is_purged_when_its_time_has_come(stage: Stage, disks: list[Volume], done: Done) -> None:
    carol = User.objects.create(username="carol")
    right = grant(carol, "owner", stage.vm)
    done(trash.delete(Actor(carol), stage.vm))
    assert trash.purge_due() == 0
    Trashed.objects.update(purge_at=F("purge_at") - timedelta(days=8))
    right.delete()
    assert trash.purge_due() == 0
    assert (Trashed.objects.get().why, Operation.objects.filter(kind="vm.delete").count()) == ("not_allowed", 0)
    grant(carol, "owner", stage.vm)
    Trashed.objects.update(purge_at=timezone.now())
    Placement.objects.update(run_id=4, state="running")
    assert trash.purge_due() == 0 and Trashed.objects.get().why == "wrong_state"
    Placement.objects.update(run_id=None, state="shut_off")
    Trashed.objects.update(purge_at=timezone.now())
    assert trash.purge_due() == 1 and trash.purge_due() == 0
    operation = Operation.objects.get(kind="vm.delete")
    assert operation.actor_user == carol and done(operation).state == "succeeded"
    assert not names(stage)


def test_only_who_may_delete_it_sees_it_there(stage: Stage, disks: list[Volume], done: Done) -> None:
    carol, dave = (User.objects.create(username=name) for name in ("carol", "dave"))
    grant(carol, "owner", stage.vm)
    grant(dave, "editor", stage.vm)
    with pytest.raises(NotAllowed):
        trash.delete(Actor(dave), stage.vm)
    done(trash.delete(stage.actor, stage.vm))
    assert list(trash.listed(carol)) == [stage.vm] and not trash.listed(dave).exists()


def test_what_was_removed_outside_cannot_be_put_back(stage: Stage, disks: list[Volume], done: Done) -> None:
    done(trash.delete(stage.actor, stage.vm))
    del stage.fake.domains[stage.uuid]
    Placement.objects.update(present=False)
    Volume.vms.through.objects.all().delete()
    [vm] = trash.listed(stage.actor)
    with pytest.raises(WrongState):
        trash.put_back(stage.actor, vm)
    Trashed.objects.update(purge_at=timezone.now())
    assert trash.purge_due() == 0, "somebody may have kept its disks on purpose"
    [vm] = trash.listed(stage.actor)
    assert done(trash.purge(stage.actor, vm, confirm="web-01")).state == "succeeded"
    assert not names(stage)


def test_what_its_host_does_not_keep_goes_for_good_alone(stage: Stage, disks: list[Volume]) -> None:
    Placement.objects.update(persistent=False)
    with pytest.raises(BadFields):
        trash.delete(stage.actor, VirtualMachine.objects.get())


def test_a_vm_gets_another_name(stage: Stage, done: Done) -> None:
    operation = done(renaming.rename(stage.actor, stage.vm, "shop-1"))
    assert (operation.state, stage.fake.calls) == ("succeeded", ["rename shop-1"])
    stage.fake.fail["rename shop-2"] = HostUnreachable("it broke")
    assert done(renaming.rename(stage.actor, stage.vm, "shop-2")).state == "failed"
    make_vm(stage.host, "db-01")
    for name in ("", "-x", "a b", "a/b", "x" * 81, "db-01", "web-01", "é"):
        with pytest.raises(BadFields):
            renaming.rename(stage.actor, stage.vm, name)
    Document.objects.filter(placement__vm=stage.vm).update(kept={"snapshots": ["one"]})
    with pytest.raises(BadFields):
        renaming.rename(stage.actor, stage.vm, "shop-3")


def test_a_name_gives_nobody_a_right_too_much(stage: Stage, done: Done) -> None:
    """Asked when it is asked for, and again by the worker."""
    carol, dave = (User.objects.create(username=name) for name in ("carol", "dave"))
    role = Role.objects.create(name="labeller")
    for name in ("vm.view", "vm.label"):
        RolePrivilege.objects.create(role=role, name=name)
    grant(carol, "labeller", stage.vm)
    operation = renaming.rename(Actor(carol), stage.vm, "shop-1")
    grant(dave, "owner", prefix="shop-")
    assert (done(operation).state, operation.error_code) == ("failed", "name_gives_rights")
    with pytest.raises(NameGivesRights):
        renaming.rename(Actor(carol), stage.vm, "shop-2")
    assert stage.fake.calls == []
