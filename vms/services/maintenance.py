"""Hosts in maintenance: they take no new VMs, are emptied by a plan that somebody approves, and get their VMs back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from vms import live
from vms.errors import BadFields, InMaintenance, NotCancellable, PlanChanged
from vms.kinds.maintenance import BRING_BACK, EVACUATE, Planned
from vms.kinds.migration import MIGRATE
from vms.models import OPEN_STATES, EvacuatedVm, Evacuation, Host, Operation, Placement, VirtualMachine
from vms.permissions import Actor, Who, require, visible_vms
from vms.services import audit, operations, placement
from vms.services.maintenance_plan import Item, Move, Plan, Room, Target, chosen, make_plan
from vms.services.placement import Verdict
from vms.services.placement_sides import HostSide, VmSide, sides
from vms.services.placement_words import reason_text
from vms.services.telling import host_name

PRIVILEGE: Final = "host.maintain"
# More at a time than a host does of its slow work would only wait in line.
PARALLEL: Final = (1, 2)
USUAL: Final = 2
OFF: Final = ("shut_off", "crashed", "saved")
AWAY, BACK = Evacuation.Way.AWAY, Evacuation.Way.BACK
State = EvacuatedVm.State


@dataclass(frozen=True)
class Proposal:
    """What would be done. others: how many VMs of the host he may not see, of which nothing is said."""

    way: str
    plan: Plan
    parallel: int
    others: int = 0


def propose(who: Who, host: Host, *, parallel: int = USUAL) -> Proposal:
    """How the host would be emptied now."""
    require(who, PRIVILEGE, host)
    there = Placement.objects.filter(host=host, present=True, current_of__deleted_at=None)
    vms = list(visible_vms(who).filter(placement__host=host, placement__present=True).order_by("pk"))
    items, room = read(who, vms, [one for one in placement.targets(who) if one.pk != host.pk])
    trashed = there.filter(current_of__trashed_at__isnull=False).count()
    others = there.filter(current_of__isnull=False).count() - len(vms) - trashed
    return Proposal(AWAY, make_plan(items, room, parallel=parallel), parallel, max(others, 0))


def propose_back(who: Who, host: Host, *, parallel: int = USUAL) -> Proposal:
    """How the VMs that left it would come back now, as if it took VMs again."""
    require(who, PRIVILEGE, host)
    rows = away(host)
    seen = {vm.pk: vm for vm in visible_vms(who).filter(pk__in=[row.vm_id for row in rows])}
    moved = [seen[row.vm_id] for row in rows if row.to_id and row.vm_id in seen]
    items, room = read(who, moved, [host], taking=True)
    plan = make_plan(items, room, parallel=parallel)
    started = tuple(
        Move(vm=row.vm_id, name=row.name, steps=("start",)) for row in rows if not row.to_id and row.vm_id in seen
    )
    return Proposal(
        BACK, replace(plan, moves=(*plan.moves, *started)), parallel, len({row.vm_id for row in rows} - seen.keys())
    )


def away(host: Host) -> list[EvacuatedVm]:
    """The VMs that a plan took away from it, or shut down on it, which are still there or off, in their order."""
    rows = EvacuatedVm.objects.filter(
        evacuation__host=host, evacuation__way=AWAY, state=State.DONE, settled=False, vm__deleted_at=None,
        vm__trashed_at=None, vm__placement__present=True,
    )  # fmt: skip
    return [row for row in rows.select_related("vm__placement", "to") if is_away(row, host)]


def is_away(row: EvacuatedVm, host: Host) -> bool:
    there = row.vm.placement if row.vm else None
    if there is None:
        return False
    return there.host_id == row.to_id if row.to_id else there.host_id == host.pk and there.state in OFF


def read(who: Who, vms: list[VirtualMachine], hosts: list[Host], *, taking: bool = False) -> tuple[list[Item], Room]:
    """What the plan is made of. taking: as if none of the hosts were in maintenance."""
    if not vms:
        return [], Room({}, {})
    known = sides(who, vms, hosts)
    there = [replace(side, maintenance=False) if taking else side for side in known.hosts.values()]
    may = set(visible_vms(who, MIGRATE.privileges[0]).filter(pk__in=[vm.pk for vm in vms]).values_list("pk", flat=True))
    room = Room(
        {side.pk: side.free_kib for side in there},
        {pool.pk: pool.available_bytes for side in there for pool in side.pools},
    )
    return [item(who, known.vms[vm.pk], there, may=vm.pk in may) for vm in vms if vm.pk in known.vms], room


def item(who: Who, vm: VmSide, hosts: Iterable[HostSide], *, may: bool) -> Item:
    verdicts = [placement.verdict(vm, host) for host in hosts] if may else []
    off = [placement.verdict(replace(vm, state="shut_off"), host) for host in hosts] if may and vm.runs else []
    return Item(
        vm=vm.pk,
        name=vm.name,
        runs=vm.runs,
        memory_kib=vm.needs.memory_kib if vm.needs else 0,
        targets=tuple(target(one) for one in verdicts if one.possible),
        offline=tuple(target(one) for one in off if one.possible),
        why=tuple((one.host.name, words(one)) for one in verdicts if not one.possible),
    )


def target(one: Verdict) -> Target:
    pool = one.how.pool.pk if one.disks and one.how.pool else 0
    return Target(one.host.pk, one.host.name, pool, one.copied_bytes if pool else 0)


def words(one: Verdict) -> str:
    """The first reason for which it cannot."""
    reason = next(reason for reason in one.reasons if reason.grave)
    return reason_text(
        reason.code, {**reason.params, **reason.of_host}, vm=one.vm.name, host=one.host.name, here=one.vm.here.name
    )


def check_parallel(parallel: int) -> int:
    if parallel not in PARALLEL:
        raise BadFields({"parallel": "number"})
    return parallel


@transaction.atomic
def enter(
    actor: Actor, host: Host, *, digest: str = "", choices: Mapping[int, str] | None = None, parallel: int = USUAL,
    idempotency_key: str | None = None,
) -> Operation | None:  # fmt: skip
    """From now on it takes no new VMs. digest: of the plan that is approved, by which it is emptied; "" for none:
    everything stays. choices: what is done with those that the plan leaves. Raises NotAllowed, BadFields, PlanChanged,
    and what request raises."""
    require(actor, PRIVILEGE, host)
    if known := operations.asked_with(actor, EVACUATE, host.pk, idempotency_key):
        return known
    check_parallel(parallel)
    if Host.objects.filter(pk=host.pk, in_maintenance_at=None).update(in_maintenance_at=timezone.now()):
        tell("entered:maintenance", actor, host)
    if not digest:
        return None
    return begin(actor, host, propose(actor, host, parallel=parallel), digest, choices or {}, idempotency_key)


@transaction.atomic
def leave(
    actor: Actor, host: Host, *, digest: str = "", choices: Mapping[int, str] | None = None, parallel: int = USUAL,
    idempotency_key: str | None = None,
) -> Operation | None:  # fmt: skip
    """It takes VMs again; what is being moved away is moved, and nothing more. digest: of the plan by which those come
    back that left; "" for none: they stay where they are. Raises the same."""
    require(actor, PRIVILEGE, host)
    if known := operations.asked_with(actor, BRING_BACK, host.pk, idempotency_key):
        return known
    check_parallel(parallel)
    if Host.objects.filter(pk=host.pk, in_maintenance_at__isnull=False).update(in_maintenance_at=None):
        tell("left:maintenance", actor, host)
    stop(actor, host, EVACUATE.name)
    if not digest:
        return None
    return begin(actor, host, propose_back(actor, host, parallel=parallel), digest, choices or {}, idempotency_key)


def begin(
    actor: Actor, host: Host, proposal: Proposal, digest: str, choices: Mapping[int, str], idempotency_key: str | None
) -> Operation | None:
    """The operation of the approved plan, with all its rows; None where there is nothing to do."""
    if proposal.plan.digest != digest:
        raise PlanChanged(host=host.name)
    try:
        moves = chosen(proposal.plan, choices)
    except ValueError:
        raise BadFields({"choices": "choice"}) from None
    if not moves:
        return None
    evacuation = Evacuation.objects.create(host=host, way=proposal.way, digest=digest, parallel=proposal.parallel)
    if proposal.way == AWAY:
        # Each comes back from where it was taken last.
        EvacuatedVm.objects.filter(evacuation__host=host, vm__in=[move.vm for move in moves]).update(settled=True)
    EvacuatedVm.objects.bulk_create(
        EvacuatedVm(
            evacuation=evacuation, number=number, vm_id=move.vm, name=move.name, pool=move.pool, steps=list(move.steps),
            seconds=move.seconds, to_id=move.to or None,
        )
        for number, move in enumerate(moves, 1)
    )  # fmt: skip
    kind = EVACUATE if proposal.way == AWAY else BRING_BACK
    operation = operations.request(
        kind, host, actor=actor, params=Planned(evacuation.pk), idempotency_key=idempotency_key,
        locks=[f"host:{host.pk}:maintenance"],
    )  # fmt: skip
    Evacuation.objects.filter(pk=evacuation.pk).update(operation=operation)
    return operation


def stop(actor: Actor, host: Host, *kinds: str) -> None:
    """Begin nothing more of what is being done by a plan; what is under way comes to its end."""
    require(actor, PRIVILEGE, host)
    for operation in going_on(host).filter(kind__in=kinds or (EVACUATE.name, BRING_BACK.name)):
        try:
            operations.cancel(operation, actor=actor)
        except NotCancellable:
            # It has ended in this moment, or is ending already.
            continue


@transaction.atomic
def let_stay(actor: Actor, host: Host) -> None:
    """Those that left it belong to where they are from now on."""
    require(actor, PRIVILEGE, host)
    if EvacuatedVm.objects.filter(evacuation__host=host, settled=False).update(settled=True):
        tell("let-stay:maintenance", actor, host)


def going_on(host: Host) -> QuerySet[Operation]:
    """What is being done by a plan now."""
    kinds = (EVACUATE.name, BRING_BACK.name)
    return Operation.objects.filter(kind__in=kinds, host=host, state__in=OPEN_STATES)


def last(host: Host) -> Evacuation | None:
    """The plan that was approved last, with its operation."""
    return Evacuation.objects.filter(host=host, operation__isnull=False).select_related("operation").first()


def rows(evacuation: Evacuation) -> list[EvacuatedVm]:
    """In the order in which they are done."""
    return list(evacuation.vms.select_related("vm", "to", "operation"))


def refuse(who: Who, host: Host) -> None:
    """InMaintenance where it takes no new VMs."""
    if host.in_maintenance_at:
        raise InMaintenance(host=host_name(who, host))


def tell(action: str, actor: Actor, host: Host) -> None:
    audit.record(action, actor=actor, target=host)
    live.announce([f"host:{host.pk}"])
