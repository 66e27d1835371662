"""The disc of a first boot is taken away when that is over, and not before; and another takes its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.operations.conftest import Stage
from vms.errors import BadFields, HostRefused, HostUnreachable, Locked, NotAllowed, OverQuota, VmsError, WrongState
from vms.libvirtxml import DomainXML
from vms.models import (
    Happening,
    Operation,
    OperationLock,
    Placement,
    Quota,
    Reservation,
    Seed,
    StoragePool,
    User,
    Volume,
    Worker,
)
from vms.operations import seeds as ways
from vms.operations.process import WorkerProcess
from vms.operations.seeds import Step
from vms.operations.work import Work
from vms.permissions import Actor, visible_volumes
from vms.services import seed_discs, seeds
from vms.services.seeds import SeedWish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]
DISC = (
    "<disk type='volume' device='cdrom'><driver name='qemu' type='raw'/><source pool='default' volume='web-seed.iso'/>"
)
DISC += "<target dev='sda' bus='sata'/><readonly/></disk>"


@pytest.fixture
def seed(stage: Stage, pool: StoragePool) -> Seed:
    """The disc is in the VM, which is off and was never started."""
    row = Volume.objects.create(storage=pool.storage, name="web-seed.iso", format="raw", private=True)
    stage.fake.volumes[str(pool.uuid), row.name] = b"secret"
    give(stage)
    return Seed.objects.create(vm=stage.vm, volume=row, by=stage.actor.user, look_at=timezone.now())


def give(stage: Stage) -> None:
    """Put the disc into the VM, which is off."""
    told = stage.fake.domains[stage.uuid]
    xml = told.next_boot_xml.replace("</devices>", f"{DISC}</devices>")
    stage.fake.domains[stage.uuid] = replace(told, next_boot_xml=xml)


def due(stage: Stage) -> Operation:
    """What the clock asks for now."""
    Seed.objects.update(look_at=timezone.now())
    assert seeds.drop_due() == 1
    return Operation.objects.get(kind="vm.drop-seed")


def is_gone(stage: Stage) -> bool:
    """The disc on the host and here, and the drive that it was in."""
    there = "seed" in stage.fake.domains[stage.uuid].next_boot_xml or bool(stage.fake.volumes)
    return not there and not Volume.objects.exists() and Seed.objects.get().volume is None


def test_it_stays_while_its_vm_was_never_started(stage: Stage, seed: Seed) -> None:
    assert seeds.drop_due() == 0
    seed.refresh_from_db()
    assert seed.volume is not None and seed.look_at is not None and seed.look_at > timezone.now()


def test_it_goes_when_its_vm_is_off_again(stage: Stage, seed: Seed, done: Done) -> None:
    Happening.objects.create(vm=stage.vm, host=stage.host, code="state")
    assert done(due(stage)).state == "succeeded"
    assert stage.fake.calls == ["modify", "delete web-seed.iso"] and is_gone(stage)


def test_it_goes_when_its_vm_has_run_for_long_enough(stage: Stage, seed: Seed, done: Done) -> None:
    stage.set_state("running")
    Placement.objects.update(state_since=timezone.now() - timedelta(minutes=5))
    assert seeds.drop_due() == 0
    Placement.objects.update(state_since=timezone.now() - timedelta(minutes=31))
    assert done(due(stage)).state == "succeeded"
    update, *rest = stage.fake.calls
    assert update.startswith("update <disk") and "<source" not in update and 'dev="sda"' in update
    assert rest == ["modify", "delete web-seed.iso"] and is_gone(stage)


def test_what_was_done_before_is_not_missed(stage: Stage, seed: Seed, done: Done) -> None:
    Happening.objects.create(vm=stage.vm, host=stage.host, code="state")
    stage.fake.volumes.clear()
    told = stage.fake.domains[stage.uuid]
    stage.fake.domains[stage.uuid] = replace(told, next_boot_xml=told.next_boot_xml.replace(DISC, ""))
    assert done(due(stage)).state == "succeeded"
    assert is_gone(stage)


def test_what_the_host_refuses_is_tried_again(stage: Stage, seed: Seed, done: Done) -> None:
    Happening.objects.create(vm=stage.vm, host=stage.host, code="state")
    stage.fake.fail["modify"] = HostRefused("no")
    assert done(due(stage)).state == "failed"
    seed.refresh_from_db()
    assert seed.volume is not None and stage.fake.volumes


def test_what_is_to_stay_is_not_looked_at(stage: Stage, seed: Seed) -> None:
    Happening.objects.create(vm=stage.vm, host=stage.host, code="state")
    Seed.objects.update(look_at=None, keep=True)
    assert seeds.drop_due() == 0


WISH = SeedWish(user="berta", password="open sesame", hostname="web-2")


def drives(stage: Stage) -> list[str]:
    document = DomainXML.parse(stage.fake.domains[stage.uuid].next_boot_xml)
    return [disk.source for disk in document.disks if disk.kind == "cdrom"]


def as_before(stage: Stage) -> None:
    """The old disc is where it was, and nothing of the new one is anywhere."""
    assert drives(stage) == ["default/web-seed.iso"]
    assert [name for _, name in stage.fake.volumes] == ["web-seed.iso"]
    assert [row.name for row in Volume.objects.all()] == ["web-seed.iso"]
    seed = Seed.objects.get()
    assert seed.volume is not None and seed.told == {}
    assert not OperationLock.objects.exists()


def in_its_place(stage: Stage) -> None:
    """The new disc, in the definition, on the host and here; of the old one nothing."""
    assert drives(stage) == ["default/web-01-seed.iso"]
    assert [name for _, name in stage.fake.volumes] == ["web-01-seed.iso"]
    row = Volume.objects.get()
    assert (row.name, row.state, row.private, row.owner) == ("web-01-seed.iso", "ready", True, stage.actor.user)
    seed = Seed.objects.get()
    assert (seed.volume, seed.by, seed.told["user"]) == (row, stage.actor.user, "berta")
    assert seed.look_at is not None and seed.look_at > timezone.now()
    assert not OperationLock.objects.exists()


def test_a_new_disc_takes_the_place_of_the_old(stage: Stage, seed: Seed, done: Done) -> None:
    operation = seed_discs.write(stage.actor, stage.vm, WISH)
    assert "sesame" not in repr((operation.params, operation.sealed))
    operation = done(operation)
    assert operation.state == "succeeded", (operation.error_code, operation.details)
    calls = [call.partition(" ")[0] for call in stage.fake.calls]
    assert calls == ["create", "upload", "modify", "delete"]
    assert b"berta" in next(iter(stage.fake.volumes.values()))
    assert not operation.sealed and "$6$" not in repr(operation.params)
    assert not visible_volumes(stage.actor).exists()
    in_its_place(stage)


def test_one_that_has_none_is_told_too(stage: Stage, pool: StoragePool, done: Done) -> None:
    assert done(seed_discs.write(stage.actor, stage.vm, replace(WISH, keep=True))).state == "succeeded"
    assert drives(stage) == ["default/web-01-seed.iso"]
    seed = Seed.objects.get()
    assert seed.volume is not None and seed.keep and seed.look_at is None


def test_each_disc_is_another_instance(stage: Stage, pool: StoragePool, done: Done) -> None:
    found = []
    for _ in range(2):
        assert done(seed_discs.write(stage.actor, stage.vm, WISH)).state == "succeeded"
        [disc] = stage.fake.volumes.values()
        found.append(disc[disc.index(b"instance-id: ") :][:49])
    assert found[0] != found[1] and stage.uuid.encode() not in b"".join(found)


def test_the_new_one_is_not_taken_for_read_before_it_was(stage: Stage, seed: Seed, done: Done) -> None:
    Happening.objects.create(vm=stage.vm, host=stage.host, code="state")
    done(seed_discs.write(stage.actor, stage.vm, WISH))
    Seed.objects.update(look_at=timezone.now())
    assert seeds.drop_due() == 0
    Happening.objects.create(vm=stage.vm, host=stage.host, code="state")
    assert done(due(stage)).state == "succeeded"
    assert is_gone(stage)


def failing(step: str, error: BaseException, *, before: bool = False) -> tuple[Step, ...]:
    """The steps, of which one breaks."""

    def breaking(original: Step) -> Step:
        def do(work: Work) -> None:
            if not before:
                original.do(work)
            raise error

        return replace(original, do=do) if original.name == step else original

    return tuple(breaking(each) for each in ways.STEPS)


@pytest.mark.parametrize("step", [step.name for step in ways.STEPS])
@pytest.mark.parametrize("error", [HostRefused("no"), HostUnreachable("gone")], ids=["refused", "lost"])
def test_where_a_step_fails_all_is_as_it_was_or_done(
    stage: Stage, seed: Seed, done: Done, monkeypatch: pytest.MonkeyPatch, step: str, error: VmsError
) -> None:
    monkeypatch.setattr(ways, "STEPS", failing(step, error, before=step == "old"))
    operation = done(seed_discs.write(stage.actor, stage.vm, WISH))
    if isinstance(error, HostUnreachable) and step != "disc":
        # The definition was changed, as the host says when it is asked.
        assert operation.state == "succeeded"
        in_its_place(stage)
    else:
        assert (operation.state, operation.error_code) == ("failed", error.code)
        as_before(stage)


class Killed(BaseException):
    """What a kill -9 is to the program: nothing after it runs."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [step.name for step in ways.STEPS])
def test_what_a_dead_worker_left_is_done_or_as_it_was(
    stage: Stage, seed: Seed, worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ways, "STEPS", failing(step, Killed(), before=when == "before"))
        # Dead programs tidy nothing up.
        patch.setattr(ways, "undo", lambda *args: None)
        operation = seed_discs.write(stage.actor, stage.vm, WISH)
        with pytest.raises(Killed):
            worker.do(worker.claim(operation.pk))  # type: ignore[arg-type]
    reconciled(stage, worker)
    operation.refresh_from_db()
    if (step, when) in (("disc", "before"), ("disc", "after"), ("drive", "before")):
        assert (operation.state, operation.error_code) == ("failed", "worker_died")
        as_before(stage)
    else:
        assert operation.state == "succeeded"
        in_its_place(stage)


@pytest.mark.parametrize("kept", [False, True])
def test_one_that_died_at_the_end_is_done(
    stage: Stage, seed: Seed, worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """The rows were half written, or whole; the new disc is not taken for the old one."""
    finish = ways.finish

    def dying(*args: object) -> None:
        if kept:
            finish(*args)  # type: ignore[arg-type]
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ways, "finish", dying)
        patch.setattr(ways, "undo", lambda *args: None)
        operation = seed_discs.write(stage.actor, stage.vm, WISH)
        with pytest.raises(Killed):
            worker.do(worker.claim(operation.pk))  # type: ignore[arg-type]
    reconciled(stage, worker)
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    in_its_place(stage)


def reconciled(stage: Stage, worker: WorkerProcess) -> None:
    """Another worker settles what this one left."""
    Worker.objects.filter(pk=worker.worker.pk).update(stopped_at="2026-01-01T00:00Z")
    other = WorkerProcess(node=stage.host.node)
    other.reconcile()
    other.pool.shutdown()


def test_what_the_host_does_not_take_back_is_said(
    stage: Stage, seed: Seed, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    def do(work: Work) -> None:
        stage.fake.fail["modify"] = HostRefused("not again")
        raise HostRefused("no")

    monkeypatch.setattr(ways, "STEPS", (*ways.STEPS[:2], replace(ways.STEPS[2], do=do)))
    operation = done(seed_discs.write(stage.actor, stage.vm, WISH))
    assert (operation.state, operation.details) == ("failed", "no")
    left = operation.log.get(code="step_left")
    assert left.params == {"step": "drive", "why": "not again"}


def test_it_is_refused_while_the_vm_runs_or_something_holds_it(stage: Stage, seed: Seed) -> None:
    stage.set_state("running")
    with pytest.raises(WrongState):
        seed_discs.write(stage.actor, stage.vm, WISH)
    stage.set_state("shut_off")
    stage.ask("vm.start")
    with pytest.raises(Locked):
        seed_discs.write(stage.actor, stage.vm, WISH)
    assert not Operation.objects.filter(kind="vm.cloud-init").exists()


def test_what_does_not_fit_is_refused(stage: Stage, pool: StoragePool) -> None:
    with pytest.raises(BadFields) as refused:
        seed_discs.write(stage.actor, stage.vm, replace(WISH, user="Berta"))
    assert refused.value.errors == {"user": "guest_user"}
    with pytest.raises(BadFields) as refused:
        seed_discs.write(stage.actor, stage.vm, replace(WISH, address="192.0.2.7/24"))
    assert refused.value.errors == {"address": "no_card"}
    StoragePool.objects.update(active=False)
    with pytest.raises(BadFields) as refused:
        seed_discs.write(stage.actor, stage.vm, WISH)
    assert refused.value.errors == {"disks": "vm_no_folder"}


def test_it_counts_in_a_quota_until_it_is_there(stage: Stage, pool: StoragePool, done: Done) -> None:
    quota = Quota.objects.create(user=stage.actor.user, disk_bytes=seeds.SIZE - 1)
    with pytest.raises(OverQuota):
        seed_discs.write(stage.actor, stage.vm, WISH)
    Quota.objects.filter(pk=quota.pk).update(disk_bytes=seeds.SIZE)
    assert done(seed_discs.write(stage.actor, stage.vm, WISH)).state == "succeeded"
    assert not Reservation.objects.exists()


def test_a_right_on_the_pool_that_goes_meanwhile_ends_it(
    stage: Stage, seed: Seed, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(who: object, privilege: str, thing: object) -> None:
        if privilege == "pool.use":
            raise NotAllowed(privilege=privilege)

    operation = seed_discs.write(stage.actor, stage.vm, WISH)
    monkeypatch.setattr(ways, "require", refused)
    assert done(operation).state == "refused"
    as_before(stage)


def test_asked_twice_by_one_key_it_is_written_once(stage: Stage, pool: StoragePool, done: Done) -> None:
    first = seed_discs.write(stage.actor, stage.vm, WISH, idempotency_key="k")
    assert done(first).state == "succeeded"
    assert seed_discs.write(stage.actor, stage.vm, WISH, idempotency_key="k") == first
    with pytest.raises(VmsError):
        seed_discs.write(stage.actor, stage.vm, replace(WISH, user="carl"), idempotency_key="k")


def test_who_may_not_change_its_disks_may_not_tell_it_anything(stage: Stage, pool: StoragePool) -> None:
    with pytest.raises(NotAllowed):
        seed_discs.write(Actor(User.objects.create(username="carol")), stage.vm, WISH)
