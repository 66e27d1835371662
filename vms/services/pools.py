"""Storage pools: which there are, what they are made of, and asking for changes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Q, QuerySet, Sum
from django.utils.translation import gettext

from vms.errors import BadFields, PoolInUse, PoolShared, PoolTaken
from vms.kinds import KINDS
from vms.kinds.pools import Definition, Deletion, Search
from vms.libvirtxml import EXAMPLES, SECRETS, SPECS, BadPool, PoolSpec, made_pool, read_spec, spec_name
from vms.models import Host, Operation, StoragePool, Volume
from vms.permissions import Actor, Who, require, visible_operations, visible_pools
from vms.services import operations
from vms.services.freshness import Freshness, freshness

PRIVILEGE: Final = "pool.admin"
# With a form of its own, and such as are written.
FORMS: Final = ("dir", "fs", "netfs", "disk", "logical", "iscsi-direct", "rbd")
WRITTEN: Final = tuple(EXAMPLES)
# Where libvirt can look for what is there (virStorageBackend.findPoolSources).
SEARCHED: Final[dict[str, tuple[str, ...]]] = {
    "netfs": ("server",),
    "logical": (),
    "iscsi-direct": ("server", "port", "initiator"),
}
LONGEST_SECRET: Final = 1 << 12


@dataclass(frozen=True)
class Line:
    """A pool in a list. percent: how full it is, None where that is not known."""

    pool: StoragePool
    fresh: Freshness
    type: str
    percent: int | None


@dataclass(frozen=True)
class Inside:
    """What is in a pool, as its volumes are known; used: how many of them VMs have."""

    total: int
    size: int
    used: int
    largest: list[Volume]


def find_pools(who: Who, *, q: str = "", host: int | None = None) -> QuerySet[StoragePool]:
    """Those that he may use, by host and name; q: words of which each is in the name, the path or the host's name."""
    found = visible_pools(who).select_related("host", "storage").order_by("host__name", "name", "pk")
    if host is not None:
        found = found.filter(host=host)
    for word in q.split()[:10]:
        found = found.filter(Q(name__icontains=word) | Q(path__icontains=word) | Q(host__name__icontains=word))
    return found


def make_lines(pools: Iterable[StoragePool]) -> list[Line]:
    """In the same order."""
    return [Line(pool, freshness(pool.host), type_word(pool.type), percent(pool)) for pool in pools]


def percent(pool: StoragePool) -> int | None:
    """How much of it is taken: by what is in it, or by others who share the disk."""
    if not pool.active or not pool.capacity_bytes:
        return None
    return min(100, max(0, round(100 * (pool.capacity_bytes - pool.available_bytes) / pool.capacity_bytes)))


def type_word(type: str) -> str:
    """libvirt's type of pool in words."""
    words = {
        "dir": gettext("Folder"),
        "fs": gettext("File system on a device"),
        "netfs": gettext("Network share (NFS, CIFS)"),
        "disk": gettext("Whole disk"),
        "logical": gettext("Volume group (LVM)"),
        "iscsi-direct": gettext("SAN by iSCSI, without the host's kernel"),
        "iscsi": gettext("SAN by iSCSI"),
        "rbd": gettext("Ceph"),
        "scsi": gettext("SCSI or Fibre Channel adapter"),
        "mpath": gettext("Multipath devices"),
        "gluster": gettext("Gluster"),
        "zfs": gettext("ZFS"),
        "vstorage": gettext("Virtuozzo Storage"),
    }
    return words.get(type, type)


def offered(host: Host, type: str) -> bool:
    """Whether the host's libvirt can have such pools, as far as it has told."""
    told = host.facts.get("pool_types")
    return not isinstance(told, list) or not told or type in told


def read(given: Mapping[str, Any], confirmed: str = "") -> PoolSpec:
    """What is described, judged. Raises BadFields."""
    try:
        return read_spec(given, own=[str(settings.ENVIRONMENT.state.root)], confirmed=confirmed)
    except BadPool as bad:
        raise BadFields(bad.faults) from None


def preview(given: Mapping[str, Any], confirmed: str = "") -> str:
    """The definition that would be sent. Raises BadFields."""
    return made_pool(read(given, confirmed))


def define(
    actor: Actor, host: Host, given: Mapping[str, Any], secrets: Mapping[str, str], *,
    build: bool = False, autostart: bool = True, confirmed: str = "", key: str | None = None,
) -> Operation:  # fmt: skip
    """The operation that makes and starts it. Raises BadFields, PoolTaken, and what operations.request() raises."""
    require(actor, PRIVILEGE, host)
    spec = read(given, confirmed)
    params = Definition({name: value for name, value in given.items() if value != ""}, build, autostart, confirmed)
    kept = sealed_part(str(given["type"]), given, secrets)
    if StoragePool.objects.filter(host=host, present=True, name=spec_name(spec)).exists() and not key:
        raise PoolTaken(name=spec_name(spec))
    return operations.request(
        KINDS["pool.define"], host, actor=actor, params=params, secrets=kept, idempotency_key=key
    )  # fmt: skip


def sealed_part(type: str, given: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, str]:
    """The secret that goes with it; a user and his secret come together. Raises BadFields."""
    told = {name: value for name, value in secrets.items() if value}
    taken = {SECRETS[type][0]} if type in SECRETS else set()
    faults = dict.fromkeys(told.keys() - taken, "unknown")
    for name in taken:
        if name in told and not given.get("user"):
            faults["user"] = "needs_user"
        elif given.get("user") and name not in told:
            faults[name] = "needs_secret"
        elif len(told.get(name, "")) > LONGEST_SECRET:
            faults[name] = "too_long"
    if faults:
        raise BadFields(faults)
    return told


def search(actor: Actor, host: Host, given: Mapping[str, str], key: str | None = None) -> Operation:
    """The operation that looks for what a pool could be made of. Raises BadFields, also where libvirt cannot look."""
    type = given.get("type", "")
    if type not in SEARCHED:
        raise BadFields({"type": "choice"})
    asked = {name: given.get(name, "").strip() for name in SEARCHED[type]}
    try:
        read_spec({"type": type, **asked})
    except BadPool as bad:
        if faults := {name: code for name, code in bad.faults.items() if name in asked}:
            raise BadFields(faults) from None
    params = Search(type, **asked)
    return operations.request(KINDS["pool.discover"], host, actor=actor, params=params, idempotency_key=key)


def search_of(who: Who, host: Host, number: int | None = None) -> Operation | None:
    """The search of that number, or the host's last, as far as he may be told of it; None where there is none."""
    searches = visible_operations(who).filter(kind="pool.discover", host=host)
    return (searches if number is None else searches.filter(pk=number)).order_by("-pk").first()


def found_sources(operation: Operation, type: str) -> list[dict[str, str]]:
    """What a search has found, in the names of the form's fields."""
    found = operation.result.get("sources", [])
    known = {field.name for field in fields(SPECS[type])}
    return [{name: value for name, value in entry.items() if name in known} for entry in found]


def inside(pool: StoragePool, most: int = 20) -> Inside:
    """What is known to be in it, over all hosts that have it."""
    volumes = Volume.objects.filter(storage=pool.storage_id, present=True)
    told = volumes.aggregate(total=Count("pk"), size=Sum("allocation_bytes"))
    used = volumes.filter(Q(vms__isnull=False) | Q(layers__isnull=False)).distinct().count()
    largest = list(volumes.prefetch_related("vms").order_by("-allocation_bytes", "name")[:most])
    return Inside(told["total"], told["size"] or 0, used, largest)


def refuse_wiping(pool: StoragePool) -> None:
    """PoolShared where another host has the storage too, PoolInUse where a VM or another disk needs what is in it."""
    others = StoragePool.objects.filter(storage=pool.storage_id, present=True, host__removed_at=None)
    if other := others.exclude(pk=pool.pk).select_related("host").first():
        raise PoolShared(name=pool.name, host=other.host.name)
    volumes = Volume.objects.filter(storage=pool.storage_id)
    if taken := volumes.filter(vms__isnull=False).first():
        vm = taken.vms.first()
        raise PoolInUse(name=pool.name, vm=vm.name if vm else "")
    if layer := Volume.objects.filter(backing__storage=pool.storage_id).exclude(storage=pool.storage_id).first():
        raise PoolInUse(name=pool.name, vm=layer.name)


def delete(actor: Actor, pool: StoragePool, *, wipe: bool, key: str | None = None) -> Operation:
    """The operation that lets the host forget it, with or without what is in it. Raises what refuse_wiping() and
    operations.request() raise."""
    require(actor, PRIVILEGE, pool)
    locks: list[str] = []
    if wipe:
        refuse_wiping(pool)
        found = Volume.objects.filter(storage=pool.storage_id, present=True).order_by("pk")
        locks = [f"volume:{pk}" for pk in found.values_list("pk", flat=True)]
    return operations.request(
        KINDS["pool.delete"], pool, actor=actor, params=Deletion(wipe), idempotency_key=key, locks=locks
    )  # fmt: skip
