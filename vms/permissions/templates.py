"""What somebody may make VMs of: templates whose data he may take away, and those that are offered where he may use
templates."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.http import Http404

from vms.models import VirtualMachine
from vms.permissions.ask import held
from vms.permissions.visible import get_vm_or_404, reaches, there, vms_in
from vms.permissions.who import Who

USE = "template.use"
COPY = "vm.copy"
PUBLISH = "template.publish"


def templates() -> QuerySet[VirtualMachine]:
    """All that are in the dashboard, with placement, host and template loaded."""
    rows = VirtualMachine.objects.filter(there(), templated_at__isnull=False, template__isnull=False)
    return rows.select_related("placement", "placement__host", "template")


def usable_templates(who: Who) -> QuerySet[VirtualMachine]:
    """Those of which he may make VMs, and whose disks have been read."""
    of_copy, of_use = reaches(who, COPY, USE)
    offered = Q(pk__in=vms_in(of_use).order_by().values("pk"), template__published=True)
    return templates().filter(Q(pk__in=vms_in(of_copy).order_by().values("pk")) | offered, template__ready=True)


def may_use(who: Who, pk: int) -> bool:
    """Whether it is among these; asked again and again, so without looking at all."""
    vm = templates().filter(pk=pk, template__ready=True).first()
    holds = held(who, vm) if vm else frozenset()
    return COPY in holds or bool(vm and USE in holds and vm.template.published)


def visible_templates(who: Who) -> QuerySet[VirtualMachine]:
    """Those, and the ones that he may see as VMs."""
    of_view, of_copy, of_use = reaches(who, "vm.view", COPY, USE)
    seen = Q(pk__in=[])
    for scope in (of_view, of_copy):
        seen |= Q(pk__in=vms_in(scope).order_by().values("pk"))
    return templates().filter(seen | Q(pk__in=vms_in(of_use).order_by().values("pk"), template__published=True))


def get_template_or_404(who: Who, pk: int, *, to: str = "") -> VirtualMachine:
    """The template; 404 when it does not exist or may not be seen, NotAllowed when it may be seen but not this."""
    vm = visible_templates(who).filter(pk=pk).first()
    if vm is None:
        raise Http404
    if to:
        get_vm_or_404(who, pk, to=to)
    return vm
