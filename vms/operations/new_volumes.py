"""What a new VM is made from and what is made for it in pools: images, disks, and the disc of its first boot. Until its
last step these are rows that nobody may touch, by which whoever undoes it knows them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

from vms.errors import ImageRefused, NameTaken, NotFound, TemplateChanged
from vms.kinds.create import NewVm
from vms.libvirtxml import Drive, volume_document
from vms.models import ImageCopy, Operation, StoragePool, User, Volume
from vms.operations.images import place
from vms.operations.making import Making, params_of
from vms.operations.template_volumes import hashed, layers, pool_with, require_off, require_unchanged
from vms.operations.volumes import (
    BLOCK,
    keep,
    make_copy,
    make_empty,
    new_row,
    pool_here,
    reading,
    require_same,
    take_away,
)
from vms.operations.work import Work
from vms.seed import documents, make_disc
from vms.services import placing, plans, seeds
from vms.services import volumes as volume_services
from vms.virt import Connection, VolumeFacts

State = Volume.State


def find_images(making: Making) -> None:
    """Those that it is made from, brought to the host where that has none. Raises ImageRefused, and what place()
    raises."""
    wanted = named_images(making.params)
    host = making.operation.host
    if not wanted or host is None:
        return
    chosen = [disk["pool"] for disk in making.params.disks if "pool" in disk]
    pools = {pool.pk: pool for pool in placing.usable_pools(making.actor, host)}
    into = next((pools[pk] for pk in chosen if pk in pools), next(iter(pools.values()), None))
    if into is None:
        raise ImageRefused(reason="gone")
    below = {disk["image"] for disk in making.params.disks if disk.get("linked")}
    for image in dict.fromkeys(wanted):
        # A layer names what it lies over by its path.
        wish = {"fits": is_folder} if image in below else {}
        making.images[image] = place(making.work, image, into, **wish)


def named_images(params: NewVm) -> list[int]:
    """Those that it is made from, by their ids."""
    return [*params.cds, *(disk["image"] for disk in params.disks if disk.get("image"))]


def is_folder(pool: StoragePool) -> bool:
    return pool.type in volume_services.FILES


def make_disks(making: Making) -> None:
    for number, disk in enumerate(making.params.disks):
        if number:
            making.go_on()
        making.drives.append(taken(making, disk["volume"]) if "volume" in disk else made(making, disk))
    for image in making.params.cds:
        row, pool = making.images[image]
        making.drives.append(Drive(pool.name, row.volume.name, row.volume.format or "raw", cd=True))


def taken(making: Making, pk: int) -> Drive:
    """A volume that is there; it is asked once more whether it is free."""
    volume = Volume.objects.filter(pk=pk).first()
    pool = StoragePool.objects.filter(
        storage=volume.storage_id if volume else None, host=making.operation.host_id, present=True
    ).first()
    if volume is None or pool is None:
        raise NotFound(making.operation.target_name)
    plans.require_free(making.actor, volume)
    return Drive(pool.name, volume.name, volume.format)


def made(making: Making, disk: dict[str, Any]) -> Drive:
    """A new volume, empty, as the image or over it."""
    name, format, size, image = disk["name"], disk["format"], disk["size_bytes"], disk["image"]
    pool = pool_here(making.operation, disk["pool"], name)
    backing = (disk.get("below") or making.images[image][0].volume_id) if disk["linked"] else None
    with claimed(pool, name, making.actor.user, format=format, backing=backing) as row:
        if "below" in disk:
            make_of_template(making, pool, row, disk)
        elif not image:
            make_empty(making.work, pool, name, size, format)
        elif disk["linked"]:
            copy, where = making.images[image]
            facts = making.work.connection.volume(str(where.uuid), copy.volume.name).facts()
            make_layer(making, pool, row, size, copy.volume, facts)
        else:
            copy_image(making, pool, row, *making.images[image])
    return Drive(pool.name, name, format, bus=disk.get("bus", ""))


@contextlib.contextmanager
def claimed(
    pool: StoragePool, name: str, owner: User, *, format: str, private: bool = False, backing: int | None = None
) -> Iterator[Volume]:  # fmt: skip
    """A row for what is made inside, which the steps' undo finds. backing: the volume that it is to lie over. Raises
    NameTaken, then without a row: what is there is somebody else's."""
    row = new_row(pool, name, owner, format=format, private=private, backing=backing)
    try:
        yield row
    except NameTaken:
        row.delete()
        raise


def make_of_template(making: Making, pool: StoragePool, row: Volume, disk: dict[str, Any]) -> None:
    """As the template's disk, or over it, once it is known to be what it was. Raises TemplateChanged."""
    own, *below = layers(making.params.template, making.params.disks.index(disk), making.operation)
    require_off(making.work, own.template.vm)
    where = pool_with(own.volume, making.operation)
    if disk["linked"]:
        facts = require_unchanged(making.work, own, where)
        for each in below:
            require_unchanged(making.work, each, pool_with(each.volume, making.operation))
        make_layer(making, pool, row, disk["size_bytes"], own.volume, facts)
        return
    volume_services.require_served(own.volume)
    with reading(making.work.connection, where, own.volume) as (way, parts, length):
        digest = sha256()
        make_copy(making.work, making.work.connection, pool, row, hashed(parts, digest), length)
        way.finish()
    if digest.hexdigest() != own.sha256:
        raise TemplateChanged(name=own.volume.name)


def make_layer(making: Making, pool: StoragePool, row: Volume, size: int, below: Volume, facts: VolumeFacts) -> None:
    """Over what was judged when it came, or was made here; facts: what its host tells of it now."""
    volume_services.require_served(below)
    require_same(below, facts)
    document = volume_document(row.name, size, row.format, whole=False, backing=(facts.path, below.format))
    making.work.connection.create_volume(str(pool.uuid), document, name=row.name)


def copy_image(making: Making, pool: StoragePool, row: Volume, copy: ImageCopy, where: StoragePool) -> None:
    """Byte by byte, and only what its header was accepted as."""
    volume_services.require_served(copy.volume)
    with reading(making.work.connection, where, copy.volume) as (way, parts, length):
        make_copy(making.work, making.work.connection, pool, row, parts, length)
        way.finish()


def unmake_disks(connection: Connection, operation: Operation) -> None:
    """What it made, which is still nobody's."""
    for disk in params_of(operation).disks:
        if "pool" in disk:
            unmake(connection, operation, disk["pool"], disk["name"])


def unmake(connection: Connection, operation: Operation, pool_id: int, name: str) -> None:
    pool = StoragePool.objects.filter(pk=pool_id).first()
    if pool is None:
        return
    mine = Volume.objects.filter(
        storage=pool.storage_id, name=name, state=State.INCOMPLETE, owner=operation.actor_user_id
    )
    for row in mine:
        take_away(connection, pool, row)


def is_copy(disk: dict[str, Any]) -> bool:
    """Whether a new disk has the bytes of an image or a template."""
    return "pool" in disk and not disk["linked"] and bool(disk["image"] or "below" in disk)


def grow_disks(making: Making) -> None:
    """A copy is as large as what it was made of until now."""
    for disk in making.params.disks:
        pool = StoragePool.objects.filter(pk=disk.get("pool")).first()
        if pool is None or not is_copy(disk):
            continue
        connection = making.work.connection
        # The host learns what came into the volume when it looks through the pool.
        connection.pool(str(pool.uuid)).refresh()
        there = connection.volume(str(pool.uuid), disk["name"])
        if there.facts().capacity < disk["size_bytes"]:
            there.grow(disk["size_bytes"])


def make_seed(making: Making) -> None:
    """The disc with the answers, as its last CD."""
    told = making.params.seed
    if not told:
        return
    pool = pool_here(making.operation, told["pool"], told["name"])
    write_seed(making.work, pool, told["name"], making.actor.user, making.cards[0].mac if making.cards else "")
    making.drives.append(Drive(pool.name, told["name"], "raw", cd=True, seed=True))


def write_seed(work: Work, pool: StoragePool, name: str, owner: User, mac: str) -> None:
    """The disc with the operation's secret answers, whose addresses are for that card: a volume that nobody is shown.
    Raises NameTaken."""
    answers = seeds.from_json(work.secrets["seed"])
    disc = make_disc(documents(replace(answers, addresses=tuple(replace(one, mac=mac) for one in answers.addresses))))
    with claimed(pool, name, owner, format="raw", private=True):
        document = volume_document(name, len(disc), "raw", whole=False)
        there = work.connection.create_volume(str(pool.uuid), document, name=name)
    way = there.upload(0, len(disc))
    try:
        for start in range(0, len(disc), BLOCK):
            way.send(disc[start : start + BLOCK])
        way.finish()
    finally:
        way.abort()


def unmake_seed(connection: Connection, operation: Operation) -> None:
    told = params_of(operation).seed
    if told:
        unmake(connection, operation, told["pool"], told["name"])


def keep_made(
    connection: Connection, operation: Operation, pool_id: int, name: str, size: int
) -> Volume | None:  # fmt: skip
    """The volume, ready; None where there is no such that was being made. size: its bytes, 0 where
    the host tells them."""
    pool = StoragePool.objects.filter(pk=pool_id).first()
    row = Volume.objects.filter(storage=pool.storage_id, name=name, state=State.INCOMPLETE).first() if pool else None
    if pool is None or row is None:
        return None
    facts = connection.volume(str(pool.uuid), row.name).facts()
    keep(row, facts, row.format, of=operation, capacity=size)
    return row
