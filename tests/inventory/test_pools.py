"""A host's pools as rows, and which of them are one storage."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from vms.inventory import pools
from vms.models import Host, Storage, StoragePool
from vms.virt import PoolInfo

pytestmark = pytest.mark.django_db
FIRST, SECOND = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
NFS = (
    "<pool type='netfs'><name>{name}</name><source><host name='{server}'/><dir path='{export}'/>"
    "<format type='{format}'/></source><target><path>/srv/shared</path></target></pool>"
)


def pool(number: str = FIRST, name: str = "default", **fields: object) -> PoolInfo:
    made = PoolInfo(number, name, "dir", f"/srv/{name}", True, True, 100, 50, 50)
    return replace(made, **fields)  # type: ignore[arg-type]


def nfs(name: str = "shared", server: str = "nas", export: str = "/vms", format: str = "nfs") -> PoolInfo:
    text = NFS.format(name=name, server=server, export=export, format=format)
    return pool(FIRST, name, type="netfs", path="/srv/shared", document=text)


def tell(host: Host, *told: PoolInfo) -> set[str]:
    stored = pools.as_stored(told)
    news = pools.is_news(host, stored)
    names = pools.keep(host, stored)
    assert news == bool(names)
    return names


def test_pools_have_rows_that_stay(host: Host) -> None:
    names = tell(host, pool(), pool(SECOND, "x" * 300))
    kept = StoragePool.objects.get(name="default")
    assert names == {f"host:{host.pk}", *(f"pool:{pk}" for pk in StoragePool.objects.values_list("pk", flat=True))}
    assert StoragePool.objects.get(uuid=SECOND).name == "x" * 255
    assert (kept.path, kept.capacity_bytes, kept.allocation_bytes, kept.available_bytes) == (
        "/srv/default",
        100,
        50,
        50,
    )
    tell(host)
    kept.refresh_from_db()
    assert (kept.present, kept.active) == (False, False)
    tell(host, pool(name="renamed"))
    kept.refresh_from_db()
    assert (kept.name, kept.present, kept.active) == ("renamed", True, True)


def test_what_is_no_news_is_not_written(host: Host) -> None:
    tell(host, pool())
    StoragePool.objects.update(refreshed_at="2026-01-01T00:00:00Z")
    assert tell(host, pool()) == set()
    assert tell(host, pool(available=49))
    assert StoragePool.objects.get().refreshed_at is not None


def test_what_a_host_says_is_cut_to_what_columns_hold(host: Host) -> None:
    tell(host, pool(type="t" * 50, path="/" + "p" * 5000, capacity=2**64, allocation=-1))
    row = StoragePool.objects.get()
    assert (len(row.type), len(row.path), row.capacity_bytes, row.allocation_bytes) == (20, 4096, 2**63 - 1, 0)


def test_one_export_is_one_storage_on_every_host(host: Host) -> None:
    other = Host.objects.create(name="host-b")
    tell(host, nfs())
    tell(other, nfs("elsewhere", "NAS", "/vms/", "auto"))
    one, two = StoragePool.objects.order_by("pk")
    assert one.storage == two.storage
    assert (one.storage.kind, one.storage.source) == ("netfs", "nfs://nas/vms")
    tell(other, nfs("elsewhere", export="/others"))
    two.refresh_from_db()
    assert two.storage != one.storage and two.storage.source == "nfs://nas/others"


def test_a_folder_is_its_hosts_own(host: Host) -> None:
    other = Host.objects.create(name="host-b")
    tell(host, pool())
    tell(other, pool())
    one, two = StoragePool.objects.order_by("pk")
    assert one.storage != two.storage
    # An administrator says that they are one, and they stay so.
    StoragePool.objects.filter(pk=two.pk).update(storage=one.storage)
    tell(other, pool(available=1))
    two.refresh_from_db()
    assert two.storage == one.storage


def test_a_pool_that_becomes_a_folder_leaves_the_others(host: Host) -> None:
    tell(host, nfs())
    before = StoragePool.objects.get().storage
    tell(host, pool(FIRST, "shared"))
    after = StoragePool.objects.get().storage
    assert after != before and (after.kind, after.source) == ("dir", "")


def test_a_row_of_before_is_told_what_it_is(host: Host) -> None:
    made = StoragePool.objects.create(host=host, uuid=uuid.UUID(FIRST), name="default")
    tell(host, pool())
    made.refresh_from_db()
    assert (made.storage.kind, Storage.objects.count()) == ("dir", 1)
