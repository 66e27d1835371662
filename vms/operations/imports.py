"""VMs that others have packed: read where they lie, and each disk written anew while its bytes pass by. No copy of them
is made on the way, and no program of the host's looks at them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from vms import headers
from vms.archives import Ova, Source, read_ova, read_parts, write_qcow2
from vms.errors import ChecksumDiffers, NotFound, RefusedArchive
from vms.kinds import imports as kinds
from vms.libvirtxml import Drive
from vms.models import Archive, Operation, StoragePool, Volume
from vms.operations.afar import Afar, Between, new_file, pieces, put
from vms.operations.create import choose_cards, define, facts, is_made, make, mend_steps, nothing, start, undefine
from vms.operations.making import Making, Step
from vms.operations.new_volumes import claimed, made, unmake_disks
from vms.operations.volumes import BLOCK, actor_of, make_empty, pool_here, pool_of, require_same, volume_of
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work
from vms.permissions import require_deed
from vms.services import archives, volumes
from vms.virt import Connection


@contextmanager
def afar(work: Work, pool: StoragePool, row: Volume, between: Between) -> Iterator[Afar]:
    """The volume's bytes. Raises what require_served() and require_same() raise."""
    volumes.require_served(row)
    volumes.require_off(work.operation.actor_user, row)
    there = work.connection.volume(str(pool.uuid), row.name)
    facts = there.facts()
    require_same(row, facts)
    reader = Afar(there, facts.physical, between)
    try:
        yield reader
    finally:
        reader.close()


def look_into(reader: Afar, row: Volume) -> Ova:
    """What is in it: an archive, or one disk. Raises RefusedImage, RefusedArchive."""
    first = reader.read(0, min(reader.size, headers.ENOUGH))
    format = headers.judge(first, size=reader.size)
    if format == "ova":
        return read_ova(reader.read, reader.size)
    if format != "vmdk":
        raise RefusedArchive(reason="other_disk" if format in headers.FOREIGN else "no_archive")
    inside = headers.capacity(first, size=reader.size)
    return archives.alone(row, Source("", format, inside, 0, reader.size))


def read(work: Work) -> None:
    row, pool = volume_of(work), pool_of(work.operation)
    require_deed(actor_of(work.operation), "copy", row)
    with afar(work, pool, row, Between(work)) as reader:
        found = look_into(reader, row)
    work.may_go_on()
    archives.keep(row, found)


def read_facts(connection: Connection, operation: Operation) -> Facts:
    return {"read": Archive.objects.filter(volume=operation.volume_id, read_at__gte=operation.queued_at).exists()}


def is_read(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["read"] else Verdict.UNDONE


def packed(making: Making) -> tuple[StoragePool, Volume]:
    """The archive, and the pool in which it lies here. NotFound where it is gone."""
    pk = next(disk["packed"] for disk in making.params.disks if "packed" in disk)
    row = Volume.objects.filter(pk=pk).first()
    pool = StoragePool.objects.filter(
        storage=row.storage_id if row else None, host=making.operation.host_id, present=True
    ).first()
    if row is None or pool is None:
        raise NotFound(making.operation.target_name)
    return pool, row


def sources(making: Making, found: Ova) -> list[tuple[dict[str, Any], Source]]:
    """The disks that are taken out, with where they are now. RefusedArchive where it is another archive by now."""
    chosen = []
    for disk in making.params.disks:
        if "packed" not in disk:
            continue
        source = found.disks[disk["number"]] if disk["number"] < len(found.disks) else None
        if source is None or source.size_bytes != disk["size_bytes"] or not source.length:
            raise RefusedArchive(reason="changed")
        chosen.append((disk, source))
    return chosen


def check_sums(making: Making) -> None:
    """Read what has a checksum, before anything is made of it. Raises ChecksumDiffers."""
    pool, row = packed(making)
    between = Between(making.work)
    with afar(making.work, pool, row, between) as reader:
        found = [source for _, source in sources(making, look_into(reader, row)) if source.sum]
        between.total = sum(source.length for source in found)
        for source in found:
            algorithm, digest = source.sum or ("", "")
            told = hashlib.new(algorithm, usedforsecurity=False)
            for at in range(0, source.length, BLOCK):
                told.update(reader.read(source.offset + at, min(BLOCK, source.length - at)))
            if told.hexdigest() != digest:
                raise ChecksumDiffers(expected=digest, found=told.hexdigest())
            making.work.log("sum_agrees", name=source.file)


def convert_disks(making: Making) -> None:
    """Each as a new volume, in their order."""
    pool, row = packed(making)
    between = Between(making.work)
    with afar(making.work, pool, row, between) as reader:
        chosen = sources(making, look_into(reader, row))
        between.total = reader.come + sum(source.length for _, source in chosen)
        by_number = {disk["number"]: source for disk, source in chosen}
        for disk in making.params.disks:
            making.go_on()
            if "packed" in disk:
                making.drives.append(converted(making, reader, disk, by_number[disk["number"]]))
            else:
                making.drives.append(made(making, disk))


def converted(making: Making, reader: Afar, disk: dict[str, Any], source: Source) -> Drive:
    """A new volume with the data of that disk."""
    name, format = disk["name"], disk["format"]
    pool, connection = pool_here(making.operation, disk["pool"], name), making.work.connection
    parts: Iterable[tuple[int, bytes]] = read_parts(reader.read, source)
    with claimed(pool, name, making.actor.user, format=format):
        if format == "qcow2":
            if source.format != "qcow2":
                parts = write_qcow2(parts, source.size_bytes)
            there = new_file(connection, pool, name)
            making.work.log("volume_made", name=name)
        else:
            there = make_empty(making.work, pool, name, source.size_bytes, format)
    for offset, piece in pieces(parts):
        put(there, offset, piece)
    # The host learns what came into the volume when it looks through the pool.
    connection.pool(str(pool.uuid)).refresh()
    making.work.log("disk_taken_out", name=source.file or name)
    return Drive(pool.name, name, format)


# In this order; each is undone in the reverse order.
STEPS: Final = (
    Step("sums", check_sums, nothing),
    Step("convert", convert_disks, unmake_disks),
    Step("cards", choose_cards, nothing),
    Step("define", define, undefine),
    Step("start", start, nothing),
)


def do(work: Work) -> None:
    make(work, STEPS)


def mend(connection: Connection, operation: Operation) -> None:
    mend_steps(connection, operation, STEPS)


WAYS: Final = {
    kinds.READ.name: Way(read, read_facts, is_read),
    kinds.IMPORT.name: Way(do, facts, is_made, mend=mend),
}
