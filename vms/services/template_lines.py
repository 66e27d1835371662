"""Templates as people read them: what each is, how large, what needs it, and what is amiss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vms.libvirtxml import Traits, writable
from vms.models import Placement, StoragePool, TemplateVolume, VirtualMachine
from vms.osdata import find_system
from vms.permissions import Who, seen_hosts
from vms.services.freshness import placed
from vms.services.instances import document_of, traits_of
from vms.services.templates import Users, users


@dataclass(frozen=True)
class Line:
    """One template. host: its host's name, "" for who may not see that. system: what it installs, "" for unknown.
    runs: somebody has started it outside. size: the bytes that a full copy of its disks can become."""

    vm: VirtualMachine
    host: str
    system: str
    placement: Placement
    traits: Traits | None
    disks: list[TemplateVolume]
    users: Users

    @property
    def size(self) -> int:
        return sum(each.volume.capacity_bytes for each in self.disks)

    @property
    def runs(self) -> bool:
        return self.placement.present and self.placement.run_id is not None

    @property
    def memory_kib(self) -> int:
        return self.traits.memory_kib if self.traits else self.placement.memory_kib

    @property
    def layered(self) -> bool:
        """Whether a disk of it lies over something, so that there is no full copy."""
        return any(each.volume.backing_id or each.volume.backing_path for each in self.disks)


def make_lines(vms: Sequence[VirtualMachine], who: Who) -> list[Line]:
    """In the same order."""
    hosts = seen_hosts(who, [placed(vm).host for vm in vms])
    return [make_line(vm, who, hosts) for vm in vms]


def make_line(vm: VirtualMachine, who: Who, hosts: frozenset[int]) -> Line:
    placement = placed(vm)
    known = traits_of(vm)
    system = find_system(known.system) if known else None
    rows = TemplateVolume.objects.filter(template=vm.template, depth=0).select_related("volume").order_by("number")
    return Line(
        vm=vm,
        host=placement.host.name if placement.host_id in hosts else "",
        system=system.name if system else "",
        placement=placement,
        traits=known,
        disks=list(rows),
        users=users(who, vm),
    )


def unprotected(line: Line) -> list[str]:
    """The targets of its disks to which it could write if somebody started it outside: on a bus that has no read-only
    disks, or changed there."""
    document = document_of(line.vm)
    pools = list(StoragePool.objects.filter(host=line.placement.host_id, present=True))
    places = set()
    for each in line.disks:
        places.add(("path", each.volume.path))
        for pool in pools:
            if pool.storage_id == each.volume.storage_id:
                places.add(("volume", f"{pool.name}/{each.volume.name}"))
    return writable(document, places) if document else []
