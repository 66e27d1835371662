"""The disks that a VM had and has no more: they stay, attached to nothing, and can be attached again."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from vms.libvirtxml import BadXML, DomainXML
from vms.libvirtxml.shaping import DISK_BUSES
from vms.models import StoragePool, Version, Volume
from vms.permissions import Who, held, visible_volumes
from vms.services import plans, shaped_with
from vms.services.shaping import Machine

MOST: Final = 50
# Of so many definitions, the latest, it is looked up on which bus a disk was.
LATEST: Final = 20
BUS: Final = "virtio"
RIGHT: Final = "vm.disk"


@dataclass(frozen=True)
class Detached:
    """bus: on which it was, as far as its VM's definitions tell. ready: whether he may attach it, and can."""

    volume: Volume
    bus: str
    ready: bool


def detached(who: Who, there: Machine) -> list[Detached]:
    """Those of the VM that he may see, by name: which no VM has now, and this one had last."""
    rows = visible_volumes(who).filter(
        last_vm=there.vm, vms=None, layers=None, image_copy=None, present=True, format__in=plans.ATTACHED
    )
    found = list(rows.exclude(name__iendswith=".iso").order_by("name", "pk")[:MOST])
    if not found:
        return []
    known = buses(there, found)
    ready = {row.pk for row in shaped_with.disks_for(who, there.host, there.vm)} if RIGHT in held(who, there.vm) else ()
    return [Detached(row, known.get(row.pk, BUS), row.pk in ready) for row in found]


def buses(there: Machine, volumes: Collection[Volume]) -> dict[int, str]:
    """{volume: its bus} by the latest definition that has it."""
    pools = list(StoragePool.objects.filter(host=there.host, present=True))
    called = {name: row.pk for row in volumes for name in names(row, pools)}
    found: dict[int, str] = {}
    for text in Version.objects.filter(vm=there.vm).order_by("-number").values_list("xml", flat=True)[:LATEST]:
        try:
            disks = DomainXML.parse(text).disks
        except BadXML:
            continue
        for disk in disks:
            if disk.source in called and disk.bus in DISK_BUSES:
                found.setdefault(called[disk.source], disk.bus)
        if len(found) == len(volumes):
            break
    return found


def names(volume: Volume, pools: Iterable[StoragePool]) -> list[str]:
    """How a definition of a host with these pools calls it."""
    own = [pool for pool in pools if pool.storage_id == volume.storage_id]
    places = [place for pool in own for place in (pool.name, pool.path.rstrip("/")) if place]
    return [volume.path, *(f"{place}/{volume.name}" for place in places)]
