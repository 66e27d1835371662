"""The disc of a first boot is taken away when that is over, and not before."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.operations.conftest import Stage
from vms.errors import HostRefused
from vms.models import Happening, Operation, Placement, Seed, StoragePool, Volume
from vms.services import seeds
from vms.virt import PoolInfo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]
DISC = (
    "<disk type='volume' device='cdrom'><driver name='qemu' type='raw'/><source pool='default' volume='web-seed.iso'/>"
)
DISC += "<target dev='sda' bus='sata'/><readonly/></disk>"


@pytest.fixture
def seed(stage: Stage) -> Seed:
    """The disc is in the VM, which is off and was never started."""
    identity = str(uuid.UUID(int=7))
    stage.fake.pools[identity] = PoolInfo(identity, "default", "dir", "/pool", True, False, 1 << 40, 1 << 40)
    pool = StoragePool.objects.create(
        host=stage.host, uuid=uuid.UUID(int=7), name="default", type="dir", path="/pool", active=True
    )
    row = Volume.objects.create(storage=pool.storage, name="web-seed.iso", format="raw", private=True)
    stage.fake.volumes[identity, row.name] = b"secret"
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
