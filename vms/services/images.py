"""Images: what can be installed from, where copies of it are, and how it gets to where it is needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import unquote

from django.db import transaction
from django.db.models import Q, QuerySet

from vms import live
from vms.errors import BadFields, NotAllowed, OutboundRefused, VolumeFound
from vms.kinds import images as kinds
from vms.models import Host, Image, ImageCopy, Operation, StoragePool, Volume
from vms.osdata import CATALOGUE, find_system, read
from vms.permissions import (
    Actor,
    Who,
    publishing_pools,
    readable_copies,
    require_deed,
    visible_images,
    visible_pools,
    visible_volumes,
)
from vms.permissions.images import PUBLISH
from vms.services import audit, operations, volumes
from vms.services.addresses import parse

# What a name of a file has that a volume's cannot have.
STRANGE: Final = re.compile(r"[^A-Za-z0-9._+-]+")


def served_copies(who: Who) -> QuerySet[ImageCopy]:
    """Those of which he may be told and whose bytes are handed on: no file that may be a link (Volume.is_found)."""
    doubtful = Q(volume__kind="file", volume__origin=Volume.Origin.FOUND, volume__storage__trusted=False)
    return readable_copies(who).exclude(doubtful)


def find_images(who: Who) -> QuerySet[Image]:
    """Those of which he may be told a copy, by name."""
    return visible_images(who).select_related("owner").order_by("name", "pk")


def copies(who: Who, images: Iterable[Image]) -> dict[int, list[tuple[ImageCopy, StoragePool]]]:
    """{image: (copy, a pool that has it)} of those that he may be told, one for each host."""
    found: dict[int, list[tuple[ImageCopy, StoragePool]]] = {}
    rows = readable_copies(who).filter(image__in=[image.pk for image in images]).select_related("volume__storage")
    pools: dict[int, list[StoragePool]] = {}
    for pool in reached(row.volume.storage_id for row in rows):
        pools.setdefault(pool.storage_id, []).append(pool)
    for row in rows.order_by("pk"):
        found.setdefault(row.image_id, []).extend((row, pool) for pool in pools.get(row.volume.storage_id, []))
    return found


def reached(storages: Iterable[int]) -> QuerySet[StoragePool]:
    """The pools of these storages, those by which they are best reached first."""
    return operations.by_reach(StoragePool.objects.filter(storage__in=set(storages)))


def pools_to_fill(who: Who) -> QuerySet[StoragePool]:
    """The pools into which he may fetch."""
    into = visible_pools(who, "pool.upload").values("pk")
    return visible_pools(who, "image.fetch").filter(pk__in=into, active=True).select_related("host").order_by("name")


def fetch(
    actor: Actor,
    pool: StoragePool,
    *,
    url: str = "",
    entry: str = "",
    name: str = "",
    checksum: str = "",
    idempotency_key: str | None = None,
) -> Operation:
    """The operation that fetches an image into the pool, from an address or as an entry of the catalogue. Raises
    BadFields ("url", "entry", "name", "checksum"), NotAllowed and what request raises."""
    chosen = CATALOGUE.get(entry)
    if entry and chosen is None:
        raise BadFields({"entry": "choice"})
    url = chosen.url if chosen else url.strip()
    try:
        address = parse(url)
    except OutboundRefused:
        raise BadFields({"url": "web_address" if url else "missing"}) from None
    given = read(checksum) if checksum.strip() else None
    if checksum.strip() and given is None:
        raise BadFields({"checksum": "checksum"})
    params = kinds.FetchedImage(
        url=url,
        name=name or file_name(chosen.file_name if chosen else address.file_name),
        checksum=str(given or ""),
        checksum_url=chosen.checksum_url if chosen and not given else "",
        entry=entry,
    )
    if idempotency_key and (known := operations.asked_before(kinds.FETCH, pool, actor, params, idempotency_key)):
        return known
    volumes.check_name(params.name)
    return operations.request(
        kinds.FETCH,
        pool,
        actor=actor,
        params=params,
        # How much it is nobody knows before the server has told; the worker reserves it then.
        takes={"disk_bytes": 0},
        idempotency_key=idempotency_key,
        locks=[volumes.name_lock(pool, params.name)],
    )


def file_name(text: str) -> str:
    """The name of a file as that of a volume, "" where nothing is left of it."""
    return STRANGE.sub("-", unquote(text)).strip("-.")[:200]


def copy(
    actor: Actor, image: Image, pool: StoragePool, *, name: str = "", idempotency_key: str | None = None
) -> Operation:
    """The operation that copies it into the pool, whatever host has it. Raises BadFields, NotAllowed, VolumeFound and
    what request raises."""
    row = served_copies(actor).filter(image=image).select_related("volume").order_by("pk").first()
    if row is None:
        if found := readable_copies(actor).filter(image=image).select_related("volume").first():
            raise VolumeFound(name=found.volume.name)
        raise NotAllowed(privilege="image.use")
    params = kinds.CopiedImage(image.pk, name or row.volume.name)
    if idempotency_key and (known := operations.asked_before(kinds.COPY, pool, actor, params, idempotency_key)):
        return known
    volumes.check_name(params.name)
    if row.volume.format not in (*volumes.formats(pool), "raw"):
        raise BadFields({"pool": "volume_format"})
    return operations.request(
        kinds.COPY,
        pool,
        actor=actor,
        params=params,
        takes={"disk_bytes": max(image.size_bytes, image.virtual_bytes)},
        idempotency_key=idempotency_key,
        locks=[volumes.name_lock(pool, params.name)],
    )


def check(actor: Actor, volume: Volume, *, idempotency_key: str | None = None) -> Operation:
    """The operation that reads all of the volume and makes it an image: what it installs, and its checksum. Raises
    NotAllowed, VolumeNotReady, VolumeStrayed, VolumeUsed and what request raises."""
    require_deed(actor, "copy", volume)
    if not hasattr(volume, "image_copy") and not volume.name.lower().endswith(".iso"):
        # What a VM writes to is not the same tomorrow.
        volumes.require_unused(actor, volume)
    volumes.require_served(volume)
    return operations.request(kinds.CHECK, volume, actor=actor, idempotency_key=idempotency_key)


@transaction.atomic
def publish(actor: Actor, image: Image, *, offered: bool) -> None:
    """Offer its copies, in the pools where he may, to who may use images there, or take the offer back. Raises
    NotAllowed where he may in none."""
    mine = readable_copies(actor).filter(image=image, volume__storage__in=publishing_pools(actor).values("storage"))
    pks = list(mine.values_list("pk", flat=True))
    if not pks:
        raise NotAllowed(privilege=PUBLISH)
    if ImageCopy.objects.filter(pk__in=pks).exclude(published=offered).update(published=offered):
        verb = "offered" if offered else "took-back"
        audit.record(f"{verb}:image", actor=actor, image=image.pk, name=image.name, copies=len(pks))
    live.announce(["*"])


def source(who: Who, image: int, node: str) -> tuple[ImageCopy, StoragePool] | None:
    """A copy that is served to him, and the pool by which a worker of the node reaches it; None where there is none."""
    rows = served_copies(who).filter(image=image).select_related("volume__storage", "image").order_by("pk")
    by_storage = {row.volume.storage_id: row for row in rows}
    for pool in reached(by_storage).select_related("host"):
        if pool.active and pool.host.node in ("", node) and not operations.is_silent(pool.host):
            return by_storage[pool.storage_id], pool
    return None


def on_host(who: Who, host: Host, images: Iterable[int] | None = None) -> list[tuple[ImageCopy, StoragePool]]:
    """The copies, of these images or of all, that he may read in started pools of the host and that are served, the
    oldest first, each with its pool there."""
    pools = {pool.storage_id: pool for pool in StoragePool.objects.filter(host=host, present=True, active=True)}
    rows = served_copies(who).filter(volume__storage__in=pools).select_related("volume", "image").order_by("pk")
    rows = rows if images is None else rows.filter(image__in=list(images))
    there = (row for row in rows if row.volume.format and not volumes.is_strayed(row.volume))
    return [(row, pools[row.volume.storage_id]) for row in there]


def readable(who: Who, image: int) -> ImageCopy | None:
    """Any copy that he may read, whether or not its host is heard; None where there is none."""
    rows = readable_copies(who).filter(image=image).select_related("volume", "image")
    return rows.order_by("pk").first()


def can_bring(who: Who, image: int, host: Host) -> bool:
    """Whether an operation on the host could bring it there: from another host, or from where it was fetched."""
    copy = readable(who, image)
    if copy is None:
        return False
    again = copy.image.sha256 and copy.image.source_url
    return bool(again) or source(who, image, host.node) is not None


def names_for(copy: ImageCopy, pool: StoragePool) -> Iterator[str]:
    """What a new copy may be called there: as that one is, or with a number, as long as nothing we know is."""
    name = file_name(copy.volume.name) or "image"
    stem, dot, end = name.rpartition(".") if "." in name[1:] else (name, "", "")
    for number in range(1, 100):
        chosen = name if number == 1 else f"{stem}-{number}{dot}{end}"
        if not taken(pool, chosen):
            yield chosen


def taken(pool: StoragePool, name: str) -> bool:
    there = Volume.objects.filter(storage=pool.storage_id, name=name)
    return there.filter(Q(present=True) | Q(state=Volume.State.INCOMPLETE)).exists()


def here(who: Who, image: Image, pool: StoragePool) -> ImageCopy | None:
    """The copy in the pool's storage that he may be told; None where it must be brought there first (copy(), or
    fetch() from source_url)."""
    rows = served_copies(who).filter(image=image, volume__storage=pool.storage_id)
    return rows.select_related("volume").order_by("pk").first()


@transaction.atomic
def learn(volume: Volume, sha256: str, *, format: str, size: int, **fields: Any) -> Image:
    """The image whose bytes the volume holds, which it is a copy of from now on: the one that has this checksum, or
    what was taken for one before it had been read, or a new one with these fields."""
    before = Image.objects.filter(copies__volume=volume).first()
    found = Image.objects.select_for_update().filter(sha256=sha256).first()
    told = {name: value for name, value in fields.items() if value}
    if found is None:
        # One whose bytes were others once is another image.
        alone = before is not None and before.sha256 is None and before.copies.count() == 1
        found = before if before is not None and alone else Image(name=volume.name, owner=volume.owner)
        found.sha256 = sha256
        found.kind = Image.Kind.ISO if format == "iso" else Image.Kind.DISK
        found.format, found.size_bytes, found.virtual_bytes = format, size, volume.capacity_bytes or size
        for name, value in told.items():
            setattr(found, name, value)
        found.save()
    ImageCopy.objects.update_or_create(volume=volume, defaults={"image": found})
    if before is not None and before.pk != found.pk and not before.copies.exists():
        before.delete()
    live.announce([f"volume:{volume.pk}"])
    return found


def system_name(image: Image) -> str:
    """What it installs, in words; "" for unknown."""
    system = find_system(image.os)
    return system.name if system else image.os


def pools_without(who: Who, image: Image) -> list[StoragePool]:
    """The pools into which he may put a copy of it and that have none which he may be told."""
    have = served_copies(who).filter(image=image).values("volume__storage")
    rows = visible_pools(who, "pool.upload").filter(active=True).exclude(storage__in=have)
    return list(rows.select_related("host").order_by("name", "host__name"))


def unread(who: Who, image: Image) -> Volume | None:
    """A copy of it that he may have read, where its checksum is not known yet."""
    if image.sha256:
        return None
    copied = served_copies(who).filter(image=image).values("volume")
    return visible_volumes(who, "copy").filter(pk__in=copied).order_by("pk").first()
