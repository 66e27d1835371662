"""Writing what a host says of its VMs' snapshots: rows that follow, with what belongs to those that are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vms.models import Placement, Snapshot, SnapshotPicture


def keep(placement: Placement, told: Sequence[Mapping[str, Any]]) -> None:
    """Bring the rows of one VM up to what was told; those that are as before are left alone. What stood on the screen
    goes with its snapshot."""
    stored = {row.name: row for row in Snapshot.objects.filter(placement=placement)}
    there = {one["name"]: one for one in told}
    gone = [row for name, row in stored.items() if name not in there or there[name]["taken_at"] != row.taken_at]
    for row in gone:
        if row.taken_at is None:
            continue
        SnapshotPicture.objects.filter(vm=placement.vm_id, name=row.name, taken_at=row.taken_at).delete()
    Snapshot.objects.filter(pk__in=[row.pk for row in gone if row.name not in there]).delete()
    for name, one in there.items():
        if name not in stored:
            Snapshot.objects.create(placement=placement, **one)
        elif any(getattr(stored[name], field) != value for field, value in one.items()):
            Snapshot.objects.filter(pk=stored[name].pk).update(**one)


def create(told: Sequence[tuple[Placement, Sequence[Mapping[str, Any]]]]) -> None:
    """Of VMs that are new: all rows in one query."""
    rows = [Snapshot(placement=placement, **one) for placement, found in told for one in found]
    if rows:
        Snapshot.objects.bulk_create(rows)
