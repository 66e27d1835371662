"""Which pools are one storage, where an administrator knows better than their definitions (docs/decisions/0062)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from vms import live
from vms.errors import BadFields, PoolAlone, PoolsDiffer, WrongState
from vms.libvirtxml import canonical
from vms.models import OPEN_STATES, ImageCopy, Operation, Storage, StoragePool, Upload, Volume
from vms.permissions import Actor, Who, require, visible_pools
from vms.services import audit, operations
from vms.services.locks import held_by
from vms.services.pools import PRIVILEGE
from vms.services.volumes import FILES

# So many are offered at most.
MOST: Final = 500

Use = Volume.vms.through


def may_be_one(pool: StoragePool, other: StoragePool) -> bool:
    """Whether what they list can be the same: a folder may be a mount to one host and plain to another."""
    return pool.type == other.type or {pool.type, other.type} <= FILES


def others(who: Who, pool: StoragePool) -> list[StoragePool]:
    """The pools of which it can be said that they are one storage with it, by host and name."""
    known = visible_pools(who).filter(host__removed_at=None).exclude(storage=pool.storage_id)
    kinds = FILES if pool.type in FILES else {pool.type}
    return list(known.filter(type__in=kinds).select_related("host").order_by("host__name", "name", "pk")[:MOST])


def pools_of(storages: Iterable[int]) -> QuerySet[StoragePool]:
    """Those that are there, by host."""
    there = StoragePool.objects.filter(storage__in=list(storages), present=True, host__removed_at=None)
    return there.select_related("host", "storage").order_by("host__name", "pk")


@transaction.atomic
def join(actor: Actor, pool: StoragePool, other: StoragePool) -> None:
    """Say that they, and what is one with either, are one storage: what is known of a volume there holds for both.

    Raises NotAllowed, NotFresh, and what unite raises.
    """
    for each in (pool, other, *pools_of([pool.storage_id, other.storage_id])):
        require(actor, PRIVILEGE, each)
    unite(pool, other, actor=actor)


@transaction.atomic
def unite(pool: StoragePool, other: StoragePool, *, actor: Actor | None = None, address: str = "") -> None:
    """The same for who needs no right. address: what the audit calls one who is no account.

    Raises BadFields ("pool"), WrongState for one that is stopped, HostSilent, HostLeftAlone, PoolsDiffer where they do
    not list the same, Locked while something is done in one of them.
    """
    several = list(pools_of([pool.storage_id, other.storage_id]))
    if pool.storage_id == other.storage_id:
        raise BadFields({"pool": "storage_same"})
    if not may_be_one(pool, other):
        raise BadFields({"pool": "storage_kind"})
    for each in (pool, other):
        operations.refuse_silent(each.host)
        if not each.active:
            raise WrongState(name=each.name, state="stopped")
    refuse_busy([pool.storage_id, other.storage_id])
    # Of two the one stays that further pools are told by.
    goes, stays = (pool, other) if other.storage.source or not pool.storage.source else (other, pool)
    doubled = twins(goes, stays)
    for row, twin in doubled:
        merge(row, twin)
    Volume.objects.filter(storage=goes.storage_id).update(storage=stays.storage_id)
    StoragePool.objects.filter(storage=goes.storage_id).update(storage=stays.storage_id)
    for each in StoragePool.objects.filter(storage=stays.storage_id):
        told = canonical(each.document)
        by_hand = not told[1] or told != (stays.storage.kind, stays.storage.source)
        StoragePool.objects.filter(pk=each.pk).update(by_hand=by_hand)
    audit.record(
        "joined:pool", actor=actor, address=address, target=pool, host=pool.host.name, other=other.name,
        other_host=other.host.name, volumes=len(doubled),
    )  # fmt: skip
    tell(several)


@transaction.atomic
def separate(actor: Actor, pool: StoragePool) -> None:
    """Say that it is a storage by itself, whatever its definition names: what it lists is found anew, nobody's but of
    the VMs that use it. Raises NotAllowed, NotFresh, PoolAlone, Locked while something is done in one of them."""
    require(actor, PRIVILEGE, pool)
    several = list(pools_of([pool.storage_id]))
    if not [each for each in several if each.pk != pool.pk]:
        raise PoolAlone(name=pool.name)
    refuse_busy([pool.storage_id])
    kind, source = canonical(pool.document)
    own = Storage.objects.create(kind=kind[:20] or pool.storage.kind)
    StoragePool.objects.filter(pk=pool.pk).update(storage=own, by_hand=bool(source))
    first = next(each for each in several if each.pk != pool.pk)
    audit.record(
        "separated:pool", actor=actor, target=pool, host=pool.host.name, other=first.name, other_host=first.host.name
    )
    tell(several)


def refuse_busy(storages: Iterable[int]) -> None:
    """Locked names an operation on a pool or a volume of theirs."""
    storages = list(storages)
    there = Q(pool__storage__in=storages) | Q(volume__storage__in=storages)
    if busy := Operation.objects.filter(there, state__in=OPEN_STATES).order_by("pk").first():
        raise held_by(busy)


def twins(goes: StoragePool, stays: StoragePool) -> list[tuple[Volume, Volume]]:
    """The rows of one volume in both. PoolsDiffer names what is not alike in them: then they are not one storage, or
    one of them was not looked through lately."""
    one, two = ({row.name: row for row in Volume.objects.filter(storage=each.storage_id)} for each in (goes, stays))
    there = Counter((row.name, row.capacity_bytes) for row in one.values() if row.present)
    there.subtract((row.name, row.capacity_bytes) for row in two.values() if row.present)
    strange = sorted(name for (name, _), times in there.items() if times)
    both = [(row, two[name]) for name, row in sorted(one.items()) if name in two]
    strange += [row.name for row, twin in both if not agree(row, twin)]
    if strange:
        raise PoolsDiffer(name=goes.name, other=stays.name, volume=strange[0])
    return both


def agree(row: Volume, twin: Volume) -> bool:
    """Whether what is remembered of both can be true of one: an owner, and a format that was not read off it."""
    if row.owner_id and twin.owner_id and row.owner_id != twin.owner_id:
        return False
    return not (is_known(row) and is_known(twin) and row.format != twin.format)


def is_known(row: Volume) -> bool:
    """Whether its format is known by who made it, or by a VM: what a guest wrote at its beginning is no news of it."""
    return bool(row.format) and (bool(row.owner_id) or row.vms.exists())


def merge(row: Volume, twin: Volume) -> None:
    """Let the twin be both; the row goes."""
    # What was merged before may have been its backing.
    row.refresh_from_db(fields=["backing"])
    both = {"owner_id": twin.owner_id or row.owner_id, "backing_id": twin.backing_id or row.backing_id}
    if is_known(row) and not is_known(twin):
        both |= {name: getattr(row, name) for name in ("state", "refusal", "format", "sha256")}
    if twin.origin == Volume.Origin.FOUND:
        both |= {name: getattr(row, name) for name in ("origin", "known_bytes", "known_at")}
    Volume.objects.filter(pk=twin.pk).update(**both)
    Use.objects.bulk_create(
        [Use(volume_id=twin.pk, virtualmachine_id=vm) for vm in row.vms.values_list("pk", flat=True)],
        ignore_conflicts=True,
    )
    Volume.objects.filter(backing=row).update(backing=twin)
    if not ImageCopy.objects.filter(volume=twin).exists():
        ImageCopy.objects.filter(volume=row).update(volume=twin)
    Operation.objects.filter(volume=row).update(volume=twin)
    Operation.objects.filter(target_kind="volume", target_id=row.pk).update(target_id=twin.pk)
    Upload.objects.filter(volume=row).update(volume=twin)
    row.delete()


def tell(pools: list[StoragePool]) -> None:
    """Whose rights reach further or less far hears of it; what lies there is looked at anew."""
    live.announce([*(f"pool:{pool.pk}" for pool in pools), live.ACCESS])
    for pool in pools:
        transaction.on_commit(lambda host=pool.host_id, pk=pool.pk: live.look(host, f"pool:{pk}", wait=0))  # type: ignore[misc]
