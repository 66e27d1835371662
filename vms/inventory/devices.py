"""Writing what a host is made of: its hardware as a column, its devices as rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from django.db.models.functions import Now

from vms.inventory.hosts import plain
from vms.models import Host, HostDevice
from vms.virt import DeviceInfo, HostHardware

Step = Callable[[], set[str]]
FIELDS: Final = tuple(DeviceInfo.__dataclass_fields__)
AT_ONCE: Final = 50
# What the column for functions takes; a host may say anything.
MOST_FUNCTIONS: Final = 2**31 - 1


def plan(host: Host, hardware: HostHardware, devices: Iterable[DeviceInfo]) -> deque[Step]:
    """What there is to store: rows that are new, differ or are gone, and last that it was read."""
    told = {device.name: values(device) for device in devices}
    known = {row.name: row for row in HostDevice.objects.filter(host=host)}
    new = [HostDevice(host=host, **fields) for name, fields in told.items() if name not in known]
    changed = [known[name] for name, fields in told.items() if name in known and differs(known[name], fields)]
    for row in changed:
        for field, value in told[row.name].items():
            setattr(row, field, value)
        row.present = True
    gone = [row.pk for name, row in known.items() if name not in told and row.present]
    steps: deque[Step] = deque()
    steps.extend(partial(create, rows) for rows in chunks(new))
    steps.extend(partial(update, rows) for rows in chunks(changed))
    steps.extend(partial(leave, pks) for pks in chunks(gone))
    steps.append(partial(store, host, plain(asdict(hardware))))
    return steps


def values(device: DeviceInfo) -> dict[str, Any]:
    return {**asdict(device), "functions": min(device.functions, MOST_FUNCTIONS)}


def differs(row: HostDevice, fields: dict[str, Any]) -> bool:
    return not row.present or any(getattr(row, name) != value for name, value in fields.items())


def chunks(rows: list[Any]) -> Iterator[list[Any]]:
    return (rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE))


def create(rows: list[HostDevice]) -> set[str]:
    HostDevice.objects.bulk_create(rows)
    return set()


def update(rows: list[HostDevice]) -> set[str]:
    HostDevice.objects.bulk_update(rows, [*FIELDS, "present"])
    return set()


def leave(pks: list[int]) -> set[str]:
    """What is offered keeps its row for its return; of the rest there is nothing to remember."""
    there = HostDevice.objects.filter(pk__in=pks)
    there.filter(offer=None).delete()
    there.exclude(offer=None).update(present=False)
    return set()


def store(host: Host, hardware: dict[str, Any]) -> set[str]:
    """The column, and that it was read; told to the pages in any case, since they show when that was."""
    Host.objects.filter(pk=host.pk).update(hardware=hardware, hardware_at=Now())
    return {f"host:{host.pk}"}
