"""Making a VM: step by step, each undone in reverse where a later one fails. Until the last one is done what was made
is nobody's to touch, so that it is known again whatever process died."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from vms import live
from vms.errors import (
    Aborted,
    HostUnreachable,
    ImageRefused,
    InvalidState,
    NameTaken,
    NotFound,
    TimedOut,
    VirtError,
    VmTaken,
)
from vms.inventory.volumes import moment
from vms.kinds import create as kinds
from vms.libvirtxml import Card, Drive, Given, new_mac, volume_document
from vms.models import (
    Happening,
    ImageCopy,
    Network,
    Operation,
    OperationLog,
    Placement,
    Reservation,
    Seed,
    StoragePool,
    Volume,
)
from vms.operations.images import place, unplace
from vms.operations.jobs import is_to_end
from vms.operations.volumes import BLOCK, accepted, actor_of, make_copy, require_same, take_away
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work
from vms.permissions import Actor, require_deed
from vms.permissions import require as require_right
from vms.seed import documents, make_disc
from vms.services import placing, plans, seeds, systems
from vms.services import volumes as volume_services
from vms.services.definitions import definition
from vms.virt import Connection

State = Volume.State


@dataclass
class Making:
    """A VM on its way. drives: those that are ready for its definition, in its order; cards: likewise."""

    work: Work
    params: kinds.NewVm
    actor: Actor
    images: dict[int, tuple[ImageCopy, StoragePool]] = field(default_factory=dict)
    cards: list[Card] = field(default_factory=list)
    drives: list[Drive] = field(default_factory=list)

    @property
    def operation(self) -> Operation:
        return self.work.operation

    def go_on(self) -> None:
        """Nothing, or what ends it: it was taken away, somebody has cancelled it, or a right is gone that it needs."""
        self.work.heard()
        self.work.may_go_on()
        if is_to_end(self.operation):
            raise Aborted
        require_rights(self.actor, self.operation)


@dataclass(frozen=True)
class Step:
    """do: what it makes. undo: takes that away on the host and here, or finds nothing of it; by the operation alone,
    since it may be another worker's."""

    name: str
    do: Callable[[Making], None]
    undo: Callable[[Connection, Operation], None]


def params_of(operation: Operation) -> kinds.NewVm:
    return kinds.NewVm.from_json(operation.params)


def placement_of(operation: Operation) -> Placement:
    """Where it is to be; NotFound where its row is no more."""
    placement = operation.vm.placement if operation.vm else None
    if placement is None:
        raise NotFound(operation.target_name)
    return placement


def require_rights(actor: Actor, operation: Operation) -> None:
    """Nothing, or NotAllowed: on the host, and on all that its parameters name."""
    params = params_of(operation)
    require_right(actor, "host.use", operation.host)
    for pool in StoragePool.objects.filter(pk__in=[disk["pool"] for disk in params.disks if "pool" in disk]):
        require_right(actor, "pool.use", pool)
    for volume in Volume.objects.filter(pk__in=[disk["volume"] for disk in params.disks if "volume" in disk]):
        # Once its VM is there, whose maker owns it, that says who may.
        require_deed(actor, "attach", volume)
    for network in Network.objects.filter(pk__in=params.networks):
        require_right(actor, "network.use", network)


def do(work: Work) -> None:
    operation = work.operation
    actor = actor_of(operation)
    if actor is None:
        raise NotFound(operation.actor_name)
    making = Making(work, params_of(operation), actor)
    done: list[Step] = []
    try:
        for step in STEPS:
            making.go_on()
            done.append(step)
            step.do(making)
            work.log("step_done", step=step.name)
    except (HostUnreachable, TimedOut):
        # What became of it is asked of the host by whoever ends the operation (mend).
        raise
    except BaseException:
        undo(work.connection, operation, done)
        work.log("undone")
        raise
    finish(work.connection, operation)


def undo(connection: Connection, operation: Operation, steps: list[Step]) -> None:
    """The last first; what the host refuses to take away is said. Raises HostUnreachable, TimedOut."""
    for step in reversed(steps):
        try:
            step.undo(connection, operation)
        except (HostUnreachable, TimedOut):
            raise
        except VirtError as refused:
            OperationLog.objects.create(
                operation=operation, code="step_left", level=OperationLog.Level.WARNING,
                params={"step": step.name, "why": refused.details},
            )  # fmt: skip
    if operation.host_id:
        # The watcher shall not find it again after its row is gone.
        live.look(operation.host_id, f"vm:{operation.target_id}")


def nothing(connection: Connection, operation: Operation) -> None:
    """It made nothing."""


def find_images(making: Making) -> None:
    """Those that it is made from, brought to the host where that has none. Raises ImageRefused, and what place()
    raises."""
    wanted = [*making.params.cds, *(disk["image"] for disk in making.params.disks if disk.get("image"))]
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
        fits = is_folder if image in below else anywhere
        making.images[image] = place(making.work, image, into, fits)


def is_folder(pool: StoragePool) -> bool:
    return pool.type in volume_services.FILES


def anywhere(pool: StoragePool) -> bool:
    return True


def make_disks(making: Making) -> None:
    for disk in making.params.disks:
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
    pool = StoragePool.objects.filter(pk=disk["pool"], host=making.operation.host_id, present=True).first()
    if pool is None:
        raise NotFound(name)
    row = new_row(making, pool, name, format)
    try:
        if not image:
            make_empty(making, pool, name, format, size)
        elif disk["linked"]:
            make_layer(making, pool, row, size, *making.images[image])
        else:
            copy_image(making, pool, row, *making.images[image])
    except NameTaken:
        # What is there is somebody else's.
        row.delete()
        raise
    return Drive(pool.name, name, format)


def new_row(making: Making, pool: StoragePool, name: str, format: str) -> Volume:
    """Its row, nobody's to touch until the VM is there. Raises NameTaken."""
    try:
        with transaction.atomic():
            Volume.objects.filter(storage=pool.storage_id, name=name, present=False).exclude(
                state=State.INCOMPLETE
            ).delete()
            return Volume.objects.create(
                storage_id=pool.storage_id, name=name, format=format, state=State.INCOMPLETE, present=False,
                owner=making.actor.user,
            )  # fmt: skip
    except IntegrityError:
        raise NameTaken(name=name) from None


def make_empty(making: Making, pool: StoragePool, name: str, format: str, size: int) -> None:
    files = pool.type in volume_services.FILES
    document = volume_document(name, size, format if files else "", whole=not files)
    there = making.work.connection.create_volume(str(pool.uuid), document, name=name)
    if pool.type in volume_services.RESIDUE:
        there.wipe()


def make_layer(
    making: Making, pool: StoragePool, row: Volume, size: int, copy: ImageCopy, where: StoragePool
) -> None:  # fmt: skip
    """Over the image's copy, whose beginning was judged when it came: it stands by itself."""
    volume_services.require_served(copy.volume)
    below = making.work.connection.volume(str(where.uuid), copy.volume.name).facts()
    require_same(copy.volume, below)
    Volume.objects.filter(pk=row.pk).update(backing=copy.volume)
    document = volume_document(
        row.name, size, row.format, whole=False, backing=(below.path, copy.volume.format)
    )  # fmt: skip
    making.work.connection.create_volume(str(pool.uuid), document, name=row.name)


def copy_image(making: Making, pool: StoragePool, row: Volume, copy: ImageCopy, where: StoragePool) -> None:
    """Byte by byte, and only what its header was accepted as."""
    volume_services.require_served(copy.volume)
    there = making.work.connection.volume(str(where.uuid), copy.volume.name)
    facts = there.facts()
    require_same(copy.volume, facts)
    length, sparse = facts.physical, facts.kind == "file"
    if not length:
        raise InvalidState(f"{copy.volume.name} is empty")
    way = there.download(0, length, sparse=sparse)
    try:
        parts = accepted(way, copy.volume, length, sparse=sparse)
        make_copy(making.work, making.work.connection, pool, row, parts, length)
        way.finish()
    finally:
        way.abort()


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


def grow_disks(making: Making) -> None:
    """A copy of an image is as large as that until now."""
    for disk in making.params.disks:
        pool = StoragePool.objects.filter(pk=disk.get("pool")).first()
        if pool is None or not disk["image"] or disk["linked"]:
            continue
        connection = making.work.connection
        # The host learns what came into the volume when it looks through the pool.
        connection.pool(str(pool.uuid)).refresh()
        there = connection.volume(str(pool.uuid), disk["name"])
        if there.facts().capacity < disk["size_bytes"]:
            there.grow(disk["size_bytes"])


def choose_cards(making: Making) -> None:
    """Each with a MAC that is new."""
    there = Network.objects.filter(pk__in=making.params.networks, host=making.operation.host)
    networks = {network.pk: network for network in there}
    making.cards = [Card(networks[pk].name, free_mac()) for pk in making.params.networks if pk in networks]


def make_seed(making: Making) -> None:
    """The disc with the answers, as its last CD: a volume that nobody is shown."""
    told = making.params.seed
    if not told:
        return
    pool = StoragePool.objects.filter(pk=told["pool"], host=making.operation.host_id, present=True).first()
    if pool is None:
        raise NotFound(told["name"])
    answers = seeds.from_json(making.work.secrets["seed"])
    mac = making.cards[0].mac if making.cards else ""
    disc = make_disc(documents(replace(answers, addresses=tuple(replace(one, mac=mac) for one in answers.addresses))))
    row = new_row(making, pool, told["name"], "raw")
    Volume.objects.filter(pk=row.pk).update(private=True)
    try:
        document = volume_document(told["name"], len(disc), "raw", whole=False)
        there = making.work.connection.create_volume(str(pool.uuid), document, name=told["name"])
    except NameTaken:
        row.delete()
        raise
    way = there.upload(0, len(disc))
    try:
        for start in range(0, len(disc), BLOCK):
            way.send(disc[start : start + BLOCK])
        way.finish()
    finally:
        way.abort()
    making.drives.append(Drive(pool.name, told["name"], "raw", cd=True))


def unmake_seed(connection: Connection, operation: Operation) -> None:
    told = params_of(operation).seed
    if told:
        unmake(connection, operation, told["pool"], told["name"])


def define(making: Making) -> None:
    """Judged by the difference to nothing, with what our own rows give. Raises VmTaken where somebody outside has made
    one of its name meanwhile."""
    operation, host = making.operation, making.operation.host
    placement = placement_of(operation)
    if host is None:
        raise NotFound(operation.target_name)
    uuid, system = str(placement.uuid), systems.needs(making.params.os).guest.id
    document = definition(
        making.params, host, name=operation.target_name, uuid=uuid, drives=making.drives, cards=making.cards
    )  # fmt: skip
    given = Given(
        volumes={(drive.pool, drive.volume): drive.format for drive in making.drives},
        networks=frozenset(card.network for card in making.cards),
        macs=frozenset(card.mac for card in making.cards),
        uuid=uuid,
        system=system,
    )
    if any(info.name == operation.target_name for info in making.work.connection.domains()):
        raise VmTaken(name=operation.target_name)
    making.work.connection.define_domain(document.text, allowed=making.work.allowed, given=given)


def free_mac() -> str:
    """One of the range that no VM has which is known."""
    while Placement.objects.filter(search__contains=(mac := new_mac())).exists():
        pass
    return mac


def undefine(connection: Connection, operation: Operation) -> None:
    """By the UUID that was made for it: nobody else's."""
    with contextlib.suppress(NotFound):
        domain = connection.domain(str(placement_of(operation).uuid))
        if domain.state()[1] is not None:
            domain.force_off()
        domain.forget()


def start(making: Making) -> None:
    if making.params.start:
        making.work.connection.domain(str(placement_of(making.operation).uuid)).start()


# In this order; each is undone in the reverse order.
STEPS: Final = (
    Step("image", find_images, unplace),
    Step("disk", make_disks, unmake_disks),
    Step("grow", grow_disks, nothing),
    Step("cards", choose_cards, nothing),
    Step("seed", make_seed, unmake_seed),
    Step("define", define, undefine),
    Step("start", start, nothing),
)


def finish(connection: Connection, operation: Operation) -> None:
    """What was made is its maker's and the VM's from now on."""
    params = params_of(operation)
    for disk in params.disks:
        if "pool" in disk:
            keep_made(connection, disk["pool"], disk["name"], disk["size_bytes"])
    if params.seed and operation.vm_id:
        row = keep_made(connection, params.seed["pool"], params.seed["name"], 0)
        Seed.objects.get_or_create(
            vm_id=operation.vm_id,
            defaults={
                "volume": row, "by": operation.actor_user, "told": params.seed["told"], "keep": params.seed["keep"],
                "look_at": None if params.seed["keep"] else timezone.now() + seeds.FIRST_LOOK,
            },
        )  # fmt: skip
    with transaction.atomic():
        Reservation.objects.filter(operation=operation, resource="disk_bytes").delete()


def keep_made(connection: Connection, pool_id: int, name: str, size: int) -> Volume | None:
    """The volume, ready; None where there is no such that was being made. size: bytes that it has at least."""
    pool = StoragePool.objects.filter(pk=pool_id).first()
    row = Volume.objects.filter(storage=pool.storage_id, name=name, state=State.INCOMPLETE).first() if pool else None
    if pool is None or row is None:
        return None
    told = connection.volume(str(pool.uuid), row.name).facts()
    Volume.objects.filter(pk=row.pk).update(
        state=State.READY, present=True, kind=told.kind, path=told.path, told_format=told.format,
        capacity_bytes=max(told.capacity, size), allocation_bytes=told.allocation,
        known_bytes=told.capacity, known_at=moment(told.mtime), changed_at=moment(told.mtime),
    )  # fmt: skip
    return row


def facts(connection: Connection, operation: Operation) -> Facts:
    """Whether the host has it and whether it runs; before, whether its name is free."""
    try:
        state, run_id = connection.domain(str(placement_of(operation).uuid)).state()
    except NotFound:
        return {"there": False, "runs": False, "wanted": operation.params["start"]}
    return {"there": True, "runs": run_id is not None, "state": state, "wanted": operation.params["start"]}


def is_whole(now: Facts, operation: Operation) -> bool:
    """Whether nothing is missing. One that was to be started and has been off again since had its start."""
    if not now["there"]:
        return False
    ran = Happening.objects.filter(vm=operation.target_id, code="state").exists()
    return bool(now["runs"] or not now["wanted"] or ran)


def mend(connection: Connection, operation: Operation) -> None:
    """What a dead worker did not bring to its end is whole, or taken away."""
    if is_whole(facts(connection, operation), operation):
        finish(connection, operation)
        return
    for step in reversed(STEPS):
        with contextlib.suppress(NotFound):
            step.undo(connection, operation)
    if operation.host_id:
        live.look(operation.host_id, f"vm:{operation.target_id}")


def is_made(before: Facts, now: Facts) -> Verdict:
    """What is not whole was taken away before this is asked (mend)."""
    return Verdict.DONE if now["there"] else Verdict.UNDONE


WAYS: Final = {kinds.CREATE.name: Way(do, facts, is_made, mend=mend)}
