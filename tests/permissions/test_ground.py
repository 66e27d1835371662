"""Rights on pools and networks, and on what others keep in a pool."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.http import Http404

from tests.conftest import make_vm
from tests.grants import grant
from vms.kinds.base import Deed
from vms.models import Grant, Host, Network, StoragePool, User, VirtualMachine, Volume
from vms.permissions import (
    Actor,
    get_network_or_404,
    get_pool_or_404,
    held,
    may,
    visible_networks,
    visible_pools,
    visible_volumes,
)
from vms.permissions.volumes import NEEDS

pytestmark = pytest.mark.django_db
DEEDS: tuple[Deed, ...] = ("see", "attach", "copy", "delete")


def make_pool(host: Host, name: str = "default", number: int = 1) -> StoragePool:
    return StoragePool.objects.create(host=host, uuid=uuid.UUID(int=number), name=name)


def make_network(host: Host, name: str = "default", number: int = 1) -> Network:
    return Network.objects.create(host=host, uuid=uuid.UUID(int=number), name=name)


@pytest.fixture
def other(db: None) -> Host:
    return Host.objects.create(name="host-b", node="node-a", libvirt_uuid=uuid.UUID(int=0xB))


@pytest.fixture
def pools(host: Host, other: Host) -> list[StoragePool]:
    """Two of one host, one of another."""
    return [make_pool(host), make_pool(host, "fast", 2), make_pool(other)]


@pytest.mark.parametrize(
    ("on", "reached"),
    [
        ("everything", [0, 1, 2]),
        ("host", [0, 1]),
        ("pool", [1]),
        ("network", []),
        ("vm", []),
        ("tag", []),
        ("name", []),
    ],
)
def test_a_grant_reaches_those_pools(
    mallory: User, pools: list[StoragePool], vm: VirtualMachine, on: str, reached: list[int]
) -> None:
    wheres: dict[str, Any] = {
        "everything": True, "host": pools[0].host, "pool": pools[1], "network": make_network(pools[0].host), "vm": vm,
        "tag": "red", "name": "default",
    }  # fmt: skip
    grant(mallory, "operator", **{on: wheres[on]})
    expected = {pools[number] for number in reached}
    assert set(visible_pools(mallory)) == expected
    assert {pool for pool in pools if may(mallory, "pool.use", pool)} == expected


def test_a_grant_on_a_network_reaches_that_network_and_nothing_else(
    mallory: User, host: Host, vm: VirtualMachine
) -> None:
    lan, other = make_network(host, "lan"), make_network(host, "other", 2)
    grant(mallory, "operator", network=lan)
    assert list(visible_networks(mallory)) == [lan]
    assert held(mallory, lan) == {"network.use"}
    assert [held(mallory, thing) for thing in (other, host, vm, make_pool(host))] == [frozenset()] * 4
    assert get_network_or_404(mallory, lan.pk) == lan
    with pytest.raises(Http404):
        get_network_or_404(mallory, other.pk)


def test_a_grant_on_a_pool_gives_nothing_around_it(mallory: User, pools: list[StoragePool], vm: VirtualMachine) -> None:
    grant(mallory, "owner", pool=pools[0])
    images = {"image.use", "image.fetch", "image.publish"}
    assert held(mallory, pools[0]) == {"pool.use", "pool.upload", "volume.any", *images}
    assert [held(mallory, thing) for thing in (pools[1], pools[0].host, vm)] == [frozenset()] * 3
    with pytest.raises(Http404):
        get_pool_or_404(mallory, pools[1].pk)


def test_who_creates_needs_each_thing_that_is_named(mallory: User, host: Host, pools: list[StoragePool]) -> None:
    network = make_network(host)
    things: tuple[tuple[Any, str], ...] = (
        (host, "host.use"), (pools[0], "pool.use"), (network, "network.use"),
    )  # fmt: skip
    for thing, privilege in things:
        assert not may(mallory, privilege, thing)
    for on in ({"on": host}, {"everything": True}):
        given = grant(mallory, "creator", **on)
        assert all(may(mallory, privilege, thing) for thing, privilege in things)
        given.delete()
    grant(mallory, "creator", pool=pools[0])
    assert [may(mallory, privilege, thing) for thing, privilege in things] == [False, True, False]


def test_what_the_host_lists_no_more_is_not_offered(alice: User, mallory: User, pools: list[StoragePool]) -> None:
    grant(mallory, "operator", everything=True)
    StoragePool.objects.filter(pk=pools[0].pk).update(present=False)
    Host.objects.filter(pk=pools[2].host_id).update(removed_at="2026-01-01T00:00:00Z")
    for who in (alice, mallory):
        assert list(visible_pools(who)) == [pools[1]]


def seen(who: User, deed: Deed = "see") -> set[str]:
    return set(visible_volumes(who, deed).values_list("name", flat=True))


def test_a_right_on_a_pool_is_none_on_what_others_keep_in_it(
    mallory: User, alice: User, pools: list[StoragePool], vm: VirtualMachine
) -> None:
    """THREAT_MODEL.md: with pool.use the neighbour's disk is neither seen nor attached, copied or deleted."""
    Volume.objects.create(storage=pools[0].storage, name="hers", owner=alice)
    Volume.objects.create(storage=pools[0].storage, name="nobodys")
    Volume.objects.create(storage=pools[0].storage, name="the-vms").vms.add(vm)
    Volume.objects.create(storage=pools[0].storage, name="mine", owner=mallory)
    for role in ("viewer", "operator", "editor", "creator"):
        given = grant(mallory, role, pool=pools[0])
        for deed in DEEDS:
            assert seen(mallory, deed) == {"mine"}, (role, deed)
        given.delete()
    for deed in DEEDS:
        assert seen(alice, deed) == {"hers", "nobodys", "the-vms", "mine"}
    grant(mallory, "owner", pool=pools[0])
    for deed in DEEDS:
        assert seen(mallory, deed) == {"hers", "nobodys", "the-vms", "mine"}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_a_vm_uses_follows_the_rights_on_the_vm(
    mallory: User, pools: list[StoragePool], vm: VirtualMachine, deed: Deed
) -> None:
    ladder = ("viewer", "operator", "editor", "owner")
    lowest = {"see": "viewer", "attach": "editor", "copy": "owner", "delete": "owner"}[deed]
    # Who made it has no more than the VM's rights give, once a VM uses it.
    Volume.objects.create(storage=pools[0].storage, name="disk", owner=mallory).vms.add(vm)
    assert seen(mallory, deed) == set()
    for role in ladder:
        given = grant(mallory, role, vm)
        assert bool(seen(mallory, deed)) == (ladder.index(role) >= ladder.index(lowest)), role
        assert bool(seen(mallory, deed)) == may(mallory, NEEDS[deed], vm)
        given.delete()


def test_what_several_vms_use_needs_the_right_on_each(
    mallory: User, host: Host, pools: list[StoragePool], vm: VirtualMachine
) -> None:
    neighbour = make_vm(host, "neighbour")
    Volume.objects.create(storage=pools[0].storage, name="shared").vms.add(vm, neighbour)
    grant(mallory, "owner", vm)
    assert seen(mallory, "delete") == set()
    grant(mallory, "viewer", neighbour)
    assert (seen(mallory), seen(mallory, "delete")) == ({"shared"}, set())
    grant(mallory, "owner", neighbour)
    assert seen(mallory, "delete") == {"shared"}


def test_who_is_switched_off_and_nobody_see_no_volume(mallory: User, pools: list[StoragePool]) -> None:
    Volume.objects.create(storage=pools[0].storage, name="mine", owner=mallory)
    assert seen(mallory) == {"mine"}
    User.objects.filter(pk=mallory.pk).update(is_active=False)
    mallory.refresh_from_db()
    assert seen(mallory) == set()
    assert not visible_volumes(None).exists()
    assert not visible_volumes(Actor(mallory)).exists()
    assert Grant.objects.count() == 0
