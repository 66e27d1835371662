"""What of the host a change of hardware takes, by rows that its asker may use: volumes, images, networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Case, When

from vms.errors import BadFields, NotAllowed, VolumeNotReady
from vms.libvirtxml import Given
from vms.models import Host, Image, ImageCopy, Network, StoragePool, VirtualMachine, Volume
from vms.permissions import Actor, Who, require, require_deed, visible_volumes
from vms.services import images, offered, placing, plans, volumes


def disks_for(who: Who, host: Host, vm: VirtualMachine) -> list[Volume]:
    """The volumes that could be attached to the VM on its host: his to attach, ready, and used by none. First those
    that it had last."""
    pools = {pool.storage_id for pool in placing.usable_pools(who, host)}
    pools |= set(StoragePool.objects.filter(host=host, present=True, active=True).values_list("storage", flat=True))
    rows = visible_volumes(who, "attach").filter(storage__in=pools, present=True, state=Volume.State.READY)
    rows = rows.filter(vms=None, layers=None, format__in=plans.ATTACHED).select_related("storage")
    rows = rows.order_by(Case(When(last_vm=vm, then=0), default=1), "name", "pk")
    return [row for row in rows.distinct()[:200] if not (volumes.is_strayed(row) or row.is_found or row.is_swapped)]


def media_for(who: Who, host: Host) -> list[tuple[int, str]]:
    """(image id, name) of what could be put into a drive of a VM of the host."""
    rows = images.on_host(who, host)
    found = {copy.image_id: copy.image.name for copy, _ in rows if is_medium(copy)}
    return sorted(found.items(), key=lambda one: one[1])


def is_medium(copy: ImageCopy) -> bool:
    return copy.image.kind == Image.Kind.ISO and copy.volume.format == "raw"


def volume(actor: Actor, host: Host, pk: int) -> tuple[Volume, StoragePool]:
    """The volume with the pool by which the host has it. Raises BadFields ("volume"), NotAllowed."""
    row = visible_volumes(actor).filter(pk=pk).first()
    pools = StoragePool.objects.filter(host=host, present=True, active=True)
    pool = pools.filter(storage=row.storage_id).first() if row else None
    if row is None or pool is None:
        raise BadFields({"volume": "choice"})
    try:
        plans.require_free(actor, row)
    except BadFields as bad:
        raise BadFields({"volume": next(iter(bad.errors.values()))}) from None
    return row, pool


def pool_for(actor: Actor, host: Host, pk: object) -> StoragePool:
    """One in which he may make disks. Raises BadFields ("pool")."""
    found = next((one for one in placing.usable_pools(actor, host) if one.pk == pk), None)
    if found is None:
        raise BadFields({"pool": "choice"})
    return found


def medium(actor: Actor, host: Host, image: int) -> tuple[Volume, StoragePool]:
    """The image's copy there. Raises BadFields ("medium")."""
    for copy, pool in images.on_host(actor, host, [image]):
        if is_medium(copy):
            return copy.volume, pool
    raise BadFields({"medium": "choice"})


def network(actor: Actor, host: Host, pk: int) -> Network:
    """One to which he may connect VMs. Raises BadFields ("network")."""
    found = next((one for one in placing.usable_networks(actor, host) if one.pk == pk), None)
    if found is None:
        raise BadFields({"network": "choice"})
    if not placing.is_filtered(host):
        raise BadFields({"network": "vm_no_filter"})
    return found


def given(actor: Actor, host: Host | None, ids: Mapping[str, Any]) -> Given:
    """What the ids stand for at this moment. Raises NotAllowed, VolumeNotReady, BadFields."""
    formats: dict[tuple[str, str], str] = {}
    if host is None:
        return Given()
    for pk in ids.get("volumes", ()):
        row = Volume.objects.filter(pk=pk).first()
        pool = row and StoragePool.objects.filter(storage=row.storage_id, host=host, present=True).first()
        if row is None or pool is None:
            raise NotAllowed(privilege="vm.disk")
        require_deed(actor, "attach", row)
        if row.state != Volume.State.READY:
            raise VolumeNotReady(name=row.name, why=str(row.state))
        formats[pool.name, row.name] = row.format
    if new := ids.get("new"):
        into = StoragePool.objects.filter(pk=new["pool"], host=host, present=True).first()
        if into is None:
            raise NotAllowed(privilege="pool.use")
        require(actor, "pool.use", into)
        formats[into.name, new["name"]] = new["format"]
    for image in ids.get("images", ()):
        copy, pool = medium(actor, host, image)
        formats[pool.name, copy.name] = "raw"
    offers = frozenset(offered.element(*offered.said_of(actor, host, choice)) for choice in ids.get("offers", ()))
    # A card may leave any network.
    names = set(ids.get("leaves", ()))
    for pk in ids.get("networks", ()):
        found = Network.objects.filter(pk=pk, host=host, present=True).first()
        if found is None:
            raise NotAllowed(privilege="network.use")
        require(actor, "network.use", found)
        names.add(found.name)
    return Given(volumes=formats, networks=frozenset(names), macs=frozenset(ids.get("macs", ())), offers=offers)
