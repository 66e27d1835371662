"""VMs made after others by a worker whose host exists in this process: what is made, and what is left where a step
fails."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import make_vm
from tests.grants import grant
from tests.headers.images import MIB, made
from tests.operations.conftest import Stage, make_pool
from tests.operations.test_create import Killed, nothing_is_left
from vms.errors import (
    BadFields,
    BadParameters,
    HostRefused,
    HostUnreachable,
    Locked,
    NeedsMore,
    NotAllowed,
    OverQuota,
    VirtError,
    WrongState,
)
from vms.kinds import Autostart
from vms.libvirtxml import DomainXML
from vms.models import (
    Document,
    Host,
    Network,
    Operation,
    OperationLock,
    OperationLog,
    Placement,
    Quota,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
    Worker,
)
from vms.operations import clone as ways
from vms.operations import create as making_ways
from vms.operations import jobs
from vms.operations import making as making_room
from vms.operations import volumes as volume_ways
from vms.operations.making import Making, Step
from vms.operations.process import WorkerProcess
from vms.permissions import Actor
from vms.services import clone, operations
from vms.services.clone_plans import plan
from vms.services.clone_rows import rows
from vms.services.clone_wishes import CloneWish, DiskChoice
from vms.virt import Job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]

DISKS = """<devices>
<disk type='volume'><driver name='qemu' type='qcow2'/><source pool='default' volume='web-01.qcow2'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file'><driver name='qemu' type='raw'/><source file='/pool/data'/><target dev='vdb' bus='virtio'/></disk>
<disk type='volume' device='cdrom'><driver name='qemu' type='raw'/><source pool='default' volume='seed.iso'/>
<target dev='sda' bus='sata'/><readonly/></disk>
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/><model type='virtio'/>
</interface><graphics type='vnc' passwd='secret'/></devices>"""
WISH = CloneWish("new")


@pytest.fixture
def source(stage: Stage, pool: StoragePool, network: Network, tmp_path: Path) -> VirtualMachine:
    """web-01 with a disk in the pool's own format, a raw one by its path, and the disc of its first boot."""
    put(stage, pool, "web-01.qcow2", made(tmp_path, "qcow2", size=4 * MIB), "qcow2", capacity=4 * MIB)
    put(stage, pool, "data", bytes(range(256)) * 4096, "raw")
    Volume.objects.filter(pk=put(stage, pool, "seed.iso", bytes(MIB), "raw").pk).update(private=True)
    define(stage, DISKS)
    return stage.vm


def put(
    stage: Stage, pool: StoragePool, name: str, data: bytes, format: str, *, capacity: int = 0
) -> Volume:  # fmt: skip
    stage.fake.volumes[str(pool.uuid), name] = data
    stage.fake.sizes[str(pool.uuid), name] = capacity or len(data)
    row = Volume.objects.create(
        storage=pool.storage, name=name, format=format, told_format=format, capacity_bytes=capacity or len(data),
        path=f"/pool/{name}",
    )  # fmt: skip
    row.vms.add(stage.vm)
    return row


def define(stage: Stage, devices: str, rest: str = "") -> None:
    """What its host tells of web-01, as it runs and as it starts next."""
    seen = stage.fake.domains[stage.uuid]
    text = (
        f"<domain type='qemu'><name>web-01</name><uuid>{stage.uuid}</uuid><memory>1048576</memory><vcpu>2</vcpu>"
        f"<os><type arch='x86_64' machine='q35'>hvm</type></os>{rest}{devices}</domain>"
    )
    stage.fake.domains[stage.uuid] = replace(seen, next_boot_xml=text, live_xml=text if seen.live_xml else "")
    Document.objects.filter(placement__current_of=stage.vm).update(next_boot=text)


def ask(actor: Actor, source: VirtualMachine, wish: CloneWish, *, key: str | None = None) -> Operation:
    """That of one."""
    [made] = clone.clone(actor, source, wish, idempotency_key=key)
    return made


def run(stage: Stage, state: str = "running") -> None:
    stage.set_state(state)
    stage.vm.refresh_from_db()


def document_of(stage: Stage, name: str) -> DomainXML:
    identity = str(Placement.objects.get(vm__name=name).uuid)
    return DomainXML.parse(stage.fake.domains[identity].next_boot_xml)


def bytes_of(stage: Stage, name: str) -> bytes | None:
    return next((data for (_, called), data in stage.fake.volumes.items() if called == name), None)


def gone(stage: Stage) -> None:
    nothing_is_left(stage)
    assert {row.name for row in Volume.objects.all()} == {"web-01.qcow2", "data", "seed.iso"}


def test_it_is_the_same_machine_with_disks_and_addresses_of_its_own(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done
) -> None:
    operation = ask(stage.actor, source, WISH)
    vm = VirtualMachine.objects.get(name="new")
    assert operation.vm == vm and vm.charged_user == stage.actor.user
    assert {row.resource: row.amount for row in operation.reservations.all()} == {
        "vms": 1, "vcpus": 2, "memory_kib": 1 << 20, "disk_bytes": 5 * MIB,
    }  # fmt: skip
    with pytest.raises(Locked):
        stage.ask("vm.start")
    assert done(operation).state == "succeeded", (operation.error_code, operation.details)
    document = document_of(stage, "new")
    assert [(disk.target, disk.source) for disk in document.disks] == [
        ("vda", "default/new.qcow2"), ("vdb", "default/new-2.raw"),
    ]  # fmt: skip
    assert document.uuid != stage.uuid and document.networks == ["default"] and "clean-traffic" in document.text
    assert document.macs[0].startswith("52:54:00:") and document.macs != ["52:54:00:00:00:01"]
    assert "secret" not in document.text and document.vnc is not None and document.vnc.listens == "none"
    for old, new in (("web-01.qcow2", "new.qcow2"), ("data", "new-2.raw")):
        assert bytes_of(stage, new) == bytes_of(stage, old)
    row = Volume.objects.get(name="new.qcow2")
    assert (row.state, row.format, row.owner, row.capacity_bytes) == ("ready", "qcow2", stage.actor.user, 4 * MIB)
    assert not stage.vm.operations.exists() and "start" not in stage.fake.calls


def test_a_disk_is_copied_laid_over_shared_or_left_out(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done
) -> None:
    define(stage, DISKS.replace("dev='vdb' bus='virtio'/>", "dev='vdb' bus='virtio'/><shareable/>"))
    offered = {row.target: row.ways for row in rows(stage.actor, source)}
    assert offered == {"vda": ("copy", "linked", "none"), "vdb": ("share", "copy", "none")}
    ticked = {"vda": DiskChoice("linked"), "vdb": DiskChoice("share")}
    made_after = plan(stage.actor, source, replace(WISH, disks=ticked))
    assert {one.code for one in made_after.warnings} >= {"clone_frozen", "clone_same"}
    assert done(ask(stage.actor, source, replace(WISH, disks=ticked))).state == "succeeded"
    layer = Volume.objects.get(name="new.qcow2")
    assert layer.backing == Volume.objects.get(name="web-01.qcow2")
    assert [disk.source for disk in document_of(stage, "new").disks] == ["default/new.qcow2", "default/data"]
    start = done(stage.ask("vm.start"))
    assert (start.state, start.error_code) == ("failed", "volume_backs")
    done(stage.ask("vm.autostart", Autostart(enabled=True)))
    assert not stage.fake.domains[stage.uuid].autostart
    layer.delete()
    assert done(stage.ask("vm.start")).state == "succeeded"
    run(stage, "shut_off")
    left = {"vda": DiskChoice("copy"), "vdb": DiskChoice("none")}
    assert done(ask(stage.actor, source, replace(WISH, name="new-2", disks=left))).state == "succeeded"
    assert [disk.target for disk in document_of(stage, "new-2").disks] == ["vda"]
    with pytest.raises(BadFields):
        plan(stage.actor, source, replace(WISH, disks={"vdb": DiskChoice("linked")}))


def test_nothing_is_laid_over_what_will_be_written_to(stage: Stage, source: VirtualMachine) -> None:
    def linked() -> bool:
        source.refresh_from_db()
        return any("linked" in row.ways for row in rows(stage.actor, source))

    assert linked()
    for state in ("running", "paused", "saved"):
        run(stage, state)
        assert not linked()
    run(stage, "shut_off")
    Placement.objects.filter(current_of=source).update(autostart=True)
    assert not linked()


@pytest.mark.parametrize("state", ["running", "paused"])
def test_of_one_that_runs_all_disks_are_of_one_moment(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done, state: str
) -> None:
    run(stage, state)
    operation = done(ask(stage.actor, source, WISH))
    assert operation.state == "succeeded", (operation.error_code, operation.details)
    assert [call for call in stage.fake.calls if call.startswith("cop")] == ["copies ['vda', 'vdb']", "copied"]
    assert stage.fake.copies[stage.uuid] == {"/pool/new.qcow2", "/pool/new-2.raw"}
    assert stage.fake.domains[stage.uuid].state == state


def test_whoever_cancels_it_has_its_host_end_it(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "LOOK", 0.01)
    run(stage)
    operation = ask(stage.actor, source, WISH)

    def cancel() -> None:
        stage.fake.jobs[stage.uuid] = Job(1, 2)
        operations.cancel(operation, actor=stage.actor)

    stage.fake.after["copies ['vda', 'vdb']"] = cancel
    assert done(operation).state == "cancelled"
    assert "abort" in stage.fake.calls and stage.uuid not in stage.fake.jobs
    assert stage.fake.domains[stage.uuid].state == "running"
    gone(stage)


def test_another_job_of_the_source_is_not_ended(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done
) -> None:
    run(stage)
    stage.fake.jobs[stage.uuid] = Job(1, 2)
    stage.fake.copies[stage.uuid] = {"/pool/somebody-s"}
    stage.fake.fail["create"] = HostRefused("no")
    assert done(ask(stage.actor, source, WISH)).error_code == "host_refused"
    assert "abort" not in stage.fake.calls
    gone(stage)


@pytest.mark.parametrize("what", ["started", "another disk", "grown"])
def test_what_is_another_by_now_is_not_cloned(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done, what: str
) -> None:
    operation = ask(stage.actor, source, WISH)
    if what == "started":
        stage.fake.set_state(stage.uuid, "running")
    elif what == "another disk":
        text = stage.fake.domains[stage.uuid].next_boot_xml.replace("/pool/data", "/pool/other")
        stage.fake.domains[stage.uuid] = replace(stage.fake.domains[stage.uuid], next_boot_xml=text)
    else:
        stage.fake.sizes[str(pool.uuid), "web-01.qcow2"] = 8 * MIB
    operation = done(operation)
    assert (operation.state, operation.error_code) == ("failed", "source_changed")
    gone(stage)


def test_what_is_written_to_while_it_is_read_is_not_kept(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done
) -> None:
    def write() -> None:
        key = (str(pool.uuid), "data")
        stage.fake.volumes[key] = stage.fake.volumes[key] + b"more"

    stage.fake.after["send"] = write
    operation = done(ask(stage.actor, source, WISH))
    assert (operation.state, operation.error_code) == ("failed", "source_changed")
    gone(stage)


def test_a_disk_on_which_its_guest_wrote_a_header_is_not_copied(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done, tmp_path: Path
) -> None:
    operation = ask(stage.actor, source, WISH)
    header = made(tmp_path, "qcow2", size=MIB)
    stage.fake.volumes[str(pool.uuid), "data"] = header.ljust(MIB, b"\0")
    operation = done(operation)
    assert (operation.state, operation.error_code) == ("failed", "refused_image")
    gone(stage)


@pytest.mark.parametrize("step", [step.name for step in ways.STEPS])
@pytest.mark.parametrize("error", [HostRefused("no"), HostUnreachable("gone")], ids=["refused", "lost"])
def test_where_a_step_fails_nothing_is_left(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done, monkeypatch: pytest.MonkeyPatch, step: str,
    error: VirtError,
) -> None:  # fmt: skip
    def failing(original: Step) -> Step:
        def do(making: Making) -> None:
            original.do(making)
            raise error

        return replace(original, do=do) if original.name == step else original

    monkeypatch.setattr(ways, "STEPS", tuple(failing(each) for each in ways.STEPS))
    operation = done(ask(stage.actor, source, replace(WISH, start=True)))
    if step == "start" and isinstance(error, HostUnreachable):
        assert operation.state == "succeeded"
        return
    assert (operation.state, operation.error_code) == ("failed", error.code)
    gone(stage)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [step.name for step in ways.STEPS])
def test_what_a_dead_worker_left_is_whole_or_gone(
    stage: Stage, pool: StoragePool, source: VirtualMachine, worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch,
    step: str, when: str,
) -> None:  # fmt: skip
    def dying(original: Step) -> Step:
        def do(making: Making) -> None:
            if when == "after":
                original.do(making)
            raise Killed

        return replace(original, do=do) if original.name == step else original

    with monkeypatch.context() as patch:
        patch.setattr(ways, "STEPS", tuple(dying(each) for each in ways.STEPS))
        # Dead programs tidy nothing up.
        patch.setattr(making_ways, "undo", lambda *args: None)
        operation = ask(stage.actor, source, replace(WISH, start=True))
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
        gone(stage)


def test_to_another_host_its_disks_are_copied(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Host.objects.create(name="far", transport="tls", address="far.example.org", node=stage.host.node)
    Host.objects.update(heard_at="2026-01-01T00:00Z")
    there = make_pool(stage.fake, far, 70, "far-pool")
    monkeypatch.setattr(volume_ways, "connect", stage.fake.connect)
    made_after = plan(stage.actor, source, replace(WISH, host=far.pk))
    assert {disk["pool"] for disk in made_after.params.disks} == {there.pk}
    assert made_after.params.cards == [{}], "there is no network of that name"
    operation = done(ask(stage.actor, source, replace(WISH, pool=there.pk)))
    assert operation.state == "succeeded", (operation.error_code, operation.details)
    assert Placement.objects.get(vm__name="new").host == far
    assert stage.fake.volumes[str(there.uuid), "new-2.raw"] == bytes_of(stage, "data")
    for choice in ({"vda": DiskChoice("linked")}, {"vdb": DiskChoice("share")}):
        with pytest.raises(BadFields):
            plan(stage.actor, source, replace(WISH, host=far.pk, disks=choice))
    run(stage)
    with pytest.raises(BadFields) as refused:
        plan(stage.actor, source, replace(WISH, host=far.pk))
    assert refused.value.errors == {"host": "clone_runs_far"}


def test_a_layer_stays_one_and_goes_to_no_other_host(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done, tmp_path: Path
) -> None:
    base = put(stage, pool, "base", bytes(MIB), "raw")
    base.vms.clear()
    path = tmp_path / "layer"
    layered(path, "/pool/base")
    stage.fake.volumes[str(pool.uuid), "web-01.qcow2"] = path.read_bytes()
    stage.fake.backings["web-01.qcow2"] = "/pool/base"
    Volume.objects.filter(name="web-01.qcow2").update(backing=base, backing_path="/pool/base")
    operation = done(ask(stage.actor, source, WISH))
    assert operation.state == "succeeded", (operation.error_code, operation.details, operation.error_params)
    assert Volume.objects.get(name="new.qcow2").backing == base
    layered(path, "/pool/other")
    stage.fake.volumes[str(pool.uuid), "web-01.qcow2"] = path.read_bytes()
    operation = done(ask(stage.actor, source, replace(WISH, name="new-2")))
    assert (operation.state, operation.error_code) == ("failed", "refused_image")
    Volume.objects.filter(name="web-01.qcow2").update(backing=None)
    with pytest.raises(BadFields) as refused:
        plan(stage.actor, source, replace(WISH, name="new-3"))
    assert refused.value.errors == {"disks": "clone_below"}


def layered(path: Path, below: str) -> None:
    """A qcow2 over that file, which need not be there."""
    words = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", below, str(path), str(4 * MIB)]
    subprocess.run(words, check=True, timeout=60)


@pytest.fixture
def olga(stage: Stage, pool: StoragePool, network: Network) -> Actor:
    """Owner of web-01, who may make VMs there."""
    user = User.objects.create(username="olga")
    for thing in (stage.host, pool, network):
        grant(user, "creator", thing)
    grant(user, "owner", stage.vm)
    return Actor(user)


def test_an_owner_clones_what_an_owner_may_define(
    stage: Stage, pool: StoragePool, source: VirtualMachine, olga: Actor, done: Done
) -> None:
    operation = done(ask(olga, source, WISH))
    assert operation.state == "succeeded", (operation.error_code, operation.details)
    assert VirtualMachine.objects.get(name="new").charged_user == olga.user
    define(stage, DISKS, "<cputune><shares>2048</shares></cputune>")
    with pytest.raises(NeedsMore) as refused:
        plan(olga, source, WISH)
    assert refused.value.params["privilege"] == "vm.tune"
    host_folder = "<filesystem type='mount'><source dir='/'/><target dir='root'/></filesystem></devices>"
    define(stage, DISKS.replace("</devices>", host_folder))
    with pytest.raises(NeedsMore) as refused:
        plan(olga, source, WISH)
    assert refused.value.params["privilege"] == "vm.define"
    assert plan(stage.actor, source, WISH).params.more == ["vm.define"]


def test_what_needs_more_is_asked_for_again_by_the_worker(
    stage: Stage, pool: StoragePool, source: VirtualMachine, done: Done
) -> None:
    define(stage, DISKS, "<cputune><shares>2048</shares></cputune>")
    operation = ask(stage.actor, source, WISH)
    grant(stage.actor.user, "owner", everything=True)
    grant(stage.actor.user, "creator", everything=True)
    User.objects.filter(pk=stage.actor.user.pk).update(is_administrator=False)
    operation = done(operation)
    assert (operation.state, operation.error_code) == ("refused", "needs_more")
    gone(stage)


@pytest.mark.parametrize("role", ["viewer", "operator", "editor"])
def test_less_than_an_owner_copies_no_disk(stage: Stage, source: VirtualMachine, olga: Actor, role: str) -> None:
    olga.user.grants.filter(vm=stage.vm).delete()
    grant(olga.user, role, stage.vm)
    with pytest.raises(NotAllowed):
        plan(olga, source, WISH)


def test_a_disk_that_is_also_anothers_is_not_copied(
    stage: Stage, pool: StoragePool, source: VirtualMachine, olga: Actor
) -> None:
    Volume.objects.get(name="data").vms.add(make_vm(stage.host, "other", state="shut_off"))
    [_, row] = rows(olga, source)
    assert (row.ways, row.why, row.name) == (("none",), "not_yours", "")
    with pytest.raises(BadFields):
        plan(olga, source, replace(WISH, disks={"vdb": DiskChoice("copy")}))
    assert [disk["target"] for disk in plan(olga, source, WISH).params.disks] == ["vda"]


def test_a_right_that_goes_meanwhile_ends_it(
    stage: Stage, pool: StoragePool, source: VirtualMachine, olga: Actor, done: Done
) -> None:
    operation = ask(olga, source, WISH)
    olga.user.grants.filter(vm=stage.vm).delete()
    operation = done(operation)
    assert (operation.state, operation.error_code) == ("refused", "not_allowed")
    gone(stage)


def test_it_counts_for_whoever_clones(stage: Stage, pool: StoragePool, source: VirtualMachine, olga: Actor) -> None:
    Quota.objects.create(user=olga.user, disk_bytes=4 * MIB)
    with pytest.raises(OverQuota):
        ask(olga, source, WISH)
    assert not VirtualMachine.objects.filter(name="new").exists()
    ask(olga, source, replace(WISH, disks={"vdb": DiskChoice("none")}))


def test_the_same_request_is_answered_by_the_same_operation(
    stage: Stage, pool: StoragePool, source: VirtualMachine
) -> None:
    first = ask(stage.actor, source, WISH, key="once")
    assert ask(stage.actor, source, WISH, key="once") == first
    with pytest.raises(BadParameters):
        ask(stage.actor, source, replace(WISH, name="other"), key="once")
    with pytest.raises(BadFields):
        ask(stage.actor, source, replace(WISH, name="a b"))


def test_what_is_gone_is_not_cloned(stage: Stage, source: VirtualMachine) -> None:
    Placement.objects.filter(current_of=source).update(present=False)
    source.refresh_from_db()
    with pytest.raises(WrongState):
        plan(stage.actor, source, WISH)


def several(stage: Stage, source: VirtualMachine, wish: CloneWish = WISH, count: int = 3) -> list[Operation]:
    return clone.clone(stage.actor, source, replace(wish, name="new-#", count=count))


def alone(worker: WorkerProcess, operation: Operation) -> Operation:
    """After the worker has had it, and nothing else that is in line."""
    claimed = worker.claim(operation.pk)
    assert claimed
    worker.do(claimed)
    operation.refresh_from_db()
    return operation


def holder(source: VirtualMachine) -> Operation | None:
    """Whose the source is."""
    found = OperationLock.objects.filter(key=f"vm:{source.pk}").select_related("operation").first()
    return found.operation if found else None


def test_several_are_operations_of_one_batch(
    stage: Stage, pool: StoragePool, source: VirtualMachine, worker: WorkerProcess, done: Done
) -> None:
    made = several(stage, source)
    assert len({each.batch for each in made}) == 1 and made[0].batch
    assert [each.target_name for each in made] == ["new-1", "new-2", "new-3"]
    assert [each.params["disks"][1]["name"] for each in made] == ["new-1-2.raw", "new-2-2.raw", "new-3-2.raw"]
    for each in made:
        with pytest.raises(Locked):
            stage.ask("vm.start")
        with pytest.raises(Locked):
            ask(stage.actor, source, replace(WISH, name="another"))
        assert holder(source) == each
        assert alone(worker, each).state == "succeeded", (each.error_code, each.details)
    assert {row.name for row in VirtualMachine.objects.all()} == {"web-01", "new-1", "new-2", "new-3"}
    assert len({document_of(stage, each.target_name).macs[0] for each in made}) == 3
    assert bytes_of(stage, "new-3-2.raw") == bytes_of(stage, "data")
    assert not OperationLock.objects.exists()
    assert done(stage.ask("vm.start")).state == "succeeded"


def test_what_is_cancelled_or_fails_of_several_leaves_the_source_to_the_others(
    stage: Stage, pool: StoragePool, source: VirtualMachine, worker: WorkerProcess
) -> None:
    first, second, third = several(stage, source)
    operations.cancel(first, actor=stage.actor)
    assert holder(source) == second
    assert set(second.locks.values_list("key", flat=True)) >= {
        f"volume:{disk['of']}" for disk in second.params["disks"]
    }
    stage.fake.fail["create"] = HostRefused("no")
    assert alone(worker, second).state == "failed"
    assert holder(source) == third
    del stage.fake.fail["create"]
    assert alone(worker, third).state == "succeeded"
    assert holder(source) is None
    assert {row.name for row in VirtualMachine.objects.all()} == {"web-01", "new-3"}


def test_several_are_asked_for_or_none(
    stage: Stage, pool: StoragePool, source: VirtualMachine, network: Network
) -> None:
    make_vm(stage.host, "new-3")
    with pytest.raises(BadFields) as taken:
        several(stage, source)
    assert taken.value.errors == {"name": "vm_taken"}
    assert not Operation.objects.exists()
    for name, count, field in (("new-#", 101, "count"), ("new-#", 0, "count"), ("new", 2, "name"), ("#-#", 2, "name")):
        with pytest.raises(BadFields) as bad:
            clone.clone(stage.actor, source, replace(WISH, name=name, count=count))
        assert list(bad.value.errors) == [field]


def test_of_several_no_more_are_asked_for_than_there_is_room_for(
    stage: Stage, pool: StoragePool, source: VirtualMachine
) -> None:
    Quota.objects.create(user=stage.actor.user, vms=3)
    with pytest.raises(OverQuota):
        several(stage, source, count=4)
    assert not Operation.objects.exists() and VirtualMachine.objects.count() == 1
    assert len(several(stage, source, count=3)) == 3


def test_the_same_key_asks_for_several_once(stage: Stage, pool: StoragePool, source: VirtualMachine) -> None:
    wish = replace(WISH, name="new-#", count=2)
    made = clone.clone(stage.actor, source, wish, idempotency_key="once")
    assert clone.clone(stage.actor, source, wish, idempotency_key="once") == made
    with pytest.raises(BadParameters):
        clone.clone(stage.actor, source, replace(wish, count=3), idempotency_key="once")


def test_one_that_runs_is_copied_for_one_at_a_time(
    stage: Stage, pool: StoragePool, source: VirtualMachine, worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "LOOK", 0.01)
    run(stage)
    first, second = several(stage, source, count=2)
    mine = OperationLock.objects.create(operation=first, key=f"copies:{source.pk}")

    def free(operation: Operation, *others: object) -> bool:
        """While the second waits, the first has done."""
        if mine.pk and OperationLog.objects.filter(operation=second, code="copies_awaited").exists():
            assert not [call for call in stage.fake.calls if call.startswith("copies")]
            mine.delete()
        return jobs.is_to_end(operation)

    monkeypatch.setattr(making_room, "is_to_end", free)
    assert alone(worker, second).state == "succeeded"
    assert second.log.filter(code="copies_awaited").count() == 1
    assert alone(worker, first).state == "succeeded"
    assert not OperationLock.objects.exists()
