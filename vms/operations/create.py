"""Making a VM: step by step, each undone in reverse where a later one fails. Until the last one is done what was made
is nobody's to touch, so that it is known again whatever process died."""

from __future__ import annotations

import contextlib
from typing import Final

from django.db import transaction
from django.utils import timezone

from vms import live
from vms.errors import HostUnreachable, NotFound, TimedOut, VirtError, VmTaken
from vms.kinds import create as kinds
from vms.libvirtxml import Card, Given
from vms.models import Happening, Network, Operation, OperationLog, Placement, Reservation, Seed
from vms.operations.images import unplace
from vms.operations.making import Making, Step, params_of
from vms.operations.new_volumes import (
    find_images,
    grow_disks,
    is_copy,
    keep_made,
    make_disks,
    make_seed,
    named_images,
    unmake_disks,
    unmake_seed,
)
from vms.operations.volumes import actor_of
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work
from vms.services import installing, seeds, systems
from vms.services.definitions import definition, free_mac
from vms.virt import Connection


def placement_of(operation: Operation) -> Placement:
    """Where it is to be; NotFound where its row is no more."""
    placement = operation.vm.placement if operation.vm else None
    if placement is None:
        raise NotFound(operation.target_name)
    return placement


def do(work: Work) -> None:
    make(work, STEPS)


def make(work: Work, steps: tuple[Step, ...]) -> None:
    """In these steps."""
    operation = work.operation
    actor = actor_of(operation)
    if actor is None:
        raise NotFound(operation.actor_name)
    making = Making(work, params_of(operation), actor)
    done: list[Step] = []
    try:
        for step in steps:
            if not step.needed(making.params):
                continue
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


def choose_cards(making: Making) -> None:
    """Each with a MAC that is new."""
    there = Network.objects.filter(pk__in=making.params.networks, host=making.operation.host)
    networks = {network.pk: network for network in there}
    making.cards = [Card(networks[pk].name, free_mac()) for pk in making.params.networks if pk in networks]


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
    refuse_taken(making)
    making.work.connection.define_domain(document.text, allowed=making.work.allowed, given=given, composed=True)


def refuse_taken(making: Making) -> None:
    """VmTaken where somebody outside has made one of its name meanwhile."""
    name = making.operation.target_name
    if making.work.connection.has_domain(name):
        raise VmTaken(name=name)


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
    Step("image", find_images, unplace, lambda params: bool(named_images(params))),
    Step("disk", make_disks, unmake_disks),
    Step("grow", grow_disks, nothing, lambda params: any(is_copy(disk) for disk in params.disks)),
    Step("cards", choose_cards, nothing, lambda params: bool(params.networks)),
    Step("seed", make_seed, unmake_seed, lambda params: bool(params.seed)),
    Step("define", define, undefine),
    Step("start", start, nothing, lambda params: params.start),
)


def finish(connection: Connection, operation: Operation) -> None:
    """What was made is its maker's and the VM's from now on."""
    params = params_of(operation)
    for disk in params.disks:
        if "pool" in disk:
            keep_made(connection, operation, disk["pool"], disk["name"], disk["size_bytes"])
    if params.seed and operation.vm_id:
        row = keep_made(connection, operation, params.seed["pool"], params.seed["name"], 0)
        Seed.objects.get_or_create(
            vm_id=operation.vm_id,
            defaults={
                "volume": row, "by": operation.actor_user, "told": params.seed["told"], "keep": params.seed["keep"],
                "look_at": None if params.seed["keep"] else timezone.now() + seeds.FIRST_LOOK,
            },
        )  # fmt: skip
    if params.cds and operation.vm is not None:
        # The first of its CDs, as compose() has them.
        document = connection.domain(str(placement_of(operation).uuid)).next_boot()
        installing.remember(operation.vm, next((disk.source for disk in document.disks if disk.kind == "cdrom"), ""))
    with transaction.atomic():
        Reservation.objects.filter(operation=operation, resource="disk_bytes").delete()


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
    mend_steps(connection, operation, STEPS)


def mend_steps(connection: Connection, operation: Operation, steps: tuple[Step, ...]) -> None:
    """What a dead worker did not bring to its end is whole, or taken away."""
    if is_whole(facts(connection, operation), operation):
        finish(connection, operation)
        return
    for step in reversed(steps):
        with contextlib.suppress(NotFound):
            step.undo(connection, operation)
    if operation.host_id:
        live.look(operation.host_id, f"vm:{operation.target_id}")


def is_made(before: Facts, now: Facts) -> Verdict:
    """What is not whole was taken away before this is asked (mend)."""
    return Verdict.DONE if now["there"] else Verdict.UNDONE


WAYS: Final = {kinds.CREATE.name: Way(do, facts, is_made, mend=mend)}
