"""Sizes of new VMs: what a wish becomes by one, and who changes them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.grants import grant
from tests.services.test_create import ground
from vms.errors import BadFields, NotAllowed
from vms.models import AuditEvent, Host, Image, ImageCopy, Operation, Quota, Size, StoragePool, User, Volume
from vms.permissions import Actor
from vms.services import adding, create, plans, sizes
from vms.services.wishes import DiskWish, Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
GIB = 1 << 30
XL = {"name": "XL", "vcpus": 8, "memory_mib": 16384, "disk_gib": 80}


@pytest.fixture
def pool(host: Host) -> StoragePool:
    return ground(host)


def plan(actor: Actor, **fields: Any) -> tuple[int, int, list[int]]:
    """vCPUs, MiB, and GiB of each disk."""
    made = plans.plan(actor, Wish("new", **{"disks": (DiskWish(),), **fields}))
    disks = [disk.get("size_bytes", 0) // GIB for disk in made.params.disks]
    return made.params.cpus, made.params.memory_mib, disks


def test_what_was_in_the_form_is_there(db: None) -> None:
    rows = [(size.name, size.vcpus, size.memory_mib, size.disk_gib) for size in sizes.find_sizes()]
    assert rows == [("S", 1, 1024, 10), ("M", 2, 4096, 20), ("L", 4, 8192, 40)]
    assert sizes.usual() == "M"
    Size.objects.all().delete()
    assert sizes.usual() == "own"


def test_a_wish_takes_what_it_does_not_say_from_its_size(actor: Actor, pool: StoragePool) -> None:
    large = Size.objects.get(name="L")
    assert plan(actor, size="l") == plan(actor, size=large.pk) == (4, 8192, [40])
    assert plan(actor, size="L", cpus=1) == (1, 8192, [40])
    assert plan(actor, size="L", memory_mib=512) == (4, 512, [40])
    assert plan(actor, size="L", disks=(DiskWish(size_mib=5 << 10), DiskWish())) == (4, 8192, [5, 20])
    assert plan(actor) == (2, 2048, [20])
    volume = Volume.objects.create(storage=pool.storage, name="own.qcow2", format="qcow2", owner=actor.user)
    assert plan(actor, size="L", disks=(DiskWish(volume=volume.pk), DiskWish())) == (4, 8192, [0, 40])


@pytest.mark.parametrize("size", ["gone", "own", 10**12, -1])
def test_one_that_is_gone_is_said(actor: Actor, pool: StoragePool, size: int | str) -> None:
    with pytest.raises(BadFields) as refused:
        plans.plan(actor, Wish("new", size=size))
    assert refused.value.errors == {"size": "size_gone"}


def test_a_disk_smaller_than_its_image_is_refused(actor: Actor, pool: StoragePool) -> None:
    volume = Volume.objects.create(storage=pool.storage, name="large.raw", format="raw")
    image = Image.objects.create(kind="disk", name="large", format="raw", size_bytes=1, virtual_bytes=30 * GIB)
    ImageCopy.objects.create(image=image, volume=volume)
    with pytest.raises(BadFields) as refused:
        plan(actor, size="M", disks=(DiskWish(image=image.pk),))
    assert refused.value.errors == {"disks": "vm_disk_small"}
    assert plan(actor, size="L", disks=(DiskWish(image=image.pk),))[2] == [40]


def test_they_are_added_changed_and_removed_and_each_is_told(actor: Actor) -> None:
    made = sizes.add(actor, XL)
    sizes.change(actor, made, {"disk_gib": 100})
    sizes.change(actor, made, {"disk_gib": 100})
    sizes.remove(actor, made)
    told = AuditEvent.objects.filter(action__endswith=":size").order_by("pk").values_list("action", "facts")
    assert list(told) == [
        ("added:size", {"size": "XL", **XL}),
        ("changed:size", {"size": "XL", "before": {"disk_gib": 80}, "after": {"disk_gib": 100}}),
        ("removed:size", {"size": "XL"}),
    ]
    assert not Size.objects.filter(name="XL").exists()


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"name": ""}, "missing"), ({"name": "Own"}, "size_name"), ({"name": " x"}, "size_name"),
        ({"name": "x" * 41}, "size_name"), ({"name": "a\nb"}, "size_name"), ({"name": "m"}, "size_taken"),
        ({"vcpus": 0}, "size_vcpus"), ({"vcpus": 513}, "size_vcpus"), ({"memory_mib": 31}, "vm_memory"),
        ({"memory_mib": 2**63}, "vm_memory"), ({"disk_gib": 0}, "size_disk"), ({"disk_gib": 65537}, "size_disk"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_at_its_field(actor: Actor, values: dict[str, Any], code: str) -> None:
    with pytest.raises(BadFields) as refused:
        sizes.add(actor, {**XL, **values})
    assert refused.value.errors == dict.fromkeys(values, code)
    large = Size.objects.get(name="L")
    with pytest.raises(BadFields):
        sizes.change(actor, large, values)
    large.refresh_from_db()
    assert (large.name, large.vcpus, large.memory_mib, large.disk_gib) == ("L", 4, 8192, 40)


def test_nobody_else_changes_them(mallory: User, db: None) -> None:
    somebody, large = Actor(mallory), Size.objects.get(name="L")
    for change in (
        lambda: sizes.add(somebody, XL),
        lambda: sizes.change(somebody, large, {"vcpus": 1}),
        lambda: sizes.remove(somebody, large),
    ):
        with pytest.raises(NotAllowed):
            change()
    assert not AuditEvent.objects.filter(action__endswith=":size").exists()


def test_what_the_quota_has_not_left_is_known(actor: Actor, pool: StoragePool) -> None:
    assert sizes.too_large(actor) == set()
    Quota.objects.create(user=actor.user, memory_kib=9 << 20)
    assert sizes.too_large(actor) == set()
    create.create(actor, Wish("new", size="M", disks=(DiskWish(),)))
    assert sizes.too_large(actor) == {Size.objects.get(name="L").pk}


def test_what_is_stopped_is_named(actor: Actor, pool: StoragePool, host: Host) -> None:
    [network] = host.networks.all()
    wish = Wish("new", disks=(DiskWish(),))
    assert adding.stopped(actor, wish, plans.plan(actor, wish)) == []
    network.active = False
    network.save()
    [found] = adding.stopped(actor, wish, plans.plan(actor, wish))
    assert (found.noun, found.thing, found.may, found.starting, found.failed) == ("network", network, True, False, None)
    [chosen] = adding.stopped(actor, Wish("new", networks=(network.pk,)), None)
    assert chosen.thing == network
    StoragePool.objects.update(active=False)
    [found] = adding.stopped(actor, wish, None)
    assert found.thing == pool
    with pytest.raises(BadFields) as refused:
        plans.plan(actor, Wish("new", disks=(DiskWish(pool=pool.pk),)))
    assert refused.value.errors == {"disks": "vm_pool_stopped"}


def test_who_may_not_start_it_gets_no_button(mallory: User, pool: StoragePool, host: Host) -> None:
    grant(mallory, "creator", host=host)
    StoragePool.objects.update(active=False)
    [found] = adding.stopped(Actor(mallory), Wish("new", disks=(DiskWish(),)), None)
    assert (found.thing, found.may) == (pool, False)


def ended(actor: Actor, host: Host, kind: str, params: dict[str, Any], **fields: Any) -> Operation:
    return Operation.objects.create(
        kind=kind, actor_user=actor.user, actor_name="alice", target_kind="host", target_id=host.pk, target_name="x",
        host=host, node=host.node, queue="quick", **{"state": "succeeded", "params": params, **fields},
    )  # fmt: skip


def test_what_was_added_is_chosen(actor: Actor, pool: StoragePool, host: Host) -> None:
    volume = Volume.objects.create(storage=pool.storage, name="cd.iso", format="iso", present=True)
    image = Image.objects.create(kind="iso", name="cd", format="iso", size_bytes=1)
    fetched = ended(actor, host, "image.fetch", {"name": "cd.iso"}, pool=pool)
    assert adding.added(actor, fetched) is None
    ImageCopy.objects.create(image=image, volume=volume)
    assert adding.added(actor, fetched) == ("iso", image.pk)
    spec = {"type": "dir", "name": "default", "path": "/pool"}
    made = ended(actor, host, "pool.define", {"spec": spec, "build": False, "autostart": True, "confirmed": ""})
    assert adding.added(actor, made) == ("pool", pool.pk)
    Operation.objects.update(state="failed")
    made.refresh_from_db()
    assert adding.added(actor, made) is None
