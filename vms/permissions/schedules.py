"""Which schedules somebody sees and changes: his own, and those of VMs for which he could set one himself."""

from __future__ import annotations

from typing import Final

from django.db.models import Q, QuerySet
from django.http import Http404

from vms.models import Schedule
from vms.permissions.reach import reached
from vms.permissions.visible import reaches, there
from vms.permissions.who import Who, account, in_scope, is_administrator

SETS: Final = "vm.schedule"


def visible_schedules(who: Who) -> QuerySet[Schedule]:
    """One query before its own, for an administrator none."""
    schedules = Schedule.objects.select_related("owner", "vm", "host")
    user = account(who)
    if is_administrator(who, SETS):
        return schedules
    if user is None or SETS not in in_scope(who):
        return schedules.none()
    [scope] = reaches(who, SETS)
    return schedules.filter(Q(owner=user) | (Q(vm__isnull=False) & there("vm__") & reached(scope, "vm__")))


def get_schedule_or_404(who: Who, pk: int) -> Schedule:
    """The schedule; 404 when it does not exist or may not be seen."""
    found = visible_schedules(who).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found
