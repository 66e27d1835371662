"""What lies over a disk is spoiled where somebody writes to that (docs/decisions/0079)."""

from __future__ import annotations

from vms.libvirtxml import belongings
from vms.models import Document, StoragePool, VirtualMachine, Volume
from vms.permissions import Who
from vms.services.belongings import named, parsed, set_of
from vms.services.freshness import placed
from vms.services.volumes import require_top


def refuse_writing(who: Who, vm: VirtualMachine) -> None:
    """Nothing, or VolumeBacks: a volume is a layer over one of its disks, as they are written to when it runs."""
    for volume in written(vm):
        require_top(who, volume)


def written(vm: VirtualMachine) -> list[Volume]:
    """The volumes that its definition has as disks of its own, and not read-only."""
    placement = placed(vm)
    layered = list(vm.volumes.filter(layers__isnull=False).distinct())
    document = Document.objects.filter(placement=placement).first() if layered else None
    if document is None:
        return []
    own = belongings(parsed(document.next_boot))
    places = set_of(own.disks) - set_of(own.readonly)
    pools = list(StoragePool.objects.filter(host=placement.host_id, present=True))
    return [volume for volume in layered if named(volume, pools, places)]
