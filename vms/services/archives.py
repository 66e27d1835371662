"""Volumes in which others have packed a VM: read by a worker, remembered, and told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any, Final

from django.db.models import F, Q

from vms.archives import Ova, Source
from vms.errors import BadFields, RequestRefused
from vms.kinds.imports import READ
from vms.libvirtxml import PackedCard, PackedVm
from vms.models import Archive, Operation, StoragePool, Volume
from vms.permissions import Actor, Who, require_deed, visible_volumes
from vms.services import operations, placing, systems, volumes
from vms.services.wishes import DiskWish

# Uploaded as such, or called so, or a disk that is converted: what may hold a VM.
LIKELY: Final = Q(archive__isnull=False) | Q(name__iendswith=".ova") | Q(format="vmdk")
MOST: Final = 200


@dataclass(frozen=True)
class PackedDisk:
    """A disk in an archive; format "" for an empty one. file: "" where the archive is the disk itself."""

    file: str
    format: str
    size_bytes: int


def find_sources(who: Who) -> list[Volume]:
    """What may hold a VM, that he may copy, on hosts where he may make VMs, by name."""
    pools = StoragePool.objects.filter(host__in=placing.usable_hosts(who), present=True, active=True)
    rows = visible_volumes(who, "copy").filter(LIKELY, state="ready", present=True)
    return list(rows.filter(storage__in=pools.values("storage")).select_related("archive").order_by("name")[:MOST])


def is_likely(volume: Volume) -> bool:
    return Volume.objects.filter(LIKELY, pk=volume.pk).exists()


def read(actor: Actor, volume: Volume, *, idempotency_key: str | None = None) -> Operation:
    """The operation that reads what is in it. Raises NotAllowed, what require_served raises, and what request
    raises."""
    require_deed(actor, "copy", volume)
    volumes.require_served(volume)
    return operations.request(READ, volume, actor=actor, idempotency_key=idempotency_key)


def keep(volume: Volume, found: Ova) -> None:
    """Remember what was read in it."""
    told = {**asdict(found.vm), "disks": [asdict(describe(source)) for source in found.disks]}
    Archive.objects.update_or_create(volume=volume, defaults={"told": told, "changed_at": volume.changed_at})


def describe(source: Source) -> PackedDisk:
    return PackedDisk(source.file, source.format, source.size_bytes)


def alone(volume: Volume, source: Source) -> Ova:
    """A disk that is packed by itself, as the VM which it is to be, with a card."""
    name = PurePath(volume.name).stem
    return Ova(PackedVm(name, "", 0, 0, "", (), (PackedCard("", ""),)), (source,))


def current(volume: Volume) -> Archive | None:
    """What was read in it, None where nothing was, or it was written since."""
    return Archive.objects.filter(volume=volume).filter(
        Q(changed_at=F("volume__changed_at")) | Q(changed_at=None, volume__changed_at=None)
    ).first()  # fmt: skip


def told(archive: Archive) -> dict[str, Any]:
    """What it says of its VM: name, system, os (the short id that we know it by, or ""), cpus, memory_mib, firmware,
    disks, cards, controllers, left_out."""
    return {**archive.told, "os": guess(str(archive.told["system"]))}


def disks(archive: Archive) -> list[PackedDisk]:
    return [PackedDisk(**each) for each in archive.told["disks"]]


def find_source(actor: Actor, disk: DiskWish) -> Volume:
    """The volume out of which a disk comes; BadFields where he may not copy it, or it is not to be read now."""
    volume = visible_volumes(actor, "copy").filter(pk=disk.packed or 0).first()
    if volume is None:
        raise BadFields({"volume": "choice"})
    try:
        volumes.require_served(volume)
        volumes.require_off(actor, volume)
    except RequestRefused:
        raise BadFields({"volume": "vm_disk_used"}) from None
    return volume


def find_disk(actor: Actor, disk: DiskWish) -> PackedDisk:
    """The disk as it was read; BadFields where it is none of the archive's, or nobody has read that."""
    archive = current(find_source(actor, disk))
    if archive is None:
        raise BadFields({"volume": "archive_unread"})
    found = disks(archive)
    if not 0 <= disk.number < len(found) or not found[disk.number].format:
        raise BadFields({"disks": "choice"})
    return found[disk.number]


def guess(text: str) -> str:
    """The short id of the system that is called so by others, "" where that is none that we know by all its words."""
    words = set(split(text))
    fitting = [(len(split(name)), -len(os), os) for os, name in systems.choices() if set(split(name)) <= words]
    return max(fitting)[2] if fitting else ""


def split(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() or letter == "." else " " for letter in text.lower()).split()
