"""Volumes: what somebody sees of them, who uses them, and what is asked of them.

A volume that is used, lies below another, or may be used by a host that is not heard is not deleted; what is not ready,
or is by now another thing than is remembered, is copied nowhere (docs/decisions/0054), and what may be a link neither
(docs/decisions/0064).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from vms import live
from vms.errors import (
    BadFields,
    NotAllowed,
    VolumeBacks,
    VolumeFound,
    VolumeNotReady,
    VolumeRuns,
    VolumeStrayed,
    VolumeSwapped,
    VolumeUsed,
)
from vms.kinds import Kind, Params
from vms.kinds import volumes as kinds
from vms.models import Document, Host, Operation, Placement, Storage, StoragePool, VirtualMachine, Volume
from vms.permissions import (
    Actor,
    Who,
    may,
    require,
    require_deed,
    trashed_vms,
    visible_pools,
    visible_vms,
    visible_volumes,
)
from vms.services import audit, operations
from vms.services.telling import host_name

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
SMALLEST: Final = 1 << 20
LARGEST: Final = 64 << 40
# Pools of files, which hold more than raw; and those whose new volumes show what another has left on them.
FILES: Final = frozenset({"dir", "fs", "netfs", "gluster", "vstorage"})
RESIDUE: Final = frozenset({"logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath"})
OFF: Final = ("shut_off", "crashed", "saved")
State = Volume.State
# Volume.is_found as a condition.
DOUBTFUL: Final = Q(kind="file", origin=Volume.Origin.FOUND, storage__trusted=False)


@dataclass(frozen=True)
class Users:
    """Who uses a volume, as far as somebody may know: VMs, those in the trash, and volumes that lie over it by name, of
    the others their number."""

    vms: list[VirtualMachine]
    trashed: list[VirtualMachine]
    other_vms: int
    layers: list[Volume]
    other_layers: int


def check_name(name: str) -> str:
    """The name, which libvirt, qemu-img and a shell would all take for a name; BadFields for any other."""
    if not NAME.fullmatch(name):
        raise BadFields({"name": "volume_name"})
    return name


def check_size(size: int) -> int:
    """The size in bytes; BadFields for one that no disk has."""
    if not SMALLEST <= size <= LARGEST:
        raise BadFields({"size_bytes": "volume_size"})
    return size


def formats(pool: StoragePool) -> tuple[str, ...]:
    """What a new volume of the pool may be."""
    return ("qcow2", "raw") if pool.type in FILES else ("raw",)


def found(who: Who) -> QuerySet[Volume]:
    """Those that he may see and that are there, or are being made, by name."""
    there = visible_volumes(who).filter(present=True) | visible_volumes(who).filter(state=State.INCOMPLETE)
    return there.select_related("owner", "backing", "storage").order_by("name", "pk")


def listed(who: Who, pool: StoragePool, query: str = "") -> QuerySet[Volume]:
    """The same of one pool, whose name has the query in it; uses: how many VMs use each, lies_below: whether another
    lies over it."""
    rows = found(who).filter(storage=pool.storage_id)
    uses = Volume.vms.through.objects.filter(volume=OuterRef("pk")).order_by().values("volume")
    rows = rows.filter(name__icontains=query) if query else rows
    below = Volume.objects.filter(backing=OuterRef("pk"))
    return rows.annotate(uses=Count("vms", distinct=True), is_used=Exists(uses), lies_below=Exists(below))


def orphans(who: Who, pool: StoragePool) -> QuerySet[Volume]:
    """Those of the pool that nothing uses, the oldest first."""
    rows = listed(who, pool).filter(state__in=(State.READY, State.REFUSED), vms=None, layers=None)
    return rows.order_by("changed_at", "name")


def outside(who: Who, host: Host) -> list[tuple[VirtualMachine, str]]:
    """(VM, path) of what the VMs of the host that he may see name, and that is in none of its pools. Nothing here
    touches it."""
    pools = [
        (pool.name, pool.path.rstrip("/"))
        for pool in StoragePool.objects.filter(host=host, present=True)
    ]  # fmt: skip
    vms = {vm.pk: vm for vm in visible_vms(who).filter(placement__host=host)}
    rows = Document.objects.filter(placement__host=host, placement__present=True, placement__vm__in=vms)
    named = rows.exclude(sources=[]).values_list("placement__vm_id", "sources")
    return sorted(
        {(vms[vm].name, vm, where): (vms[vm], where)
         for vm, sources in named
         for how, where, _ in sources
         if how == "path" and not any(path and where.startswith(f"{path}/") for _, path in pools)}.values(),
        key=lambda one: (one[0].name, one[1]),
    )  # fmt: skip


def users(who: Who, volume: Volume) -> Users:
    """Who uses it."""
    all_of_them = volume.vms.order_by().values("pk")
    vms = list(visible_vms(who).filter(pk__in=all_of_them).order_by("name"))
    trashed = list(trashed_vms(who).filter(pk__in=all_of_them).order_by("name"))
    layers = list(visible_volumes(who).filter(backing=volume).order_by("name"))
    others = Volume.objects.filter(backing=volume).count() - len(layers)
    return Users(vms, trashed, volume.vms.count() - len(vms) - len(trashed), layers, others)


def is_strayed(volume: Volume) -> bool:
    """Whether its pool tells another format than is remembered, as when a guest wrote a header over its disk."""
    told = "raw" if volume.told_format == "iso" else volume.told_format
    return bool(told and volume.format and told != volume.format)


def require_known(volume: Volume) -> None:
    """Nothing, or VolumeFound or VolumeSwapped: nothing is read from it and nothing is written to it."""
    if volume.is_found:
        raise VolumeFound(name=volume.name)
    if volume.is_swapped:
        raise VolumeSwapped(name=volume.name)


def require_served(volume: Volume) -> None:
    """Nothing, or VolumeNotReady, VolumeStrayed, VolumeFound, VolumeSwapped: it is to be neither attached, nor copied,
    nor handed out."""
    if volume.state != State.READY or not volume.format:
        raise VolumeNotReady(name=volume.name, why=str(volume.state))
    if not volume.present:
        raise VolumeNotReady(name=volume.name, why="gone")
    if is_strayed(volume):
        raise VolumeStrayed(name=volume.name, format=volume.format, told=volume.told_format)
    require_known(volume)


def require_unused(who: Who, volume: Volume) -> None:
    """Nothing, or VolumeUsed or VolumeBacks with the names that he may know."""
    seen = users(who, volume)
    if seen.vms or seen.trashed or seen.other_vms:
        known = joined(vm.name for vm in (*seen.vms, *seen.trashed))
        raise VolumeUsed(name=volume.name, by=known, others=seen.other_vms)
    require_top(who, volume)


def require_top(who: Who, volume: Volume) -> None:
    """Nothing, or VolumeBacks with the names that he may know."""
    seen = users(who, volume)
    if seen.layers or seen.other_layers:
        raise VolumeBacks(name=volume.name, by=joined(row.name for row in seen.layers), others=seen.other_layers)


def require_all_heard(who: Who, volume: Volume) -> None:
    """Nothing, or HostSilent or HostLeftAlone: a host of its storage cannot be asked whether a VM there uses it."""
    for pool in operations.by_reach(StoragePool.objects.filter(storage=volume.storage_id)):
        operations.refuse_silent(pool.host, host_name(who, pool.host))


def require_off(who: Who, volume: Volume) -> None:
    """Nothing, or VolumeRuns: a VM that is not off writes to it."""
    if first := next(iter(running(volume)), None):
        seen = visible_vms(who).filter(pk=first.vm_id).exists()
        raise VolumeRuns(name=volume.name, by=first.vm.name if seen else "")


def running(volume: Volume) -> list[Placement]:
    """Where VMs that use it are not off."""
    there = Placement.objects.filter(vm__in=volume.vms.order_by().values("pk"), present=True)
    return list(there.exclude(state__in=OFF).select_related("vm", "host").order_by("vm"))


def joined(names: Iterable[str]) -> str:
    return ", ".join(names)


def create(
    actor: Actor, pool: StoragePool, *, name: str, size_bytes: int, format: str, idempotency_key: str | None = None
) -> Operation:
    """The operation that makes an empty volume of the actor's. Raises NotAllowed, BadFields and what request raises."""
    require(actor, "pool.use", pool)
    params = kinds.NewVolume(name, size_bytes, format)
    if known := asked_before(actor, kinds.CREATE, pool, params, idempotency_key):
        return known
    check_name(name)
    check_size(size_bytes)
    if format not in formats(pool):
        raise BadFields({"format": "volume_format"})
    return operations.request(
        kinds.CREATE,
        pool,
        actor=actor,
        params=params,
        takes={"disk_bytes": size_bytes},
        idempotency_key=idempotency_key,
        locks=[name_lock(pool, name)],
    )


def clone(
    actor: Actor, volume: Volume, *, name: str, pool: StoragePool | None = None, idempotency_key: str | None = None
) -> Operation:
    """The operation that copies it byte by byte, into another pool where that is said, also of another host that the
    same workers reach. Raises NotAllowed, BadFields, VolumeRuns, HostSilent or HostLeftAlone, what require_served
    raises, and what request raises."""
    require_deed(actor, "copy", volume)
    source = operations.pool_of(volume)
    pool = pool or source
    require(actor, "pool.use", pool)
    params = kinds.Clone(name, pool.pk)
    if known := asked_before(actor, kinds.CLONE, volume, params, idempotency_key):
        return known
    check_name(name)
    require_served(volume)
    if pool.host.node not in ("", source.host.node) or not pool.present or not pool.active:
        raise BadFields({"pool": "volume_pool"})
    if volume.format not in formats(pool):
        raise BadFields({"pool": "volume_format"})
    require_off(actor, volume)
    operations.refuse_silent(pool.host, host_name(actor, pool.host))
    return operations.request(
        kinds.CLONE,
        volume,
        actor=actor,
        params=params,
        takes={"disk_bytes": volume.capacity_bytes},
        idempotency_key=idempotency_key,
        locks=[name_lock(pool, name)],
    )


def grow(actor: Actor, volume: Volume, *, size_bytes: int, idempotency_key: str | None = None) -> Operation:
    """The operation that lets it become larger, also while one VM runs that has it as a disk. Raises NotAllowed,
    BadFields, VolumeRuns, VolumeBacks, what require_served raises, and what request raises."""
    require_deed(actor, "attach", volume)
    params = kinds.Size(size_bytes)
    if known := asked_before(actor, kinds.GROW, volume, params, idempotency_key):
        return known
    check_size(size_bytes)
    require_served(volume)
    if size_bytes <= volume.capacity_bytes:
        raise BadFields({"size_bytes": "volume_smaller"})
    require_top(actor, volume)
    if len(running(volume)) > 1:
        require_off(actor, volume)
    return operations.request(
        kinds.GROW,
        volume,
        actor=actor,
        params=params,
        takes={"disk_bytes": size_bytes - volume.capacity_bytes},
        idempotency_key=idempotency_key,
    )


def wipe(actor: Actor, volume: Volume, *, idempotency_key: str | None = None) -> Operation:
    """The operation that writes zeros over all of it. Raises what delete raises, VolumeNotReady, VolumeFound,
    VolumeSwapped."""
    require_deed(actor, "delete", volume)
    if volume.state == State.INCOMPLETE or not volume.present:
        raise VolumeNotReady(name=volume.name, why="gone" if not volume.present else str(volume.state))
    if volume.refusal in ("folder", "device"):
        raise VolumeNotReady(name=volume.name, why=str(volume.state))
    require_known(volume)
    return ask_for_unused(actor, volume, kinds.WIPE, idempotency_key)


def delete(actor: Actor, volume: Volume, *, idempotency_key: str | None = None) -> Operation:
    """The operation that deletes it. Raises NotAllowed, VolumeUsed, VolumeBacks, VolumeNotReady, HostSilent or
    HostLeftAlone for any host that has its storage, and what request raises."""
    require_deed(actor, "delete", volume)
    if volume.refusal in ("folder", "device"):
        raise VolumeNotReady(name=volume.name, why=str(volume.state))
    return ask_for_unused(actor, volume, kinds.DELETE, idempotency_key)


def asked_before(
    actor: Actor, kind: Kind, target: StoragePool | Volume, params: Params, key: str | None
) -> Operation | None:
    """What the same request has begun already; by now the name is taken, or the volume as large as was wanted."""
    return operations.asked_before(kind, target, actor, params, key) if key else None


def ask_for_unused(actor: Actor, volume: Volume, kind: Kind, key: str | None) -> Operation:
    require_unused(actor, volume)
    require_all_heard(actor, volume)
    return operations.request(kind, volume, actor=actor, idempotency_key=key)


@transaction.atomic
def look_again(actor: Actor, volume: Volume) -> None:
    """Put what nothing uses back into quarantine, for its beginning to be looked at anew. Raises NotAllowed,
    VolumeUsed, VolumeNotReady."""
    require_deed(actor, "attach", volume)
    require_unused(actor, volume)
    pool = operations.pool_of(volume)
    again = Volume.objects.filter(pk=volume.pk, state__in=(State.READY, State.REFUSED), present=True)
    if not again.exclude(refusal__in=("folder", "device")).update(state=State.QUARANTINE, format="", refusal=""):
        raise VolumeNotReady(name=volume.name, why=str(volume.state))
    audit.record("looked_again:volume", actor=actor, target=volume)
    live.announce([f"volume:{volume.pk}"])
    transaction.on_commit(lambda: live.look(pool.host_id, f"volume:{volume.pk}", wait=0))


@transaction.atomic
def vouch(actor: Actor, volume: Volume) -> None:
    """From now on it is served as the file that it is said to be. Raises NotAllowed, NotFresh, VolumeNotReady."""
    require_deed(actor, "see", volume)
    require_administrator(actor, volume.storage)
    row = Volume.objects.select_for_update().get(pk=volume.pk)
    if not row.present or row.state == State.INCOMPLETE or row.refusal in ("folder", "device"):
        raise VolumeNotReady(name=row.name, why=str(row.state) if row.present else "gone")
    row.origin, row.known_bytes, row.known_at = Volume.Origin.VOUCHED, row.capacity_bytes, row.changed_at
    row.save(update_fields=["origin", "known_bytes", "known_at"])
    audit.record("vouched:volume", actor=actor, target=volume, size_bytes=row.capacity_bytes)
    live.announce([f"volume:{volume.pk}"])


@transaction.atomic
def trust(actor: Actor, pool: StoragePool, *, trusted: bool) -> None:
    """Whether all that lies in the pool is served as the files that it seems to be, also what comes later. Raises
    NotAllowed, NotFresh."""
    require_administrator(actor, pool.storage)
    if Storage.objects.filter(pk=pool.storage_id).exclude(trusted=trusted).update(trusted=trusted):
        audit.record("trusted:pool" if trusted else "distrusted:pool", actor=actor, target=pool)
    live.announce(["*"])


def require_administrator(actor: Actor, storage: Storage) -> None:
    """Nothing, or NotAllowed or NotFresh: a link leads to another file on each host that has the storage."""
    require(actor, "pool.admin")
    for pool in StoragePool.objects.filter(storage=storage, present=True):
        require(actor, "pool.admin", pool)


def may_vouch(who: Who, storage: Storage) -> bool:
    """Whether require_administrator() lets him pass, however old his sign-in is."""
    pools = StoragePool.objects.filter(storage=storage, present=True)
    return may(who, "pool.admin") and all(may(who, "pool.admin", pool) for pool in pools)


def name_lock(pool: StoragePool, name: str) -> str:
    """What whoever makes something of that name in the pool's storage holds. Raises BadFields where it is taken."""
    taken = Volume.objects.filter(Q(present=True) | Q(state=State.INCOMPLETE), storage=pool.storage_id, name=name)
    if taken.exists():
        raise BadFields({"name": "volume_taken"})
    return f"name:{pool.storage_id}:{sha256(name.encode()).hexdigest()[:32]}"


def pools_for(who: Who, volume: Volume) -> list[StoragePool]:
    """Where a copy of it may go, its own pool first, then those of its host."""
    own = operations.pool_of(volume)
    pools = visible_pools(who).filter(host__node__in={"", own.host.node}, active=True).select_related("host")
    fitting = [pool for pool in pools.order_by("host__name", "name") if volume.format in formats(pool)]
    return sorted(fitting, key=lambda pool: (pool.pk != own.pk, pool.host_id != own.host_id))


def abilities(who: Who, volume: Volume) -> frozenset[str]:
    """The verbs for which he has the rights."""
    held = set()
    for kind in (kinds.GROW, kinds.CLONE, kinds.WIPE, kinds.DELETE):
        try:
            require_deed(who, kind.deed or "see", volume)
        except NotAllowed:
            continue
        held.add(kind.verb)
    return frozenset(held)
