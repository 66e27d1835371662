"""Which alerts somebody is told of: those about what he sees, and nothing of the rest."""

from __future__ import annotations

from typing import Final

from django.db.models import Q, QuerySet
from django.http import Http404

from vms.models import Alert
from vms.permissions.ask import may
from vms.permissions.reach import reached
from vms.permissions.schedules import SETS
from vms.permissions.telling import on_visible
from vms.permissions.visible import pools_in, reaches, there
from vms.permissions.who import Who, account, in_scope, is_administrator

PRIVILEGE: Final = "alert.admin"
# Of what a guest's agent told, only who may see that hears; of schedules who could set one there, and their owners.
OF_AGENT: Final = ("guest_disk_full",)
OF_SCHEDULE: Final = ("schedule_failed",)
SITE: Final = "site.health"


def visible_alerts(who: Who) -> QuerySet[Alert]:
    """The alerts about VMs, hosts and pools that he may see, and about his schedules; about the dashboard itself, and
    about what is gone, those of administrators. One query before its own, for an administrator none."""
    alerts = Alert.objects.select_related("vm", "host", "pool", "sink", "schedule")
    if is_administrator(who, "vm.view", "host.view", "pool.use", "vm.agent.view", SITE):
        return alerts
    of_vms, of_hosts, of_pools, of_agents, of_schedules = reaches(
        who, "vm.view", "host.view", "pool.use", "vm.agent.view", SETS
    )
    on_vms, on_hosts = on_visible(of_vms, of_hosts)
    agents = Q(vm__isnull=False) & there("vm__") & reached(of_agents, "vm__")
    schedules = Q(vm__isnull=False) & there("vm__") & reached(of_schedules, "vm__")
    if SETS in in_scope(who):
        schedules |= Q(schedule__owner=account(who), schedule__isnull=False)
    seen = (
        (on_vms & ~Q(kind__in=(*OF_AGENT, *OF_SCHEDULE)))
        | (on_vms & agents & Q(kind__in=OF_AGENT))
        | (schedules & Q(kind__in=OF_SCHEDULE))
        | on_hosts
        | Q(pool__in=pools_in(of_pools).values("pk"))
    )
    if is_administrator(who, SITE):
        seen |= Q(vm=None, host=None, pool=None)
    return alerts.filter(seen)


def get_alert_or_404(who: Who, pk: int) -> Alert:
    """The alert; 404 when it does not exist or may not be seen."""
    found = visible_alerts(who).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def may_acknowledge(who: Who, alert: Alert) -> bool:
    """Whether he may say that somebody is at it: who sets alerts, of a VM whoever has its power button, of a schedule
    its owner."""
    if is_of_own_schedule(who, alert):
        return True
    return may(who, PRIVILEGE) or (alert.vm is not None and may(who, "vm.power", alert.vm))


def is_of_own_schedule(who: Who, alert: Alert) -> bool:
    user = account(who)
    return user is not None and alert.schedule is not None and alert.schedule.owner_id == user.pk
