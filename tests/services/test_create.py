"""What a wish becomes: where it fits, what its system wants, what should be known before, and what is refused."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import make_vm
from tests.grants import grant
from vms.errors import BadFields, BadParameters, NameGivesRights, NotAllowed
from vms.forms.create import Create
from vms.models import (
    Host,
    Image,
    ImageCopy,
    Network,
    NetworkFilter,
    Operation,
    Placement,
    Role,
    RolePrivilege,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
)
from vms.permissions import Actor
from vms.services import create, plans
from vms.services.wishes import DiskWish, Preview, Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
HARDWARE = {"firmwares": ["bios", "efi"], "secure_boot": True, "tpm": True, "machines": ["q35", "pc"]}
WISH = Wish("new", memory_mib=512, disks=(DiskWish(size_mib=1024),))


def ground(host: Host, **fields: Any) -> StoragePool:
    """A pool and a network of the host."""
    Network.objects.create(host=host, uuid=uuid.uuid4(), name="nat", active=True)
    NetworkFilter.objects.create(host=host, uuid=uuid.uuid4(), name="clean-traffic")
    values = {"type": "dir", "path": "/pool", "active": True, "available_bytes": 1 << 40, **fields}
    return StoragePool.objects.create(host=host, uuid=uuid.uuid4(), name="default", **values)


@pytest.fixture
def pool(host: Host) -> StoragePool:
    Host.objects.update(hardware=HARDWARE)
    return ground(host)


def second(memory_gib: int) -> Host:
    made = Host.objects.create(
        name="host-b", node="node-a", libvirt_uuid=uuid.UUID(int=0xB), heard_at=timezone.now(), hardware=HARDWARE,
        facts={"domain_type": "kvm", "cpus": 8, "memory_kib": memory_gib << 20},
    )  # fmt: skip
    ground(made)
    return made


def image(pool: StoragePool, os: str = "debian12", kind: str = "disk", **fields: Any) -> Image:
    volume = Volume.objects.create(
        storage=pool.storage, name=f"{os}.{kind}", format="qcow2" if kind == "disk" else "raw"
    )
    values = {"format": "qcow2", "size_bytes": 1 << 29, "virtual_bytes": 3 << 30, "os": os, **fields}
    made = Image.objects.create(kind=kind, name=volume.name, **values)
    ImageCopy.objects.create(image=made, volume=volume, published=True)
    return made


def codes(told: Preview) -> list[str]:
    return [each.code for each in told.warnings]


def refused(actor: Actor, wish: Wish) -> dict[str, str]:
    with pytest.raises(BadFields) as told:
        plans.plan(actor, wish)
    return dict(told.value.errors)


def test_it_goes_where_the_most_memory_is_free(actor: Actor, host: Host, pool: StoragePool) -> None:
    assert plans.plan(actor, WISH).place.why == "only"
    other = second(64)
    place = plans.plan(actor, WISH).place
    assert (place.host, place.why, place.of) == (other, "memory", 2)
    for number in range(8):
        make_vm(other, f"big-{number}", memory_kib=8 << 20)
    assert plans.plan(actor, WISH).place.host == host
    Host.objects.filter(pk=host.pk).update(error_code="host_unreachable")
    assert plans.plan(actor, WISH).place.host == other


def test_what_is_chosen_chooses_the_host(actor: Actor, host: Host, pool: StoragePool) -> None:
    other = second(64)
    place = plans.plan(actor, replace(WISH, disks=(DiskWish(pool=pool.pk),))).place
    assert (place.host, place.why) == (host, "chosen")
    network = Network.objects.get(host=host)
    assert plans.plan(actor, replace(WISH, networks=(network.pk,))).place.host == host
    assert plans.plan(actor, replace(WISH, host=host.pk)).place.host == host
    wish = replace(WISH, host=other.pk, networks=(network.pk,))
    assert refused(actor, wish) == {"host": "vm_hosts"}


def test_an_image_is_used_where_it_is(actor: Actor, host: Host, pool: StoragePool) -> None:
    second(64)
    found = image(pool)
    told = plans.preview(actor, replace(WISH, disks=(DiskWish(image=found.pk),)))
    assert (told.plan.place.host, told.plan.place.why) == (host, "image")
    assert told.plan.takes["disk_bytes"] == 20 << 30 and "no_key" in codes(told)
    assert refused(actor, replace(WISH, disks=(DiskWish(image=found.pk, size_mib=2048),))) == {"disks": "vm_disk_small"}
    StoragePool.objects.filter(pk=pool.pk).update(active=False)
    assert refused(actor, replace(WISH, disks=(DiskWish(image=found.pk),))) == {"install": "vm_no_image"}


def test_an_image_is_brought_where_it_is_not(actor: Actor, host: Host, pool: StoragePool) -> None:
    other = second(64)
    found, cd = image(pool), image(pool, "alpine3.22", kind="iso")
    wish = replace(WISH, host=other.pk, disks=(DiskWish(image=found.pk),), install=cd.pk)
    told = plans.preview(actor, wish)
    assert told.plan.place.host == other and codes(told).count("image_brought") == 2
    assert [disk.bus for disk in told.document.disks] == ["virtio", "sata"]
    Host.objects.filter(pk=host.pk).update(error_code="host_unreachable")
    assert refused(actor, wish) == {"install": "vm_no_image"}
    for number, each in enumerate((found, cd)):
        each.sha256, each.source_url = str(number) * 64, f"https://example.org/{number}"
        each.save()
    assert plans.plan(actor, wish).place.host == other


@pytest.mark.parametrize(
    ("os", "firmware", "tpm", "bus"),
    [("debian12", "efi", True, "virtio"), ("win11", "secure", True, "sata"), ("", "bios", False, "virtio")],
)
def test_its_system_says_what_it_is_made_of(
    actor: Actor, pool: StoragePool, os: str, firmware: str, tpm: bool, bus: str
) -> None:
    told = plans.preview(actor, replace(WISH, os=os))
    assert (told.plan.params.firmware, told.plan.params.tpm) == (firmware, tpm)
    assert [disk.bus for disk in told.document.disks] == [bus]
    assert ("no_drivers" in codes(told)) == (os == "win11") and "no_kvm" in codes(told)


@pytest.mark.parametrize("format", ["vmdk", "vdi", "vhdx", "vpc"])
def test_a_disk_of_another_format_is_not_given_as_it_is(actor: Actor, pool: StoragePool, format: str) -> None:
    there = Volume.objects.create(storage=pool.storage, name=f"old.{format}", format=format, owner=actor.user)
    assert refused(actor, replace(WISH, disks=(DiskWish(volume=there.pk),))) == {"disks": "vm_disk_packed"}
    assert there.pk not in [int(pk) for pk, _ in Create(actor).fields["volume"].choices]  # type: ignore[attr-defined]


def test_windows_gets_a_second_cd_with_its_drivers(actor: Actor, host: Host, pool: StoragePool) -> None:
    wish = replace(WISH, install=image(pool, "win11", kind="iso").pk)
    plain = plans.preview(actor, wish)
    assert [disk.bus for disk in plain.document.disks] == ["sata", "sata"] and "no_drivers" in codes(plain)
    image(pool, "virtio-win", kind="iso", sha256="a" * 64)
    Volume.objects.filter(name="virtio-win.iso").update(name="older.iso")
    drivers = image(pool, "virtio-win", kind="iso", sha256="b" * 64)
    told = plans.preview(actor, wish)
    found = [(disk.kind, disk.bus, disk.target) for disk in told.document.disks]
    assert found == [("disk", "virtio", "vda"), ("cdrom", "sata", "sda"), ("cdrom", "sata", "sdb")]
    assert told.plan.params.cds == [wish.install, drivers.pk] and told.plan.params.drivers
    assert [card.model for card in told.document.interfaces] == ["virtio"]
    assert "no_drivers" not in codes(told) and "drivers" in codes(told)
    assert '<model type="virtio"/></video>' not in told.document.text
    assert plans.plan(actor, replace(wish, drivers=False)).params.cds == [wish.install]
    assert not plans.plan(actor, replace(wish, os="debian12")).params.drivers
    assert not plans.plan(actor, replace(wish, install=None, pxe=True)).params.cds


def test_a_cd_of_drivers_that_one_may_not_use_is_none(mallory: User, host: Host, pool: StoragePool) -> None:
    win, drivers = image(pool, "win11", kind="iso"), image(pool, "virtio-win", kind="iso", sha256="a" * 64)
    for thing in (host, pool, Network.objects.get()):
        grant(mallory, "creator", on=thing)
    wish = replace(WISH, install=win.pk)
    assert plans.plan(Actor(mallory), wish).params.drivers
    ImageCopy.objects.filter(image=drivers).update(published=False)
    told = plans.preview(Actor(mallory), wish)
    assert not told.plan.params.drivers and told.plan.params.cds == [win.pk] and "no_drivers" in codes(told)


def test_what_should_be_known_before_is_said(actor: Actor, host: Host, pool: StoragePool) -> None:
    assert "little_memory" in codes(plans.preview(actor, replace(WISH, os="win11", memory_mib=1024)))
    assert "host_memory" in codes(plans.preview(actor, replace(WISH, memory_mib=8192)))
    assert "empty_disk" in codes(plans.preview(actor, WISH))
    assert "no_network" in codes(plans.preview(actor, replace(WISH, networks=())))
    NetworkFilter.objects.update(name="another")
    assert "no_filter" in codes(plans.preview(actor, WISH))
    network = Network.objects.get()
    assert refused(actor, replace(WISH, networks=(network.pk,))) == {"networks": "vm_no_filter"}
    NetworkFilter.objects.update(name="clean-traffic")
    Network.objects.update(active=False)
    assert "network_stopped" in codes(plans.preview(actor, WISH))
    assert refused(actor, replace(WISH, networks=(network.pk,))) == {"networks": "vm_network_stopped"}
    StoragePool.objects.update(available_bytes=0)
    assert "pool_room" in codes(plans.preview(actor, WISH))
    Host.objects.update(hardware={"firmwares": ["bios"]})
    assert "not_secure" in codes(plans.preview(actor, replace(WISH, os="win11")))
    assert refused(actor, replace(WISH, firmware="efi")) == {"firmware": "vm_no_uefi"}


@pytest.mark.parametrize("name", ["", "-rf", "a b", "../x", "<b>", "a\n", "ä", "a" * 101])
def test_strange_names_are_refused(actor: Actor, pool: StoragePool, name: str) -> None:
    assert refused(actor, replace(WISH, name=name)) == {"name": "vm_name"}


def test_who_may_make_vms_nowhere_is_told_so(mallory: User, host: Host, pool: StoragePool) -> None:
    with pytest.raises(NotAllowed):
        plans.plan(Actor(mallory), WISH)
    grant(mallory, "creator", on=pool)
    with pytest.raises(NotAllowed):
        plans.plan(Actor(mallory), WISH)
    grant(mallory, "creator", on=host)
    assert plans.plan(Actor(mallory), WISH).place.host == host


def test_what_others_have_is_not_there(mallory: User, host: Host, pool: StoragePool) -> None:
    """Neither a disk, nor an image, nor a pool or a network on which one has no right."""
    grant(mallory, "creator", on=host)
    other = second(64)
    theirs = Volume.objects.create(storage=pool.storage, name="theirs", format="raw")
    hidden = image(pool)
    ImageCopy.objects.update(published=False)
    far = StoragePool.objects.get(host=other)
    for wish in (
        replace(WISH, disks=(DiskWish(volume=theirs.pk),)),
        replace(WISH, disks=(DiskWish(image=hidden.pk),)),
        replace(WISH, disks=(DiskWish(pool=far.pk),)),
        replace(WISH, networks=(Network.objects.get(host=other).pk,)),
        replace(WISH, install=hidden.pk),
    ):
        assert set(refused(Actor(mallory), wish).values()) == {"choice"}
    with pytest.raises(NotAllowed):
        plans.plan(Actor(mallory), replace(WISH, host=other.pk))


def test_a_used_disk_is_given_to_nobody_else(actor: Actor, pool: StoragePool, vm: VirtualMachine) -> None:
    used = Volume.objects.create(storage=pool.storage, name="used", format="raw", owner=actor.user)
    used.vms.add(vm)
    wish = replace(WISH, disks=(DiskWish(volume=used.pk),))
    assert refused(actor, wish) == {"disks": "vm_disk_used"}
    used.vms.clear()
    assert plans.plan(actor, wish).takes["disk_bytes"] == 0
    assert refused(actor, replace(wish, name="new-#", count=2)) == {"disks": "vm_shared_disk"}


def test_a_name_must_give_nobody_what_its_maker_may_not_give(mallory: User, host: Host, pool: StoragePool) -> None:
    grant(mallory, "creator", on=host)
    mover = Role.objects.create(name="mover")
    RolePrivilege.objects.create(role=mover, name="vm.migrate")
    grant(User.objects.create(username="carol"), "mover", prefix="new")
    with pytest.raises(NameGivesRights):
        create.create(Actor(mallory), WISH)
    assert not VirtualMachine.objects.exists() and not Operation.objects.exists()
    create.create(Actor(mallory), replace(WISH, name="other"))


def test_asked_again_it_is_the_same(actor: Actor, pool: StoragePool) -> None:
    wish = replace(WISH, name="new-#", count=2)
    first = create.create(actor, wish, idempotency_key="k")
    assert create.create(actor, wish, idempotency_key="k") == first and Placement.objects.count() == 2
    with pytest.raises(BadParameters):
        create.create(actor, replace(wish, cpus=4), idempotency_key="k")
