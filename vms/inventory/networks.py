"""Writing what is known of a host's networks and network filters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from vms.inventory.rows import LONGEST_NAME
from vms.models import Host, Network, NetworkFilter
from vms.virt import FilterInfo, NetworkInfo

LONGEST_MODE: Final = 20
LONGEST_BRIDGE: Final = 64
MOST_LEASES: Final = 4096
COLUMNS: Final = (
    "name", "present", "mode", "bridge", "active", "autostart", "persistent", "document", "live_document", "leases",
)  # fmt: skip

Columns = dict[UUID, dict[str, Any]]


def as_stored(told: Iterable[NetworkInfo]) -> Columns:
    """The columns of each."""
    return {
        UUID(info.uuid): {
            "name": info.name[:LONGEST_NAME],
            "present": True,
            "mode": info.mode[:LONGEST_MODE],
            "bridge": info.bridge[:LONGEST_BRIDGE],
            "active": info.active,
            "autostart": info.autostart,
            "persistent": info.persistent,
            "document": info.document,
            "live_document": info.live_document,
            "leases": [asdict(lease) for lease in info.leases[:MOST_LEASES]],
        }
        for info in told
    }


def is_news(host: Host, stored: Columns) -> bool:
    """Whether keep() would write something; asked before there is a transaction."""
    known = {row.pop("uuid"): row for row in Network.objects.filter(host=host).values("uuid", *COLUMNS)}
    there = {uuid for uuid, row in known.items() if row["present"]}
    return bool(there - stored.keys()) or any(known.get(uuid) != columns for uuid, columns in stored.items())


def keep(host: Host, stored: Columns) -> set[str]:
    """Rows for what the host lists. What it lists no more keeps its row, and with it the grants, for its return."""
    rows = {row.uuid: row for row in Network.objects.filter(host=host)}
    changed: set[str] = set()
    for uuid, row in rows.items():
        if row.present and uuid not in stored:
            Network.objects.filter(pk=row.pk).update(present=False, active=False, live_document="", leases=[])
            changed.add(f"network:{row.pk}")
    for uuid, columns in stored.items():
        known = rows.get(uuid)
        if known is None:
            made = Network.objects.create(host=host, uuid=uuid, **columns)
            changed.add(f"network:{made.pk}")
        elif any(getattr(known, name) != value for name, value in columns.items()):
            Network.objects.filter(pk=known.pk).update(**columns)
            changed.add(f"network:{known.pk}")
    return changed | {f"host:{host.pk}"} if changed else changed


def filters_as_stored(told: Iterable[FilterInfo]) -> Columns:
    return {UUID(info.uuid): {"name": info.name[:LONGEST_NAME], "document": info.document} for info in told}


def is_filter_news(host: Host, stored: Columns) -> bool:
    """Whether keep_filters() would write something."""
    rows = NetworkFilter.objects.filter(host=host).values_list("uuid", "name", "document")
    return {uuid: {"name": name, "document": document} for uuid, name, document in rows} != stored


def keep_filters(host: Host, stored: Columns) -> set[str]:
    """Rows for the filters that the host lists, and for no others: nobody has a right on one."""
    NetworkFilter.objects.filter(host=host).exclude(uuid__in=stored).delete()
    for uuid, columns in stored.items():
        NetworkFilter.objects.update_or_create(host=host, uuid=uuid, defaults=columns)
    return {f"host:{host.pk}"}
