"""Making a VM after another, step by step as any new one (vms.operations.create). Of one that is off the bytes of its
disks are read by stream; of one that runs its own QEMU writes what they hold in one moment (docs/decisions/0078)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from typing import Any, Final

from vms.archives import Layer, read_layers, write_qcow2
from vms.errors import (
    Aborted,
    HostRefused,
    InvalidState,
    Locked,
    NotFound,
    RefusedArchive,
    SnapshotUnreadable,
    SourceChanged,
)
from vms.kinds import clone as kinds
from vms.kinds.clone import NewClone
from vms.libvirtxml import BadXML, DomainXML, Drive, Target, disk_at, volume_document
from vms.models import Network, Operation, OperationLock, Placement, StoragePool, Volume
from vms.operations import create
from vms.operations.afar import Afar, Between, new_file, pieces, put
from vms.operations.create import facts, is_made, nothing, placement_of, refuse_taken, start, undefine
from vms.operations.jobs import is_to_end, tell
from vms.operations.making import Making, Step, params_of
from vms.operations.new_volumes import claimed, unmake_disks
from vms.operations.volumes import host_of, make_copy, make_empty, places, pool_here, reading, require_same
from vms.operations.way import Way
from vms.operations.work import Work
from vms.permissions import held
from vms.services import clone_definitions as definitions
from vms.services import volumes as volume_services
from vms.services.definitions import free_mac
from vms.services.instances import source_pool
from vms.services.locks import take_locks
from vms.virt import Connection, Domain, DomainInfo

# How often it is asked how far the host is with the disks of one that runs.
LOOK: Final = 0.5
# So long the host has to end what was to be ended.
ENDS: Final = 60.0


def do(work: Work) -> None:
    create.make(work, STEPS)


def wish_of(operation: Operation) -> NewClone:
    params = params_of(operation)
    if not isinstance(params, NewClone):
        raise TypeError(operation.kind)
    return params


def source_of(operation: Operation) -> Placement:
    """Where the one is that it is made after; NotFound where nobody knows it any more."""
    found = Placement.objects.filter(current_of=wish_of(operation).source, vm__deleted_at=None, vm__trashed_at=None)
    placement = found.select_related("host", "vm").first()
    if placement is None:
        raise NotFound(operation.target_name)
    return placement


@contextmanager
def at_source(connection: Connection, operation: Operation) -> Iterator[tuple[Connection, Domain]]:
    """Its host, and the source there."""
    placement = source_of(operation)
    with host_of(connection, operation, placement.host) as there:
        yield there, there.domain(str(placement.uuid))


def look(making: Making) -> None:
    """Its host tells of it once more: it must be what was told to whoever asked. Raises SourceChanged."""
    with at_source(making.work.connection, making.operation) as (_, domain):
        making.source = as_asked(making.operation, domain.info())
    require_told(making.operation, making.source)


def as_asked(operation: Operation, info: DomainInfo) -> DomainInfo:
    """What its host tells of it, or of what it was when the snapshot was taken that was asked for. Raises
    SourceChanged."""
    name = wish_of(operation).snapshot
    if not name:
        return info
    told = next((one.told for one in info.snapshots if one.name == name), None)
    if told is None or told.taken_at != wish_of(operation).told.get("taken"):
        raise SourceChanged(name=info.name)
    return replace(info, state="shut_off", next_boot_xml=told.next_boot)


def require_told(operation: Operation, info: DomainInfo) -> None:
    wish = wish_of(operation)
    try:
        told = definitions.told_of(DomainXML.parse(info.next_boot_xml), wish.told.get("taken"))
    except BadXML:
        told = {}
    if told != wish.told or (info.state not in volume_services.OFF) != wish.running:
        raise SourceChanged(name=info.name)


def copy_disks(making: Making) -> None:
    wish = wish_of(making.operation)
    new = [disk for disk in wish.disks if "of" in disk]
    with at_source(making.work.connection, making.operation) as (connection, domain):
        copies = [disk for disk in new if not disk["linked"]]
        if wish.running and copies:
            copy_running(making, domain, copies)
        for disk in new:
            making.go_on()
            if disk["linked"]:
                make_layer(making, disk)
            elif wish.snapshot:
                restore(making, connection, disk)
            elif not wish.running:
                copy(making, connection, disk)
        # One that was started outside meanwhile wrote while it was read.
        require_told(making.operation, as_asked(making.operation, domain.info()))
    for pool in {disk["pool"] for disk in new if not disk["linked"]}:
        # Its host learns what came into the volumes when it looks through the pool.
        making.work.connection.pool(str(pool_here(making.operation, pool, "").uuid)).refresh()


def volume_of(disk: dict[str, Any]) -> Volume:
    row = Volume.objects.filter(pk=disk["of"]).select_related("backing").first()
    if row is None:
        raise NotFound(disk["name"])
    return row


def copy(making: Making, connection: Connection, disk: dict[str, Any]) -> None:
    """Byte by byte; a layer stays one over the same volume. Raises SourceChanged where it was written to meanwhile."""
    row, work = volume_of(disk), making.work
    volume_services.require_served(row)
    pool, source = pool_here(making.operation, disk["pool"], disk["name"]), pool_on(making.operation, row)
    there = connection.volume(str(source.uuid), row.name)
    before = there.facts()
    if before.capacity > disk["size_bytes"]:
        raise SourceChanged(name=row.name)
    over = (row.backing_path, row.backing.format) if row.backing else None
    if over and before.backing_path != over[0]:
        raise SourceChanged(name=row.name)
    with (
        reading(connection, source, row, over) as (way, parts, length),
        claimed(pool, disk["name"], making.actor.user, format=disk["format"]) as made,
    ):
        make_copy(work, work.connection, pool, made, parts, length)
        way.finish()
        Volume.objects.filter(pk=made.pk).update(backing=row.backing)
    after = there.facts()
    if (after.capacity, after.physical, after.mtime) != (before.capacity, before.physical, before.mtime):
        raise SourceChanged(name=row.name)


def restore(making: Making, connection: Connection, disk: dict[str, Any]) -> None:
    """What the disk was when the snapshot was taken, as an image of its own that lies over nothing; read out of files
    of which nobody changes these parts, so that the source may go on. Raises SnapshotUnreadable, SourceChanged."""
    wish, name = wish_of(making.operation), disk["name"]
    known = making.source.snapshots if making.source else ()
    told = next((one.told for one in known if one.name == wish.snapshot), None)
    how = next((each.how for each in told.disks if each.target == disk["target"]), "no") if told else "no"
    pool, between = pool_here(making.operation, disk["pool"], name), Between(making.work)
    with ExitStack() as readers:
        layers: list[Layer] = []
        for row in chain_of(volume_of(disk), wish.snapshot, disk["target"]):
            volume_services.require_served(row)
            there = connection.volume(str(pool_on(making.operation, row).uuid), row.name)
            found = there.facts()
            require_same(row, found)
            reader = readers.enter_context(closing(Afar(there, found.physical, between)))
            inside = wish.snapshot if how == "internal" and not layers else ""
            layers.append(Layer(reader.read, found.physical, row.format, inside))
        between.total = sum(layer.size for layer in layers)
        try:
            size, parts = read_layers(layers)
            if size > disk["size_bytes"]:
                raise SourceChanged(name=making.operation.target_name)
            with claimed(pool, name, making.actor.user, format="qcow2"):
                made = new_file(making.work.connection, pool, name)
                making.work.log("volume_made", name=name)
            for offset, piece in pieces(write_qcow2(parts, disk["size_bytes"])):
                put(made, offset, piece)
        except RefusedArchive as refused:
            why = str(refused.params["reason"])
            raise SnapshotUnreadable(name=wish.snapshot, disk=disk["target"], unreadable=why) from None


def chain_of(row: Volume, snapshot: str, disk: str) -> Iterator[Volume]:
    """The volume, and each that lies below the one before. Raises SnapshotUnreadable where that is not known."""
    below: Volume | None = row
    while below is not None:
        yield below
        if below.backing_path and below.backing is None:
            raise SnapshotUnreadable(name=snapshot, disk=disk, unreadable="below")
        below = below.backing


def pool_on(operation: Operation, row: Volume) -> StoragePool:
    """The pool of the source's host in which the volume is."""
    pool = source_pool(row, source_of(operation).host_id)
    if pool is None:
        raise NotFound(row.name)
    return pool


def make_layer(making: Making, disk: dict[str, Any]) -> None:
    """Over the source's own disk, which nobody writes to from now on (vms.operations.power)."""
    row, pool = volume_of(disk), pool_here(making.operation, disk["pool"], disk["name"])
    volume_services.require_served(row)
    source = pool_on(making.operation, row)
    below = making.work.connection.volume(str(source.uuid), row.name).facts()
    require_same(row, below)
    if below.capacity != disk["size_bytes"]:
        raise SourceChanged(name=row.name)
    document = volume_document(
        disk["name"], disk["size_bytes"], "qcow2", whole=False, backing=(below.path, row.format)
    )  # fmt: skip
    with claimed(pool, disk["name"], making.actor.user, format="qcow2", backing=row.pk):
        making.work.connection.create_volume(str(pool.uuid), document, name=disk["name"])


def copy_running(making: Making, domain: Domain, disks: list[dict[str, Any]]) -> None:
    """All of them as they are in one moment, each into a new volume that is whole. Raises SourceChanged, InvalidState
    where it went off meanwhile."""
    live, _ = domain.live()
    host, targets = source_of(making.operation).host, {}
    for disk in disks:
        row = volume_of(disk)
        volume_services.require_served(row)
        name = disk_at(live, places(row, host))
        if name is None or domain.disk_size(name) != disk["size_bytes"]:
            raise SourceChanged(name=row.name)
        pool = pool_here(making.operation, disk["pool"], disk["name"])
        with claimed(pool, disk["name"], making.actor.user, format=disk["format"]):
            made = make_empty(making.work, pool, disk["name"], disk["size_bytes"], disk["format"]).facts()
        targets[name] = Target(made.path, disk["format"], block=made.kind == "block")
    key = wait_for_turn(making)
    domain.begin_copies(targets)
    follow(making, domain)
    domain.require_copied()
    OperationLock.objects.filter(operation=making.operation, key=key).delete()


def wait_for_turn(making: Making) -> str:
    """The key that is held then: its QEMU copies for one at a time, and others of the batch may be about it. Where that
    fails it is held until what was begun has been ended."""
    waits = False
    while True:
        making.go_on()
        try:
            take_locks(making.operation, key := f"copies:{wish_of(making.operation).source}")
        except Locked:
            if not waits:
                making.work.log("copies_awaited")
            waits = True
            time.sleep(LOOK)
        else:
            return key


def follow(making: Making, domain: Domain) -> None:
    """Until the host is done with it, telling how far it is. Aborted where somebody wanted its end."""
    while job := domain.job():
        making.work.heard()
        if is_to_end(making.operation):
            raise Aborted
        making.go_on()
        tell(making.operation, job)
        time.sleep(LOOK)


def unmake(connection: Connection, operation: Operation) -> None:
    """What it made, after nobody writes to that any more."""
    end_copies(connection, operation)
    unmake_disks(connection, operation)


def end_copies(connection: Connection, operation: Operation) -> None:
    """Where the source's QEMU still writes to volumes of this operation; it runs on as before."""
    wish = wish_of(operation)
    if not wish.running:
        return
    pools = StoragePool.objects.in_bulk([disk["pool"] for disk in wish.disks if "of" in disk])
    mine = {
        f"{pools[disk['pool']].path.rstrip('/')}/{disk['name']}" for disk in wish.disks if disk.get("pool") in pools
    }
    with suppress(NotFound):
        domain = connection.domain(str(source_of(operation).uuid))
        until = time.monotonic() + ENDS
        while domain.copying() & mine:
            with suppress(InvalidState):
                domain.abort_job()
            if time.monotonic() > until:
                raise HostRefused(operation.target_name)
            time.sleep(LOOK)


def define(making: Making) -> None:
    """Judged by the difference to nothing, with what our own rows give, and with the rights that whoever clones has on
    the source. Raises VmTaken."""
    operation, host, wish = making.operation, making.operation.host, wish_of(making.operation)
    placement, source = placement_of(operation), source_of(operation)
    if host is None or making.source is None:
        raise NotFound(operation.target_name)
    networks = Network.objects.filter(host=host, present=True).in_bulk(wish.networks)
    if set(networks) != set(wish.networks):
        raise NotFound(operation.target_name)
    document, given = definitions.build(
        DomainXML.parse(making.source.next_boot_xml),
        host,
        definitions.emulator(source.vm, host),
        name=operation.target_name,
        uuid=str(placement.uuid),
        drives=dict(drives_of(making, wish)),
        cards=[definitions.described(card, networks, free_mac()) for card in wish.cards],
    )
    refuse_taken(making)
    more = held(making.actor, source.vm) & set(wish.more)
    making.work.connection.define_domain(document.text, allowed=making.work.allowed | more, given=given)


def drives_of(making: Making, wish: NewClone) -> Iterator[tuple[str, Drive | None]]:
    """(target, what is in it) of each that stays."""
    host = making.operation.host
    if host is None:
        raise NotFound(making.operation.target_name)
    for disk in wish.disks:
        if "of" in disk:
            yield (
                disk["target"],
                Drive(pool_here(making.operation, disk["pool"], disk["name"]).name, disk["name"], disk["format"]),
            )
        else:
            yield disk["target"], definitions.there(disk["volume"], host)
    for medium in wish.media:
        yield medium["target"], definitions.there(medium["volume"], host) if medium["volume"] else None


# In this order; each is undone in the reverse order.
STEPS: Final = (
    Step("source", look, nothing),
    Step("disks", copy_disks, unmake),
    Step("define", define, undefine),
    Step("start", start, nothing),
)


def mend(connection: Connection, operation: Operation) -> None:
    create.mend_steps(connection, operation, STEPS)


WAYS: Final = {kinds.CLONE.name: Way(do, facts, is_made, mend=mend)}
