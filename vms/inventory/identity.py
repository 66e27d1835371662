"""Which VM a host's word is about (docs/decisions: a VM's identity).

A UUID that is new on a host joins a known VM only where that VM's other placement is gone or says that it migrated
away; otherwise it is a VM of its own, because whoever may define a UUID must not inherit what hangs on it. Hosts
are heard in any order: that it left may be told after it came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from vms import live
from vms.kinds.migration import MIGRATE
from vms.models import OPEN_STATES, Happening, Host, Operation, OperationState, Placement, VirtualMachine

RANKS: Final = {"running": 0, "shutting_down": 0, "paused": 1, "pmsuspended": 1, "crashed": 2}
COMING: Final = 3
LEAST: Final = 4
# What an operation moved may be heard of on its new host only after that has ended.
HEARD_WITHIN: Final = timedelta(hours=1)


def left_elsewhere(host: Host, uuids: Iterable[str]) -> dict[str, VirtualMachine]:
    """{uuid: the VM that it is} for those new on this host that have left every other host that showed them."""
    elsewhere = Placement.objects.filter(uuid__in=list(uuids), vm__deleted_at=None).exclude(host=host)
    found: defaultdict[str, list[Placement]] = defaultdict(list)
    for placement in elsewhere.select_related("vm").order_by("pk"):
        found[str(placement.uuid)].append(placement)
    left = {
        uuid: placements[0].vm
        for uuid, placements in found.items()
        # As long as any other host shows it, it could be a copy.
        if all(not placement.present or placement.state_reason == "migrated" for placement in placements)
    }
    return left | moving_here(host, {uuid: placements for uuid, placements in found.items() if uuid not in left})


def moving_here(host: Host, found: Mapping[str, list[Placement]]) -> dict[str, VirtualMachine]:
    """{uuid: VM} of those that an operation of ours moves to this host, or has just moved."""
    if not found:
        return {}
    recently = Q(
        state__in=(OperationState.SUCCEEDED, OperationState.UNKNOWN), ended_at__gt=timezone.now() - HEARD_WITHIN
    )
    operations = Operation.objects.filter(
        Q(state__in=OPEN_STATES) | recently, kind=MIGRATE.name, params__host=host.pk,
        vm__in={placement.vm_id for placements in found.values() for placement in placements},
    )  # fmt: skip
    moving = set(operations.values_list("vm", flat=True))
    return {
        uuid: placement.vm
        for uuid, placements in found.items()
        for placement in placements
        if placement.vm_id in moving
    }


def rejoin(left: Placement) -> set[str]:
    """Once a VM has left its host: what came elsewhere before that was known, and so got a VM of its own, is the same,
    as long as nothing hangs on that one. The names to announce."""
    if left.vm.placements.filter(present=True).exclude(pk=left.pk).exists():
        return set()
    came = Placement.objects.filter(uuid=left.uuid, present=True, vm__deleted_at=None).exclude(vm=left.vm)
    several = list(came.select_related("vm"))
    if len(several) != 1 or several[0].state_reason != "migrated" or is_held(several[0].vm):
        return set()
    [there] = several
    own = there.vm
    Happening.objects.filter(vm=own).update(vm=left.vm)
    Placement.objects.filter(pk=there.pk).update(vm=left.vm)
    own.delete()
    return {"vms:*", f"vm:{own.pk}"}


def is_held(vm: VirtualMachine) -> bool:
    """Whether somebody has done something with it, or has a right to it."""
    things = (vm.grants, vm.operations, vm.consoles, vm.tags)
    return vm.placements.count() > 1 or any(rows.exists() for rows in things)


def renew(placement: Placement) -> None:
    """Give a placement whose VM was deleted here a VM of its own: the same UUID later has no old rights."""
    VirtualMachine.objects.filter(pk=placement.vm_id).update(placement=None)
    placement.vm = VirtualMachine.objects.create(name=placement.name)


def beside(host: Host | int, uuids: Sequence[UUID | str]) -> set[str]:
    """The names of VMs on other hosts that have one of the UUIDs: their pages say that it is here, or no longer."""
    others = Placement.objects.filter(uuid__in=uuids, present=True).exclude(host=host)
    return {f"vm:{vm}" for vm in others.values_list("vm", flat=True)}


def rank(placement: Placement) -> int:
    """What comes half from another host is paused there, and nothing that its host keeps."""
    if placement.state == "paused" and not placement.persistent:
        return COMING
    return RANKS.get(placement.state, LEAST)


def settle(vm: VirtualMachine) -> set[str]:
    """Point the VM at the placement that counts and take over its name: running before paused before shut off.

    The names to announce: who sees it by its name or its host may see it no longer, or only now.
    """
    placements = sorted(
        vm.placements.only("id", "vm", "name", "state", "present", "persistent"),
        key=lambda placement: (not placement.present, rank(placement), placement.pk),
    )
    if not placements:
        return set()
    first = placements[0]
    if vm.placement_id == first.pk and vm.name == first.name:
        return set()
    vm.placement, vm.name = first, first.name
    vm.save(update_fields=["placement", "name"])
    return {live.ACCESS}
