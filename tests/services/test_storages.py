"""Which pools are one storage, as an administrator says it: what is merged, what is refused, what hosts say later."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db.models import Model

from tests.conftest import make_vm
from tests.grants import grant
from tests.inventory.test_pools import nfs, pool, tell
from vms.errors import (
    BadFields,
    HostLeftAlone,
    Locked,
    NotAllowed,
    PoolAlone,
    PoolsDiffer,
    RequestRefused,
    VolumeUsed,
    WrongState,
)
from vms.kinds import KINDS
from vms.models import AuditEvent, Host, Image, ImageCopy, Operation, Storage, StoragePool, User, Volume
from vms.permissions import Actor, visible_volumes
from vms.services import operations, quotas, storages, volumes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def here(host: Host) -> StoragePool:
    return make(host)


@pytest.fixture
def there() -> StoragePool:
    return make(Host.objects.create(name="host-b"))


def make(host: Host, name: str = "shared", **fields: Any) -> StoragePool:
    made = {"type": "dir", "path": f"/srv/{name}", "active": True, **fields}
    return StoragePool.objects.create(host=host, uuid=uuid.uuid4(), name=name, **made)


def volume(pool: StoragePool, name: str = "disk", **fields: Any) -> Volume:
    return Volume.objects.create(storage=pool.storage, name=name, **{"capacity_bytes": 1 << 20, **fields})


def fresh(*rows: Model) -> None:
    for each in rows:
        each.refresh_from_db()


def test_what_is_one_is_used_and_owned_on_both(
    here: StoragePool, there: StoragePool, alice: User, mallory: User
) -> None:
    vm = make_vm(there.host, "web")
    mine = volume(here, owner=mallory, format="raw")
    layer = volume(here, "layer", backing=mine)
    over = volume(there, "layer")
    hers = volume(there, state="quarantine", told_format="qcow2")
    hers.vms.add(vm)
    gone = volume(here, "gone", present=False)
    image = Image.objects.create(name="disk", kind="disk")
    ImageCopy.objects.create(image=image, volume=mine)
    ended = Operation.objects.create(
        kind="volume.grow", actor_user=alice, actor_name="alice", target_kind="volume", target_id=mine.pk,
        target_name="disk", volume=mine, pool=here, host=here.host, state="succeeded",
    )  # fmt: skip
    storages.join(Actor(alice), here, there)
    fresh(here, there, hers, gone, ended)
    assert here.storage == there.storage == gone.storage and here.by_hand and there.by_hand
    assert not Volume.objects.filter(pk__in=[mine.pk, layer.pk]).exists()
    # What a person made here is known better than what the other host's list says of it.
    assert (hers.owner, hers.format, hers.state, list(hers.vms.all())) == (mallory, "raw", "ready", [vm])
    over.refresh_from_db()
    assert over.backing == hers
    assert (image.copies.get().volume, ended.volume, ended.target_id) == (hers, hers, hers.pk)
    with pytest.raises(VolumeUsed):
        volumes.delete(Actor(alice), hers)
    event = AuditEvent.objects.get(action="joined:pool")
    assert (event.target, event.facts["other_host"], event.facts["volumes"]) == (f"pool:{here.pk}", "host-b", 2)


def test_a_layer_lies_over_the_row_that_stays(here: StoragePool, there: StoragePool, alice: User) -> None:
    base = volume(here, "base")
    elsewhere = volume(make(here.host, "other"), "layer", backing=base)
    stays = volume(there, "base")
    storages.join(Actor(alice), here, there)
    elsewhere.refresh_from_db()
    assert elsewhere.backing == stays


def test_grants_on_one_reach_what_is_in_both_and_nothing_is_charged_twice(
    here: StoragePool, there: StoragePool, alice: User, mallory: User
) -> None:
    mine, theirs = (volume(each, owner=mallory) for each in (here, there))
    fred = User.objects.create_user("fred")
    grant(fred, "owner", here)
    assert quotas.used(mallory)["disk_bytes"] == 2 << 20
    with pytest.raises(NotAllowed):
        storages.join(Actor(fred), here, there)
    assert list(visible_volumes(fred)) == [mine]
    storages.join(Actor(alice), here, there)
    assert list(visible_volumes(fred)) == [theirs]
    fresh(here, there)
    assert quotas.used(mallory)["disk_bytes"] == 1 << 20
    with pytest.raises(NotAllowed):
        storages.separate(Actor(fred), here)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"name": "a"}, {"name": "b"}),
        ({"capacity_bytes": 1 << 20}, {"capacity_bytes": 2 << 20}),
        ({}, {"present": False}),
        ({"owner": "mallory"}, {"owner": "alice"}),
        ({"owner": "alice", "format": "raw"}, {"owner": "alice", "format": "qcow2"}),
    ],
    ids=["name", "size", "gone", "owner", "format"],
)
def test_what_does_not_list_the_same_is_two(
    here: StoragePool, there: StoragePool, alice: User, mallory: User, one: dict[str, Any], two: dict[str, Any]
) -> None:
    people = {"alice": alice, "mallory": mallory}
    for pool_, fields in ((here, one), (there, two)):
        owner = {"owner": people[fields["owner"]]} if "owner" in fields else {}
        volume(pool_, **{"name": "disk", **fields, **owner})
    rows = list(Volume.objects.order_by("pk").values())
    with pytest.raises(PoolsDiffer):
        storages.join(Actor(alice), here, there)
    fresh(here, there)
    assert here.storage != there.storage and list(Volume.objects.order_by("pk").values()) == rows
    assert not AuditEvent.objects.filter(action="joined:pool").exists()


def test_only_what_can_be_compared_is_joined(here: StoragePool, there: StoragePool, alice: User) -> None:
    actor = Actor(alice)

    def refused(error: type[RequestRefused]) -> RequestRefused:
        fresh(here, there)
        with pytest.raises(error) as told:
            storages.join(actor, here, there)
        return told.value

    StoragePool.objects.filter(pk=there.pk).update(active=False)
    refused(WrongState)
    StoragePool.objects.filter(pk=there.pk).update(active=True, type="rbd")
    assert refused(BadFields).errors == {"pool": "storage_kind"}  # type: ignore[attr-defined]
    StoragePool.objects.filter(pk=there.pk).update(type="netfs")
    operation = operations.request(KINDS["pool.refresh"], there, actor=actor)
    assert refused(Locked).params["operation"] == operation.pk
    Operation.objects.all().delete()
    Host.objects.filter(pk=there.host_id).update(left_alone=True)
    refused(HostLeftAlone)
    Host.objects.filter(pk=there.host_id).update(left_alone=False)
    fresh(here, there)
    storages.join(actor, here, StoragePool.objects.get(pk=there.pk))
    assert refused(BadFields).errors == {"pool": "storage_same"}  # type: ignore[attr-defined]


def test_two_names_of_one_share_stay_one_until_the_share_is_another(host: Host, alice: User) -> None:
    other = Host.objects.create(name="host-b")
    tell(host, nfs(server="nas"))
    tell(other, nfs(server="192.0.2.5"))
    one, two = StoragePool.objects.order_by("pk")
    storages.join(Actor(alice), one, two)
    tell(host, nfs("renamed", server="nas"))
    tell(other, nfs("renamed", server="192.0.2.5"))
    fresh(one, two)
    assert one.storage == two.storage and [one.by_hand, two.by_hand].count(True) == 1
    # A third host is known by the name of the source that stayed.
    third = Host.objects.create(name="host-c")
    tell(third, nfs(server="192.0.2.5"))
    assert StoragePool.objects.get(host=third).storage == one.storage
    tell(host, nfs(server="nas", export="/others"))
    fresh(one, two)
    assert one.storage != two.storage and not one.by_hand and one.storage.source == "nfs://nas/others"


def test_a_folder_that_moves_is_what_was_said_no_more(host: Host, alice: User) -> None:
    other = Host.objects.create(name="host-b")
    tell(host, pool())
    tell(other, pool())
    one, two = StoragePool.objects.order_by("pk")
    storages.join(Actor(alice), one, two)
    tell(other, pool(available=1))
    fresh(one, two)
    assert one.storage == two.storage
    tell(other, pool(path="/elsewhere"))
    fresh(one, two)
    assert one.storage != two.storage and (one.by_hand, two.by_hand) == (True, False)


def test_a_share_that_is_two_is_separated_and_stays_so(host: Host, alice: User) -> None:
    other = Host.objects.create(name="host-b")
    tell(host, nfs())
    with pytest.raises(PoolAlone):
        storages.separate(Actor(alice), StoragePool.objects.get())
    tell(other, nfs())
    one, two = StoragePool.objects.order_by("pk")
    assert one.storage == two.storage
    kept = volume(one)
    storages.separate(Actor(alice), two)
    tell(other, nfs("renamed"))
    fresh(one, two, kept)
    assert one.storage != two.storage and two.by_hand and kept.storage == one.storage
    assert not Volume.objects.filter(storage=two.storage).exists()
    assert AuditEvent.objects.get(action="separated:pool").target == f"pool:{two.pk}"
    # Said to be one again, it is known by its definition alone.
    volume(two)
    storages.join(Actor(alice), two, one)
    fresh(one, two)
    assert (two.storage, [one.by_hand, two.by_hand]) == (one.storage, [False, False])


def test_all_that_is_one_with_either_is_one_with_both(here: StoragePool, there: StoragePool, alice: User) -> None:
    third = make(Host.objects.create(name="host-c"))
    storages.join(Actor(alice), here, there)
    fresh(here, there)
    storages.join(Actor(alice), third, there)
    fresh(here, there, third)
    assert here.storage == there.storage == third.storage
    assert len(storages.pools_of([here.storage_id])) == 3
    assert Storage.objects.filter(pools=None).count() == 2
