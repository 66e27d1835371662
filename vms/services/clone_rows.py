"""The disks and drives of a VM that is to be cloned, and what may be done with each (docs/decisions/0078)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from vms.errors import RequestRefused
from vms.libvirtxml import (
    DomainXML,
    OldDrive,
    drives_of,
)
from vms.models import (
    ImageCopy,
    Placement,
    Snapshot,
    StoragePool,
    VirtualMachine,
    Volume,
)  # fmt: skip
from vms.permissions import (
    Who,
    visible_images,
    visible_volumes,
)
from vms.services import belongings, operations, volumes
from vms.services.clone_definitions import definition_of, kept_in
from vms.services.clone_wishes import How
from vms.services.freshness import placed

# In these a layer over its disk does not go under it.
STILL: Final = ("shut_off", "crashed")


@dataclass(frozen=True)
class Row:
    """A disk or drive of the source that has something in it. name: what may be told of that. ways: what can be done
    with it, the first is proposed; why: a code for why no copy is among them."""

    drive: OldDrive
    name: str
    volume: Volume | None
    ways: tuple[How, ...]
    why: str = ""

    @property
    def target(self) -> str:
        return self.drive.target


def card_count(vm: VirtualMachine, snapshot: Snapshot | None = None) -> int:
    return len(source_of(vm, snapshot).interfaces)


def source_of(vm: VirtualMachine, snapshot: Snapshot | None) -> DomainXML:
    """The definition that it is made after."""
    return kept_in(snapshot) if snapshot else definition_of(vm)


def rows(who: Who, vm: VirtualMachine, snapshot: Snapshot | None = None) -> list[Row]:
    """Its disks, and its drives with what is in them; what nobody is shown goes without a word. snapshot: as they were
    when it was taken."""
    placement = placed(vm)
    pools = list(StoragePool.objects.filter(host=placement.host_id, present=True))
    own = list(vm.volumes.filter(present=True).order_by("pk"))
    made = []
    kept = {disk["target"]: disk["how"] for disk in snapshot.disks} if snapshot else {}
    for drive in drives_of(source_of(vm, snapshot)):
        if not drive.source:
            continue
        place = {(drive.source[0], drive.source[1])}
        volume = next((one for one in own if belongings.named(one, pools, place)), None)
        if volume and volume.private:
            continue
        found = row(who, placement, drive, volume)
        made.append(then(found, kept.get(drive.target, "no")) if snapshot else found)
    return made


def then(found: Row, how: str) -> Row:
    """What of that holds for a disk as a snapshot has kept it: nobody writes to that any more, so that it may run."""
    if found.drive.medium or found.volume is None:
        return found
    why = ("" if found.why == "volume_runs" else found.why) if how != "no" else "not_kept"
    return replace(found, ways=("none",) if why else ("copy", "none"), why=why)


def row(who: Who, placement: Placement, drive: OldDrive, volume: Volume | None) -> Row:
    name = belongings.shown(who, volume) if volume and is_seen(who, volume) else ""
    if volume is None:
        return Row(drive, "", None, ("none",), "outside")
    shared: tuple[How, ...] = ("share",) if (drive.medium or drive.shared) and may_share(who, volume) else ()
    if drive.medium:
        return Row(drive, name, volume, (*shared, "none"))
    why = why_no_copy(who, placement, volume)
    own: tuple[How, ...] = () if why else ("copy",)
    over: tuple[How, ...] = ("linked",) if own and can_lie_below(placement, drive, volume) else ()
    return Row(drive, name, volume, (*shared, *own, *over, "none"), why)


def is_seen(who: Who, volume: Volume) -> bool:
    return visible_volumes(who).filter(pk=volume.pk).exists()


def may_share(who: Who, volume: Volume) -> bool:
    """Whether he may give it to another VM: he may attach it, or it is an image from which he may install."""
    if visible_volumes(who, "attach").filter(pk=volume.pk).exists():
        return True
    return ImageCopy.objects.filter(volume=volume, image__in=visible_images(who).values("pk")).exists()


def why_no_copy(who: Who, placement: Placement, volume: Volume) -> str:
    """A code, "" where it can be copied."""
    if not visible_volumes(who, "copy").filter(pk=volume.pk).exists():
        return "not_yours"
    try:
        volumes.require_served(volume)
    except RequestRefused as refused:
        return refused.code
    others = [one for one in volumes.running(volume) if one.vm_id != placement.vm_id]
    return "volume_runs" if others else ""


def can_lie_below(placement: Placement, drive: OldDrive, volume: Volume) -> bool:
    """Whether a layer over it holds: nothing writes to it, and nothing will by itself."""
    pool = operations.pool_of(volume)
    return (
        placement.state in STILL
        and not placement.autostart
        and not drive.shared
        and pool.type in volumes.FILES
        and volume.vms.count() == 1
    )
