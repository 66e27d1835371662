"""Writing what is known of a host's storage pools, and which of them are one storage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from vms.inventory.rows import LONGEST_NAME, bounded
from vms.libvirtxml import canonical
from vms.models import Host, Storage, StoragePool
from vms.virt import PoolInfo

LONGEST_TYPE: Final = 20
LONGEST_PATH: Final = 4096
LARGEST: Final = 2**63 - 1
COLUMNS: Final = (
    "name", "present", "type", "path", "active", "autostart", "persistent", "capacity_bytes", "allocation_bytes",
    "available_bytes", "document",
)  # fmt: skip

Columns = dict[UUID, dict[str, Any]]


def as_stored(told: Iterable[PoolInfo]) -> Columns:
    """The columns of each."""
    return {
        UUID(info.uuid): {
            "name": info.name[:LONGEST_NAME],
            "present": True,
            "type": info.type[:LONGEST_TYPE],
            "path": info.path[:LONGEST_PATH],
            "active": info.active,
            "autostart": info.autostart,
            "persistent": info.persistent,
            "capacity_bytes": bounded(info.capacity, LARGEST),
            "allocation_bytes": bounded(info.allocation, LARGEST),
            "available_bytes": bounded(info.available, LARGEST),
            "document": info.document,
        }
        for info in told
    }


def is_news(host: Host, stored: Columns) -> bool:
    """Whether keep() would write something; asked before there is a transaction."""
    known = {row.pop("uuid"): row for row in StoragePool.objects.filter(host=host).values("uuid", *COLUMNS)}
    there = {uuid for uuid, row in known.items() if row["present"]}
    return bool(there - stored.keys()) or any(known.get(uuid) != columns for uuid, columns in stored.items())


def keep(host: Host, stored: Columns) -> set[str]:
    """Rows for what the host lists. What it lists no more keeps its row, and with it the grants, for its return."""
    rows = {row.uuid: row for row in StoragePool.objects.filter(host=host).select_related("storage")}
    changed: set[str] = set()
    for uuid, row in rows.items():
        if row.present and uuid not in stored:
            StoragePool.objects.filter(pk=row.pk).update(present=False, active=False)
            changed.add(f"pool:{row.pk}")
    for uuid, columns in stored.items():
        known = rows.get(uuid)
        if known is None:
            made = StoragePool.objects.create(host=host, uuid=uuid, storage=storage_of(None, columns), **columns)
            changed.add(f"pool:{made.pk}")
        elif any(getattr(known, name) != value for name, value in columns.items()):
            # Column by column: when the host last looked through it is not for this to write, and which storage it is
            # only where that is another now.
            storage = storage_of(known, columns)
            if storage.pk != known.storage_id:
                columns = {**columns, "storage": storage, "by_hand": False}
            StoragePool.objects.filter(pk=known.pk).update(**columns)
            changed.add(f"pool:{known.pk}")
    return changed | {f"host:{host.pk}"} if changed else changed


def storage_of(pool: StoragePool | None, columns: dict[str, Any]) -> Storage:
    """What the pool takes its bytes from: the same for every host that names the same source; else the pool's own.

    What an administrator has said of it holds as long as it is made of the same.
    """
    kind, source = made_of(columns["type"], columns["document"])
    if pool and pool.by_hand:
        if (kind, source, columns["path"]) == (*made_of(pool.type, pool.document), pool.path):
            return pool.storage
    elif pool and not source and not pool.storage.source:
        if not pool.storage.kind:
            Storage.objects.filter(pk=pool.storage_id).update(kind=kind[:LONGEST_TYPE])
        return pool.storage
    if source:
        return Storage.objects.get_or_create(kind=kind[:LONGEST_TYPE], source=source)[0]
    return Storage.objects.create(kind=kind[:LONGEST_TYPE])


def made_of(type: str, document: str) -> tuple[str, str]:
    """(kind, source), which is "" for what is its host's own."""
    return canonical(document) if document else (type, "")
