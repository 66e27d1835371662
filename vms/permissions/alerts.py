"""Which alerts somebody is told of: those about what he sees, and nothing of the rest."""

from __future__ import annotations

from typing import Final

from django.db.models import Q, QuerySet
from django.http import Http404

from vms.models import Alert
from vms.permissions.ask import may
from vms.permissions.reach import reached
from vms.permissions.telling import on_visible
from vms.permissions.visible import pools_in, reaches, there
from vms.permissions.who import Who, is_administrator

PRIVILEGE: Final = "alert.admin"
# Of what a guest's agent told, only who may see that hears.
OF_AGENT: Final = ("guest_disk_full",)
SITE: Final = "site.health"


def visible_alerts(who: Who) -> QuerySet[Alert]:
    """The alerts about VMs, hosts and pools that he may see; about the dashboard itself, and about what is gone, those
    of administrators. One query before its own, for an administrator none."""
    alerts = Alert.objects.select_related("vm", "host", "pool", "sink")
    if is_administrator(who, "vm.view", "host.view", "pool.use", "vm.agent.view", SITE):
        return alerts
    of_vms, of_hosts, of_pools, of_agents = reaches(who, "vm.view", "host.view", "pool.use", "vm.agent.view")
    on_vms, on_hosts = on_visible(of_vms, of_hosts)
    agents = Q(vm__isnull=False) & there("vm__") & reached(of_agents, "vm__")
    seen = (
        (on_vms & ~Q(kind__in=OF_AGENT))
        | (on_vms & agents & Q(kind__in=OF_AGENT))
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
    """Whether he may say that somebody is at it: who sets alerts, and of a VM whoever has its power button."""
    return may(who, PRIVILEGE) or (alert.vm is not None and may(who, "vm.power", alert.vm))
