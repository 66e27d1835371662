"""Deleting a VM: its host keeps it in the trash for some days, whole and off, or it goes for good at once.

Nothing is moved: the domain stays defined, with its disks where they are, so that what is put back is the same VM and
there is always room (docs/decisions/0074).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from vms import live
from vms.errors import AlsoDefined, BadFields, BelongingsChanged, Locked, NotAllowed, RequestRefused, WrongState
from vms.kinds import trash as kinds
from vms.models import Operation, Placement, Trashed, VirtualMachine, Volume
from vms.permissions import Actor, Who, require, seen_hosts, trashed_vms
from vms.services import belongings, operations, templates
from vms.services.freshness import placed
from vms.services.telling import host_name

logger = logging.getLogger(__name__)

# What could not be purged is tried again after this; until then its reason stands in the trash.
AGAIN: Final = timedelta(days=1)


@dataclass(frozen=True)
class Line:
    """One VM in the trash. host: its host's name, "" for who may not see that. runs: somebody started it since,
    outside; gone: its host has it no more. size: the bytes that the disks which go with it can become."""

    vm: VirtualMachine
    trash: Trashed
    host: str
    runs: bool
    gone: bool
    size: int


def days() -> int:
    """How long a VM stays in the trash; 0 where there is none."""
    return int(settings.ENVIRONMENT.trash_days)


def has_room(vm: VirtualMachine) -> bool:
    """Whether it can be put back from the trash: there is one, and its host keeps the VM while it is off."""
    return bool(days()) and placed(vm).persistent


def delete(
    actor: Actor,
    vm: VirtualMachine,
    *,
    volumes: Sequence[int] | None = None,
    confirm: str = "",
    trash: bool = True,
    seen: str = "",
    batch: UUID | None = None,
    idempotency_key: str | None = None,
) -> Operation:
    """The operation that moves it to the trash, or (not trash) deletes it for good, for which confirm is its name.

    volumes: those that go with it, of what belongings.find lists; None for all of these. seen: the digest of the list
    that was read, "" for none. Raises NotAllowed, TemplateInUse, BadFields, BelongingsChanged, and what request raises.
    """
    require(actor, "vm.delete", vm)
    templates.require_unused(actor, vm)
    if trash and not has_room(vm):
        raise BadFields({"trash": "no_trash"}, name=vm.name)
    params = judge(actor, vm, volumes=volumes, seen=seen)
    if not trash and confirm != vm.name:
        raise BadFields({"confirm": "confirm_name"}, name=vm.name)
    if not trash:
        refuse_second_home(actor, vm)
    kind = kinds.TRASH if trash else kinds.DELETE
    locks = () if trash else [f"volume:{pk}" for pk in params.volumes]
    return operations.request(
        kind, vm, actor=actor, params=params, batch=batch, idempotency_key=idempotency_key, locks=locks
    )


def judge(actor: Actor, vm: VirtualMachine, *, volumes: Sequence[int] | None, seen: str = "") -> kinds.Deletion:
    """What is asked for. Raises BelongingsChanged where the list is another than was read, BadFields for a volume that
    does not go, or that lies below one which stays."""
    found = belongings.find(actor, vm)
    if seen and seen != found.digest:
        raise BelongingsChanged(name=vm.name)
    chosen = found.volumes if volumes is None else sorted(set(volumes))
    if not set(chosen) <= set(found.volumes):
        raise BadFields({"volumes": "not_its_volumes"}, name=vm.name)
    if Volume.objects.filter(backing__in=chosen).exclude(pk__in=chosen).exists():
        raise BadFields({"volumes": "layer_left"}, name=vm.name)
    return kinds.Deletion(chosen, found.told)


def refuse_second_home(who: Who, vm: VirtualMachine) -> None:
    """AlsoDefined where another host has the same VM: its disks are that one's too."""
    others = Placement.objects.filter(vm=vm, present=True).exclude(current_of=vm).select_related("host")
    if other := others.first():
        raise AlsoDefined(name=vm.name, host=host_name(who, other.host))


def listed(who: Who) -> QuerySet[VirtualMachine]:
    """What is in the trash that he may delete, the latest first."""
    return trashed_vms(who).order_by("-trashed_at", "-pk")


def make_lines(who: Who, vms: Sequence[VirtualMachine]) -> list[Line]:
    hosts = seen_hosts(who, [placed(vm).host for vm in vms])
    asked = {pk for vm in vms for pk in vm.trash.volumes}
    sizes = dict(Volume.objects.filter(pk__in=asked).values_list("pk", "capacity_bytes"))
    made = []
    for vm in vms:
        placement = placed(vm)
        made.append(
            Line(
                vm=vm,
                trash=vm.trash,
                host=placement.host.name if placement.host_id in hosts else "",
                runs=placement.present and placement.run_id is not None,
                gone=not placement.present,
                size=sum(sizes.get(pk, 0) for pk in vm.trash.volumes),
            )
        )
    return made


def purge(
    actor: Actor, vm: VirtualMachine, *, confirm: str, volumes: Sequence[int] | None = None, seen: str = "",
    idempotency_key: str | None = None,
) -> Operation:  # fmt: skip
    """The operation that deletes what is in the trash for good; volumes: None for those that were chosen when it was
    deleted. Raises as delete does."""
    require(actor, "vm.delete", vm)
    if confirm != vm.name:
        raise BadFields({"confirm": "confirm_name"}, name=vm.name)
    templates.require_unused(actor, vm)
    refuse_second_home(actor, vm)
    params = judge(actor, vm, volumes=chosen(actor, vm) if volumes is None else volumes, seen=seen)
    locks = [f"volume:{pk}" for pk in params.volumes]
    return operations.request(
        kinds.DELETE, vm, actor=actor, params=params, idempotency_key=idempotency_key, locks=locks
    )


def chosen(who: Who, vm: VirtualMachine) -> list[int]:
    """Those that were chosen when it was deleted, and still go."""
    return sorted(set(vm.trash.volumes) & set(belongings.find(who, vm).volumes))


def put_back(actor: Actor, vm: VirtualMachine, *, idempotency_key: str | None = None) -> Operation:
    """The operation that takes it out of the trash, as it was, off. Raises WrongState where its host has it no more,
    and what request raises."""
    require(actor, "vm.delete", vm)
    if not placed(vm).present:
        raise WrongState(name=vm.name, state="gone")
    return operations.request(kinds.PUT_BACK, vm, actor=actor, idempotency_key=idempotency_key)


def purge_due() -> int:
    """Ask for the purge of what has been in the trash for long enough, with the rights of who deleted it; how many
    were asked for. What is refused is tried again in a day, and says why."""
    due = Trashed.objects.filter(purge_at__lte=timezone.now(), vm__deleted_at=None).select_related("by")
    asked = 0
    for trash in due[:20]:
        # One of several workers.
        mine = Trashed.objects.filter(pk=trash.pk, purge_at=trash.purge_at)
        if not mine.update(purge_at=timezone.now() + AGAIN):
            continue
        try:
            purge_one(trash)
            asked += 1
        except Locked:
            continue
        except RequestRefused as refused:
            Trashed.objects.filter(pk=trash.pk).update(why=refused.code, params=refused.params)
            live.announce(["vms:*"])
    return asked


@transaction.atomic
def purge_one(trash: Trashed) -> None:
    """Raises NotAllowed where who deleted it may do so no more, WrongState where it runs or its host has it no more:
    what somebody did outside since is no business of a clock's."""
    if trash.by is None:
        raise NotAllowed(privilege="vm.delete")
    actor = Actor(trash.by)
    vm = trashed_vms(actor).filter(pk=trash.vm_id).first()
    if vm is None:
        raise NotAllowed(privilege="vm.delete")
    placement = placed(vm)
    if placement.run_id is not None:
        raise WrongState(name=vm.name, state=placement.state)
    if not placement.present and not trash.purging:
        raise WrongState(name=vm.name, state="gone")
    purge(actor, vm, confirm=vm.name)
