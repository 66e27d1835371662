"""Writing what is known of volumes: what a pool lists, what their beginnings say, and which VMs use them.

A storage that several hosts have is spoken for by one of its pools, the one by which operations reach it: two hosts'
lists of one folder differ until both have looked through it. A file that nobody here made is in quarantine until its
beginning was looked at, or a VM says what it is (docs/decisions/0054). Whether it is a file at all no host
tells: it is served when somebody who may has said so (docs/decisions/0064).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from django.db.models import F, Q, QuerySet

from vms.errors import RefusedImage
from vms.headers import PLAIN, judge
from vms.inventory import images
from vms.inventory.rows import LONGEST_NAME, bounded
from vms.libvirtxml import Source
from vms.models import Host, Placement, StoragePool, VirtualMachine, Volume
from vms.services.operations import by_reach
from vms.virt import VolumeFacts

LARGEST: Final = 2**63 - 1
LONGEST_PATH: Final = 4096
# So many rows are written in one step.
MOST: Final = 50
# Of these pools libvirt looks at a file to tell its format; of others it tells another thing, such as a partition's.
PROBED: Final = frozenset({"dir", "fs", "netfs", "gluster", "vstorage"})
# What of a file's pool is no image, and why.
REFUSED: Final = {"dir": "folder", "netdir": "folder", "ploop": "unknown_format"}
COLUMNS: Final = (
    "kind", "path", "told_format", "capacity_bytes", "allocation_bytes", "backing_path", "present", "changed_at",
)  # fmt: skip

SAME: Final = ("kind", "changed_at")

Step = partial[set[str]]
Use = Volume.vms.through
State = Volume.State
Origin = Volume.Origin


def speaks(pool: StoragePool) -> bool:
    """Whether what this pool lists is what its storage holds."""
    first = by_reach(StoragePool.objects.filter(storage=pool.storage_id)).first()
    return first is not None and first.pk == pool.pk


def known(host: Host, uuid: str) -> dict[str, Volume]:
    """{name: volume} of what the host's pool of that UUID has by the rows; to be asked before the host is."""
    pool = StoragePool.objects.filter(host=host, uuid=uuid, present=True).first()
    return {row.name: row for row in Volume.objects.filter(storage=pool.storage_id)} if pool else {}


def plan(host: Host, uuid: str, before: Mapping[str, Volume], told: Iterable[VolumeFacts]) -> Iterator[Step]:
    """What there is to store of what the pool lists: nothing where it is no news, which is most of what is read.
    before: what was known when the host was asked; what an operation has written since then is newer than the list."""
    pool = StoragePool.objects.filter(host=host, uuid=uuid, present=True, active=True).first()
    if pool is None or not speaks(pool):
        return
    there = {facts.name: as_stored(pool, facts) for facts in told if 0 < len(facts.name) <= LONGEST_NAME}
    new = [name for name in there if name not in before]
    changed = [name for name, columns in there.items() if name in before and is_news(before[name], columns)]
    gone = [row for name, row in before.items() if name not in there and row.present and row.state != State.INCOMPLETE]
    for start in range(0, len(new), MOST):
        yield partial(create, pool, {name: there[name] for name in new[start : start + MOST]})
    for name in changed:
        yield partial(store, pool, before[name], there[name])
    if gone:
        yield partial(lose, pool, gone)
    if new or changed or gone:
        yield partial(layer, pool)
        yield from link_all(pool)


def untouched(row: Volume) -> QuerySet[Volume]:
    """The row, unless another than it was."""
    return Volume.objects.filter(pk=row.pk, **{name: getattr(row, name) for name in COLUMNS})


def as_stored(pool: StoragePool, facts: VolumeFacts) -> dict[str, Any]:
    """The columns for it."""
    return {
        "kind": facts.kind[:10],
        "path": facts.path[:LONGEST_PATH],
        "told_format": facts.format[:20] if pool.type in PROBED else "",
        "capacity_bytes": bounded(facts.capacity, LARGEST),
        "allocation_bytes": bounded(facts.allocation, LARGEST),
        "backing_path": facts.backing_path[:LONGEST_PATH],
        "present": True,
        "changed_at": moment(facts.mtime),
    }


def moment(seconds: float | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
    except (OverflowError, OSError, ValueError):
        return None


def is_news(row: Volume, columns: dict[str, Any]) -> bool:
    return any(getattr(row, name) != columns[name] for name in COLUMNS)


def create(pool: StoragePool, found: dict[str, dict[str, Any]]) -> set[str]:
    """Rows for what nobody here has made."""
    rows = [
        Volume(storage_id=pool.storage_id, name=name, origin=Origin.FOUND, **columns, **standing(pool, columns))
        for name, columns in found.items()
    ]
    # An operation may have made its row meanwhile: that one stays.
    Volume.objects.bulk_create(rows, ignore_conflicts=True)
    return {f"pool:{pool.pk}"}


def standing(pool: StoragePool, columns: dict[str, Any]) -> dict[str, Any]:
    """How it begins: to be looked at, or refused where it is no image at all."""
    reason = REFUSED.get(columns["kind"], "")
    if pool.type in PROBED and columns["kind"] == "block":
        reason = "device"
    return {"state": State.REFUSED if reason else State.QUARANTINE, "refusal": reason, "format": ""}


def store(pool: StoragePool, row: Volume, columns: dict[str, Any]) -> set[str]:
    """Bring the row up to what was told. What was found and is nobody's is looked at again when it became another."""
    anew: dict[str, Any] = {}
    other = any(getattr(row, name) != columns[name] for name in ("kind", "told_format", "backing_path"))
    found = row.owner_id is None and row.state in (State.READY, State.REFUSED)
    if not row.present and row.state != State.INCOMPLETE and any(getattr(row, name) != columns[name] for name in SAME):
        # What has come back is not what had gone.
        anew = {"origin": Origin.FOUND}
    if not row.present or (other and found):
        used = Use.objects.filter(volume=row.pk).exists()
        if not (used or (row.owner_id and not other) or row.state == State.INCOMPLETE):
            anew |= standing(pool, columns)
    untouched(row).update(**columns, **anew)
    return {f"volume:{row.pk}", f"pool:{pool.pk}"}


def lose(pool: StoragePool, gone: list[Volume]) -> set[str]:
    """The pool lists them no more: the rows stay, for their return."""
    for row in gone:
        untouched(row).update(present=False)
    return {f"pool:{pool.pk}", *(f"volume:{row.pk}" for row in gone)}


def layer(pool: StoragePool) -> set[str]:
    """Which of the storage's volumes lie over which, as far as both are in pools of the host."""
    rows = list(Volume.objects.filter(storage=pool.storage_id).exclude(backing_path="", backing=None))
    paths = Paths([pool.host_id])
    below = paths.volumes([(pool.host_id, ["path", row.backing_path, ""]) for row in rows if row.backing_path])
    for row in rows:
        found = below.get((pool.host_id, row.backing_path)) if is_layer(row.format, row.told_format) else None
        if row.backing_id != (found.pk if found else None) and found != row:
            Volume.objects.filter(pk=row.pk).update(backing=found)
    return set()


class Paths:
    """The pools of some hosts, to tell which volume a domain's source is."""

    def __init__(self, hosts: Collection[int]) -> None:
        self.by_host: dict[int, list[StoragePool]] = defaultdict(list)
        for pool in StoragePool.objects.filter(host__in=hosts, present=True):
            self.by_host[pool.host_id].append(pool)

    def places(self, host: int, source: Source) -> Iterator[tuple[int, str]]:
        """(storage, name) that it may be."""
        how, where, _ = source
        for pool in self.by_host[host]:
            if how == "volume" and where.startswith(f"{pool.name}/"):
                yield pool.storage_id, where[len(pool.name) + 1 :]
            elif how == "path" and pool.path and where.startswith(f"{pool.path.rstrip('/')}/"):
                yield pool.storage_id, where[len(pool.path.rstrip("/")) + 1 :]
            elif how == "network" and pool.type in ("rbd", "gluster", "iscsi-direct"):
                yield pool.storage_id, where.rpartition("/")[2]

    def volumes(self, sources: Iterable[tuple[int, Source]]) -> dict[tuple[int, str], Volume]:
        """{(host, where): volume} of the sources that are one."""
        asked = {(host, source[1]): list(self.places(host, source)) for host, source in sources}
        found = {
            (row.storage_id, row.name): row
            for row in Volume.objects.filter(
                storage__in={storage for places in asked.values() for storage, _ in places},
                name__in={name for places in asked.values() for _, name in places},
            )
        }
        rows = {key: next((found[place] for place in places if place in found), None) for key, places in asked.items()}
        return {key: row for key, row in rows.items() if row}


def link_all(pool: StoragePool) -> Iterator[Step]:
    """The VMs of all hosts that have the storage."""
    hosts = StoragePool.objects.filter(storage=pool.storage_id, present=True).values("host")
    using = VirtualMachine.objects.filter(Q(placements__host__in=hosts) | Q(volumes__storage=pool.storage_id))
    pks = list(using.distinct().order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(pks), MOST):
        yield partial(link, pks[start : start + MOST])


def link(vms: Collection[int]) -> set[str]:
    """Which volumes these VMs use, by the definitions on all their hosts; the names of the volumes that changed."""
    if not vms:
        return set()
    told = Placement.objects.filter(vm__in=vms, present=True).exclude(document__sources=[])
    rows = list(told.values_list("vm_id", "host_id", "document__sources"))
    paths = Paths({host for _, host, _ in rows})
    asked = [(host, source) for _, host, sources in rows for source in sources or ()]
    found = paths.volumes(asked) if asked else {}
    wanted: set[tuple[int, int]] = set()
    # A running VM's definition names also what lies below its disks.
    named: set[tuple[int, int]] = set()
    below: set[tuple[int, int]] = set()
    formats: dict[int, str] = {}
    adopted: set[int] = set()
    for vm, host, sources in rows:
        for source in sources or ():
            volume = found.get((host, source[1]))
            if volume is None:
                continue
            # A CD is read all the same, for what one installs from it.
            is_cd = source[2] == "raw" and volume.name.lower().endswith(".iso")
            if volume.state == State.QUARANTINE and source[2] and not is_cd:
                formats[volume.pk] = source[2]
            if volume.origin == Origin.FOUND:
                adopted.add(volume.pk)
            layers = chain(volume, formats.get(volume.pk, volume.format))
            wanted |= {(pk, vm) for pk in layers}
            named.add((volume.pk, vm))
            below |= {(pk, vm) for pk in layers[1:]}
    before = set(Use.objects.filter(virtualmachine__in=vms).values_list("volume_id", "virtualmachine_id"))
    for volume_pk, vm in before - wanted:
        Use.objects.filter(volume=volume_pk, virtualmachine=vm).delete()
        Volume.objects.filter(pk=volume_pk).update(last_vm=vm)
    Use.objects.bulk_create(
        [Use(volume_id=volume_pk, virtualmachine_id=vm) for volume_pk, vm in wanted - before], ignore_conflicts=True
    )
    images.disappear({pk for pk, _ in named - below})
    for pk, format in formats.items():
        # The VM's own definition says what it is; nobody asks the file.
        Volume.objects.filter(pk=pk, state=State.QUARANTINE).update(state=State.READY, format=format[:20], refusal="")
    # Only root writes a definition that names a path; what its guest reads there is told to nobody else by this.
    Volume.objects.filter(pk__in=adopted, origin=Origin.FOUND).update(
        origin=Origin.ADOPTED, known_bytes=F("capacity_bytes"), known_at=F("changed_at")
    )
    return {f"volume:{pk}" for pk in {pk for pk, _ in before ^ wanted} | set(formats) | adopted}


def chain(volume: Volume, format: str) -> list[int]:
    """The volume, which is of that format, and what it lies over: nothing where it is no image of layers, since then
    whoever writes to it could name any volume as the one below."""
    found = [volume.pk]
    below = volume.backing_id if format and is_layer(format, volume.told_format) else None
    while below and below not in found:
        found.append(below)
        row = Volume.objects.get(pk=below)
        below = row.backing_id if is_layer(row.format, row.told_format) else None
    return found


def is_layer(format: str, told_format: str) -> bool:
    """Whether what its pool tells lies below it: not of a guest's raw disk, on which the guest wrote a header."""
    return not format or told_format in ("", format)


def unread(host: Host, most: int) -> list[tuple[Volume, StoragePool]]:
    """Volumes in quarantine whose storage this host's pool speaks for."""
    pools = [pool for pool in StoragePool.objects.filter(host=host, present=True, active=True) if speaks(pool)]
    by_storage = {pool.storage_id: pool for pool in pools}
    rows = Volume.objects.filter(storage__in=by_storage, state=State.QUARANTINE, present=True).order_by("pk")
    return [(row, by_storage[row.storage_id]) for row in rows[:most]]


def judged(row: Volume, first: bytes | None, size: int) -> set[str]:
    """End its quarantine by its beginning; None where that cannot be read."""
    if first is None:
        return end(row, state=State.REFUSED, refusal="unreadable")
    try:
        found = judge(first, size=size)
    except RefusedImage as refused:
        return end(row, state=State.REFUSED, refusal=str(refused.params["reason"]))
    names = end(row, state=State.READY, refusal="", format="raw" if found in PLAIN else found)
    if names:
        images.appear(row, first, size, found)
    return names


def end(row: Volume, **fields: str) -> set[str]:
    """Where it is still in quarantine and as it was read."""
    same = Volume.objects.filter(pk=row.pk, state=State.QUARANTINE, changed_at=row.changed_at)
    return {f"volume:{row.pk}"} if same.update(**fields) else set()
