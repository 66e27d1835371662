"""One UUID on two hosts: two VMs (vms.inventory.identity), or one that both define. It runs on one of them at a time.

Whoever copies a definition copies the path of its disk, and two runs would write to that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext

from vms.errors import RunsElsewhere
from vms.models import Placement, VirtualMachine
from vms.permissions import Who, may, seen_hosts, visible_vms


def elsewhere(placement: Placement) -> QuerySet[Placement]:
    """What other hosts say of its UUID."""
    others = Placement.objects.filter(uuid=placement.uuid, present=True, host__removed_at=None)
    return others.exclude(host=placement.host_id).select_related("vm", "host").order_by("pk")


def refuse_second_run(placement: Placement, who: Who) -> None:
    """RunsElsewhere while another host runs it, or ran it when it was last heard; named as far as he sees it."""
    other = elsewhere(placement).filter(run_id__isnull=False).first()
    if other is None:
        return
    if may(who, "vm.view", other.vm) and seen_hosts(who, [other.host]):
        raise RunsElsewhere(name=other.name, host=other.host.name)
    raise RunsElsewhere


def find_twins(who: Who, vms: Sequence[VirtualMachine]) -> dict[int, list[Placement]]:
    """{vm: what other hosts say of its UUID, as far as he may see that}; three queries for all, one without any."""
    shown = {vm.placement.pk: vm.placement.uuid for vm in vms if vm.placement}
    rows = Placement.objects.filter(uuid__in=set(shown.values()), present=True)
    told = list(rows.values_list("pk", "uuid"))
    number = Counter(uuid for _, uuid in told)
    doubled = {uuid for pk, uuid in told if pk not in shown or number[uuid] > 1}
    if not doubled:
        return {}
    said: defaultdict[UUID, list[Placement]] = defaultdict(list)
    rows = Placement.objects.filter(uuid__in=doubled, present=True, host__removed_at=None).select_related("host")
    for row in rows.only("vm", "uuid", "name", "state", "host__name").order_by("pk"):
        said[row.uuid].append(row)
    others = {pk: [row for row in said[uuid] if row.pk != pk] for pk, uuid in shown.items()}
    asked = {row.vm_id for several in others.values() for row in several}
    seen = set(visible_vms(who).filter(pk__in=asked).values_list("pk", flat=True)) if asked else set()
    return {
        vm.pk: twins
        for vm in vms
        if vm.placement and (twins := [row for row in others[vm.placement.pk] if row.vm_id in seen])
    }


def twin_text(vm: VirtualMachine, twin: Placement, seen: frozenset[int]) -> str:
    """What marks a VM whose UUID another host knows too, with its name for who may see that."""
    host = twin.host.name if twin.host_id in seen else gettext("another host")
    if twin.vm_id == vm.pk:
        return gettext("also defined on {host}").format(host=host)
    return gettext("same UUID as {name} on {host}").format(name=twin.name, host=host)
