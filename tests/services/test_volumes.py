"""What is asked of volumes, by whom, and when it is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from tests.conftest import make_vm, silence
from tests.grants import grant
from tests.routes import put_in_trash
from vms import live
from vms.errors import (
    BadFields,
    HostLeftAlone,
    HostSilent,
    Locked,
    NotAllowed,
    OverQuota,
    VmsError,
    VolumeBacks,
    VolumeFound,
    VolumeNotReady,
    VolumeRuns,
    VolumeStrayed,
    VolumeSwapped,
    VolumeUsed,
)
from vms.models import AuditEvent, Document, Host, Operation, Quota, StoragePool, User, Volume
from vms.permissions import Actor
from vms.services import downloads, images, volumes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
MIB = 1 << 20
WISH: dict[str, Any] = {"name": "new", "size_bytes": MIB, "format": "raw"}


@pytest.fixture
def pool(host: Host) -> StoragePool:
    return make_pool(host)


def make_pool(host: Host, name: str = "default", **fields: Any) -> StoragePool:
    return StoragePool.objects.create(
        host=host, uuid=uuid.uuid4(), name=name, **{"type": "dir", "path": f"/{name}", "active": True, **fields}
    )


@pytest.fixture
def disk(pool: StoragePool, mallory: User) -> Volume:
    return Volume.objects.create(
        storage=pool.storage, name="disk", format="raw", told_format="raw", capacity_bytes=2 * MIB, owner=mallory
    )


@pytest.fixture
def owner(mallory: User, pool: StoragePool) -> Actor:
    """May make volumes in the pool, and has one."""
    grant(mallory, "creator", pool=pool)
    return Actor(mallory)


@pytest.mark.parametrize(
    "name",
    ["", "-rf", ".hidden", "a b", "a/b", "../x", "a\nb", "json:{}", "nbd:127.0.0.1:9", "é", "a\0", "x" * 201, "a\n"],
)
def test_a_name_is_nothing_but_a_name(owner: Actor, pool: StoragePool, disk: Volume, name: str) -> None:
    asked: list[Callable[[], Operation]] = [
        lambda: volumes.create(owner, pool, **{**WISH, "name": name}),
        lambda: volumes.clone(owner, disk, name=name),
    ]
    for ask in asked:
        with pytest.raises(BadFields) as bad:
            ask()
        assert bad.value.errors == {"name": "volume_name"}
    assert not Operation.objects.exists()


@pytest.mark.parametrize("name", ["a", "disk.qcow2", "web-01_x+y.img", "x" * 200])
def test_ordinary_names_are_taken(name: str) -> None:
    assert volumes.check_name(name) == name


@pytest.mark.parametrize("size", [0, -1, MIB - 1, (64 << 40) + 1, 2**63, 2**64])
def test_sizes_that_no_disk_has(owner: Actor, pool: StoragePool, disk: Volume, size: int) -> None:
    with pytest.raises(BadFields):
        volumes.create(owner, pool, **{**WISH, "size_bytes": size})
    with pytest.raises(BadFields):
        volumes.grow(owner, disk, size_bytes=size)


def test_a_volume_never_shrinks(owner: Actor, disk: Volume) -> None:
    for size in (MIB, 2 * MIB):
        with pytest.raises(BadFields) as bad:
            volumes.grow(owner, disk, size_bytes=size)
        assert bad.value.errors == {"size_bytes": "volume_smaller"}


def test_pools_of_devices_hold_raw_alone(owner: Actor, pool: StoragePool) -> None:
    StoragePool.objects.update(type="logical")
    pool.refresh_from_db()
    with pytest.raises(BadFields):
        volumes.create(owner, pool, **{**WISH, "format": "qcow2"})
    for format in ("vmdk", "iso", ""):
        with pytest.raises(BadFields):
            volumes.create(owner, pool, **{**WISH, "format": format})


def test_a_name_is_given_once(owner: Actor, pool: StoragePool, disk: Volume) -> None:
    with pytest.raises(BadFields) as bad:
        volumes.create(owner, pool, **{**WISH, "name": "disk"})
    assert bad.value.errors == {"name": "volume_taken"}
    volumes.create(owner, pool, **WISH)
    with pytest.raises(Locked):
        volumes.create(owner, pool, **WISH)
    volumes.create(owner, pool, **{**WISH, "name": "other"})


def test_the_same_request_is_the_same_operation(owner: Actor, pool: StoragePool, disk: Volume) -> None:
    first = volumes.create(owner, pool, **WISH, idempotency_key="k")
    Volume.objects.create(storage=pool.storage, name="new")
    assert volumes.create(owner, pool, **WISH, idempotency_key="k") == first
    grown = volumes.grow(owner, disk, size_bytes=4 * MIB, idempotency_key="g")
    Volume.objects.filter(pk=disk.pk).update(capacity_bytes=4 * MIB)
    disk.refresh_from_db()
    assert volumes.grow(owner, disk, size_bytes=4 * MIB, idempotency_key="g") == grown


def test_it_counts_for_the_quota(owner: Actor, pool: StoragePool, disk: Volume) -> None:
    Quota.objects.create(user=owner.user, disk_bytes=3 * MIB)
    with pytest.raises(OverQuota):
        volumes.clone(owner, disk, name="copy")
    with pytest.raises(OverQuota):
        volumes.grow(owner, disk, size_bytes=4 * MIB)
    volumes.create(owner, pool, **WISH)
    with pytest.raises(OverQuota):
        volumes.create(owner, pool, **{**WISH, "name": "more"})


def test_a_right_on_the_pool_is_none_on_what_is_in_it(mallory: User, alice: User, pool: StoragePool) -> None:
    hers = Volume.objects.create(storage=pool.storage, name="hers", format="raw", capacity_bytes=MIB, owner=alice)
    grant(mallory, "editor", pool=pool)
    who = Actor(mallory)
    for ask in (
        lambda: volumes.delete(who, hers), lambda: volumes.wipe(who, hers), lambda: volumes.look_again(who, hers),
        lambda: volumes.clone(who, hers, name="x"), lambda: volumes.grow(who, hers, size_bytes=4 * MIB),
    ):  # fmt: skip
        with pytest.raises(NotAllowed):
            ask()
    assert list(volumes.listed(mallory, pool)) == [] and volumes.abilities(who, hers) == frozenset()


def test_a_copy_needs_a_pool_of_ones_own(owner: Actor, host: Host, disk: Volume) -> None:
    other = make_pool(host, "other")
    with pytest.raises(NotAllowed):
        volumes.clone(owner, disk, name="copy", pool=other)
    grant(owner.user, "creator", pool=other)
    assert volumes.clone(owner, disk, name="copy", pool=other).params["pool"] == other.pk
    assert {pool.name for pool in volumes.pools_for(owner, disk)} == {"default", "other"}


def test_a_copy_goes_to_another_host_that_the_same_workers_reach(owner: Actor, host: Host, disk: Volume) -> None:
    far = Host.objects.create(name="far", transport="tls", address="far.example.org")
    beyond = Host.objects.create(name="beyond", transport="unix", node="another machine")
    pools = [make_pool(where, where.name) for where in (far, beyond)]
    for pool in pools:
        grant(owner.user, "creator", pool=pool)
    with pytest.raises(BadFields):
        volumes.clone(owner, disk, name="elsewhere", pool=pools[1])
    silence(pools[0].host)
    pools[0].host.refresh_from_db()
    with pytest.raises(HostSilent):
        volumes.clone(owner, disk, name="elsewhere", pool=pools[0])
    pools[0].host.error_code = ""
    assert volumes.clone(owner, disk, name="elsewhere", pool=pools[0]).host == host
    assert [pool.name for pool in volumes.pools_for(owner, disk)] == ["default", "far"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"state": "quarantine"}, VolumeNotReady),
        ({"state": "refused", "refusal": "backing_file"}, VolumeNotReady),
        ({"state": "incomplete"}, VolumeNotReady),
        ({"format": ""}, VolumeNotReady),
        ({"present": False}, VolumeNotReady),
        ({"told_format": "qcow2"}, VolumeStrayed),
        ({"told_format": "luks"}, VolumeStrayed),
        ({"format": "qcow2"}, VolumeStrayed),
        ({"origin": "found"}, VolumeFound),
        ({"known_bytes": MIB}, VolumeSwapped),
    ],
)
def test_what_is_not_known_to_be_good_is_copied_nowhere(
    owner: Actor, disk: Volume, fields: dict[str, Any], error: type[VmsError]
) -> None:
    Volume.objects.filter(pk=disk.pk).update(**fields)
    disk.refresh_from_db()
    with pytest.raises(error):
        volumes.clone(owner, disk, name="copy")
    with pytest.raises(error):
        volumes.grow(owner, disk, size_bytes=4 * MIB)


@pytest.mark.parametrize(("fields", "error"), [({"origin": "found"}, VolumeFound), ({"known_bytes": 1}, VolumeSwapped)])
def test_what_may_be_a_link_is_neither_read_nor_written_whoever_asks(
    owner: Actor, alice: User, disk: Volume, fields: dict[str, Any], error: type[VmsError]
) -> None:
    Volume.objects.filter(pk=disk.pk).update(**fields)
    disk.refresh_from_db()
    asked: list[Callable[[Actor], object]] = [
        lambda who: volumes.clone(who, disk, name="x"), lambda who: volumes.wipe(who, disk),
        lambda who: volumes.grow(who, disk, size_bytes=4 * MIB), lambda who: images.check(who, disk),
        lambda who: downloads.find(who, disk.pk),
    ]  # fmt: skip
    for ask in asked:
        for who in (owner, Actor(alice)):
            with pytest.raises(error):
                ask(who)
    assert not Operation.objects.exists()
    # To delete an entry of a folder touches nothing that it leads to.
    assert volumes.delete(owner, disk).state == "queued"


def test_administrators_vouch_for_a_file(owner: Actor, alice: User, pool: StoragePool, disk: Volume) -> None:
    Volume.objects.filter(pk=disk.pk).update(origin="found", changed_at=timezone.now())
    disk.refresh_from_db()
    grant(owner.user, "owner", pool=pool)
    with pytest.raises(NotAllowed):
        volumes.vouch(owner, disk)
    with pytest.raises(NotAllowed):
        volumes.trust(owner, pool, trusted=True)
    assert not volumes.may_vouch(owner, pool.storage) and volumes.may_vouch(alice, pool.storage)
    volumes.vouch(Actor(alice), disk)
    disk.refresh_from_db()
    assert (disk.origin, disk.known_bytes, disk.known_at) == ("vouched", 2 * MIB, disk.changed_at)
    assert downloads.find(owner, disk.pk) == disk
    Volume.objects.filter(pk=disk.pk).update(refusal="folder", state="refused")
    with pytest.raises(VolumeNotReady):
        volumes.vouch(Actor(alice), disk)
    assert AuditEvent.objects.filter(action="vouched:volume").count() == 1


def test_administrators_trust_a_pool(owner: Actor, alice: User, pool: StoragePool, disk: Volume) -> None:
    Volume.objects.filter(pk=disk.pk).update(origin="found")
    for trusted in (True, False):
        volumes.trust(Actor(alice), pool, trusted=trusted)
        volumes.trust(Actor(alice), pool, trusted=trusted)
        if trusted:
            assert downloads.find(owner, disk.pk) == disk
            continue
        with pytest.raises(VolumeFound):
            downloads.find(owner, disk.pk)
    assert [event.action for event in AuditEvent.objects.order_by("pk")] == ["trusted:pool", "distrusted:pool"]


def test_an_iso_is_raw(owner: Actor, disk: Volume) -> None:
    Volume.objects.filter(pk=disk.pk).update(told_format="iso")
    disk.refresh_from_db()
    assert not volumes.is_strayed(disk)


def test_what_is_used_is_named_as_far_as_one_may_know(mallory: User, pool: StoragePool, host: Host) -> None:
    disk = Volume.objects.create(storage=pool.storage, name="shared", format="raw", capacity_bytes=MIB)
    mine, hidden = make_vm(host, "mine", state="shut_off"), make_vm(host, "hidden", state="shut_off")
    disk.vms.add(mine, hidden)
    grant(mallory, "owner", mine)
    with pytest.raises(VolumeUsed) as used:
        volumes.require_unused(mallory, disk)
    assert used.value.params == {"name": "shared", "by": "mine", "others": 1}
    seen = volumes.users(mallory, disk)
    assert ([vm.name for vm in seen.vms], seen.other_vms) == (["mine"], 1)
    put_in_trash(mine, mallory)
    seen = volumes.users(mallory, disk)
    assert (seen.vms, [vm.name for vm in seen.trashed], seen.other_vms) == ([], ["mine"], 1)
    with pytest.raises(VolumeUsed) as used:
        volumes.require_unused(mallory, disk)
    assert used.value.params == {"name": "shared", "by": "mine", "others": 1}


@pytest.mark.parametrize("ask", [volumes.delete, volumes.wipe])
def test_what_lies_below_another_stays(owner: Actor, disk: Volume, alice: User, ask: Any) -> None:
    Volume.objects.create(storage=disk.storage, name="layer", owner=alice, backing=disk)
    with pytest.raises(VolumeBacks) as backs:
        ask(owner, disk)
    assert backs.value.params == {"name": "disk", "by": "", "others": 1}


@pytest.mark.parametrize("ask", [volumes.delete, volumes.wipe])
def test_every_host_of_its_storage_must_be_heard(owner: Actor, disk: Volume, ask: Any) -> None:
    far = Host.objects.create(name="far")
    make_pool(far, storage=disk.storage)
    silence(far)
    with pytest.raises(HostSilent) as silent:
        ask(owner, disk)
    assert silent.value.params["host"] == "", "a host that he does not see is not named"
    Host.objects.filter(pk=far.pk).update(left_alone=True)
    with pytest.raises(HostLeftAlone):
        ask(owner, disk)
    Host.objects.filter(pk=far.pk).update(left_alone=False, error_code="", removed_at=timezone.now())
    assert ask(owner, disk).state == "queued"


def test_what_runs_is_not_copied_and_grows_for_one_alone(
    owner: Actor, pool: StoragePool, disk: Volume, host: Host
) -> None:
    vms = [make_vm(host, name) for name in ("web-01", "web-02")]
    disk.vms.add(vms[0])
    for vm in vms:
        grant(owner.user, "owner", vm)
    with pytest.raises(VolumeRuns) as runs:
        volumes.clone(owner, disk, name="x")
    assert runs.value.params == {"name": "disk", "by": "web-01"}
    disk.vms.add(vms[1])
    with pytest.raises(VolumeRuns):
        volumes.grow(owner, disk, size_bytes=4 * MIB)
    disk.vms.remove(vms[1])
    layer = Volume.objects.create(storage=pool.storage, name="layer", format="qcow2", backing=disk, owner=owner.user)
    with pytest.raises(VolumeBacks):
        volumes.grow(owner, disk, size_bytes=4 * MIB)
    layer.delete()
    assert volumes.grow(owner, disk, size_bytes=4 * MIB).state == "queued"


def test_orphans_are_what_nothing_uses(owner: Actor, pool: StoragePool, disk: Volume, host: Host) -> None:
    now = timezone.now()
    rows = {
        name: Volume.objects.create(
            storage=pool.storage, name=name, format="raw", owner=owner.user, changed_at=now - timedelta(days=days)
        )
        for name, days in (("old", 9), ("used", 8), ("below", 7), ("above", 6))
    }
    rows["used"].vms.add(make_vm(host, "vm"))
    Volume.objects.filter(name="above").update(backing=rows["below"])
    Volume.objects.filter(pk=disk.pk).update(changed_at=now)
    assert [row.name for row in volumes.orphans(owner, pool)] == ["old", "above", "disk"]


def test_what_lies_outside_every_pool_is_told(alice: User, mallory: User, host: Host, pool: StoragePool) -> None:
    vm = make_vm(host, "web-01")
    sources = [["path", "/default/a", "raw"], ["path", "/root/b", "raw"], ["volume", "gone/c", "raw"]]
    Document.objects.filter(placement__vm=vm).update(sources=sources)
    assert volumes.outside(alice, host) == [(vm, "/root/b")]
    assert volumes.outside(mallory, host) == []


def test_looking_again_puts_it_into_quarantine(
    owner: Actor, disk: Volume, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "on_commit", lambda do: do())
    looked: list[object] = []
    monkeypatch.setattr(live, "look", lambda *asked, wait: looked.append((*asked, wait)))
    Volume.objects.filter(pk=disk.pk).update(state="refused", refusal="extents")
    volumes.look_again(owner, disk)
    disk.refresh_from_db()
    assert (disk.state, disk.format, disk.refusal) == ("quarantine", "", "")
    assert looked == [(host.pk, f"volume:{disk.pk}", 0)]
    for fields in ({"state": "refused", "refusal": "folder"}, {"state": "incomplete"}):
        Volume.objects.filter(pk=disk.pk).update(**fields)
        with pytest.raises(VolumeNotReady):
            volumes.look_again(owner, disk)


def test_one_name_is_one_volume_of_a_storage(pool: StoragePool, disk: Volume) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Volume.objects.create(storage=pool.storage, name="disk")
