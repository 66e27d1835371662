"""VMs of a template: its disks again, as copies or over them, and of its definition what they start by. The rest is
made as for any new VM, so that nothing of the template's identity or history travels (docs/decisions/0081)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from vms.errors import BadFields, NotAllowed, WrongState
from vms.libvirtxml import BadXML, DomainXML, Traits, traits
from vms.models import Document, Host, StoragePool, TemplateVolume, VirtualMachine, Volume
from vms.osdata import find_system
from vms.permissions import Who, usable_templates
from vms.permissions.templates import USE, may_use
from vms.services import operations, volumes
from vms.services.freshness import placed
from vms.services.placing import Place
from vms.services.wishes import MIB, DiskWish, Wish


@dataclass(frozen=True)
class Original:
    """The template of a wish. disks: its volumes, each with its bus."""

    vm: VirtualMachine
    host: Host
    traits: Traits
    disks: tuple[tuple[Volume, str], ...]

    @property
    def os(self) -> str:
        system = find_system(self.traits.system)
        return system.id if system else ""


def document_of(vm: VirtualMachine) -> DomainXML | None:
    """Its definition as it starts next; None where none is known."""
    text = Document.objects.filter(placement=placed(vm)).values_list("next_boot", flat=True).first()
    with suppress(BadXML):
        return DomainXML.parse(text) if text else None
    return None


def traits_of(vm: VirtualMachine) -> Traits | None:
    document = document_of(vm)
    return traits(document) if document else None


def original(who: Who, wish: Wish) -> Original | None:
    """The template that the wish names; None for none. Raises BadFields for one that he may not use, and for what an
    instance cannot have besides; WrongState while somebody has it running, or where its host has it no more."""
    named = [disk.template for disk in wish.disks if disk.template is not None]
    if not named:
        return None
    if len(wish.disks) > 1:
        raise BadFields({"disks": "template_more"})
    vm = usable_templates(who).filter(pk=named[0]).first()
    known = traits_of(vm) if vm else None
    if vm is None or known is None:
        raise BadFields({"disks": "choice"})
    there = placed(vm)
    if not there.present or there.run_id is not None:
        raise WrongState(name=vm.name, state=there.state if there.present else "gone")
    rows = TemplateVolume.objects.filter(template=vm.template, depth=0).select_related("volume__storage")
    disks = tuple((row.volume, bus) for row, (_, bus) in zip(rows.order_by("number"), known.disks, strict=False))
    if not disks or wish.host not in (None, there.host_id):
        raise BadFields({"host": "template_host"} if disks else {"disks": "choice"})
    return Original(vm, there.host, known, disks)


def filled(wish: Wish, of: Original) -> Wish:
    """The wish with what the template says where it says nothing."""
    [asked] = wish.disks
    disks = [
        DiskWish(asked.pool, asked.size_mib if number == 0 else 0, linked=asked.linked, below=volume.pk, bus=bus)
        for number, (volume, bus) in enumerate(of.disks)
    ]
    return replace(
        wish,
        host=of.host.pk,
        os=wish.os or of.os,
        cpus=wish.cpus or of.traits.cpus,
        memory_mib=wish.memory_mib or of.traits.memory_kib // 1024,
        firmware=wish.firmware or of.traits.firmware,
        tpm=of.traits.tpm if wish.tpm is None else wish.tpm,
        disks=tuple(disks),
    )


def size_of(disk: DiskWish, below: Volume) -> int:
    """Bytes of the disk; BadFields where less are asked for than the template's has."""
    least = below.capacity_bytes
    size = disk.size_mib * MIB or least
    if size < least:
        raise BadFields({"disks": "template_small"})
    return size


def described(
    disk: DiskWish, below: Volume, size: int, there: Place, pools: Mapping[int, StoragePool]
) -> dict[str, Any]:
    """The disk as the operation's parameters have it; its name comes with the VM's. Raises BadFields."""
    pool = pools.get(disk.pool) if disk.pool is not None else beside(below, there, pools)
    if pool is None:
        raise BadFields({"disks": "vm_no_pool"})
    format = "qcow2" if disk.linked else below.format
    if disk.linked and (pool.type not in volumes.FILES or below.kind != "file"):
        raise BadFields({"disks": "template_format"})
    if not disk.linked and (below.backing_id or below.backing_path):
        raise BadFields({"disks": "template_layered"})
    if format not in volumes.formats(pool):
        raise BadFields({"disks": "volume_format"})
    return {
        "pool": pool.pk, "size_bytes": size, "format": format, "image": 0, "linked": disk.linked, "below": below.pk,
        "bus": disk.bus,
    }  # fmt: skip


def beside(below: Volume, there: Place, pools: Mapping[int, StoragePool]) -> StoragePool | None:
    """The template's own pool where he may keep disks in it, else where new disks go anyway."""
    return next((pool for pool in pools.values() if pool.storage_id == below.storage_id), there.pool)


def source_pool(volume: Volume, host: int) -> StoragePool | None:
    """The pool by which the host has the volume."""
    return operations.by_reach(StoragePool.objects.filter(storage=volume.storage_id, host=host)).first()


def require_usable(who: Who, template: int) -> None:
    """Nothing, or NotAllowed: he may no longer make VMs of it, or it is no template any more."""
    if not may_use(who, template):
        raise NotAllowed(privilege=USE)
