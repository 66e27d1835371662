"""The CD drives of a VM beside its screen."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from vms.kinds.shaping import SHAPE
from vms.permissions import get_vm_or_404, held, require_all
from vms.services import cds
from vms.services.actors import session_actor
from vms.services.freshness import placed
from vms.services.headers import may_eject
from vms.views import going
from vms.views.power import Refusal, answer


@login_required
@require_safe
def vm_cds(request: HttpRequest, pk: int) -> HttpResponse:
    """The menu of a console that is open."""
    vm = get_vm_or_404(request.user, pk, to="vm.media")
    require_all(session_actor(request), cds.PRIVILEGES, vm)
    context = {"vm": vm, "cds": cds.of(request.user, vm), "may_eject": may_eject(placed(vm), held(request.user, vm))}
    return render(request, "vms/_console_cds.html", context)


@login_required
@require_POST
def vm_cd(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Put an image into a drive; answered as what a VM is asked to do."""
    vm = get_vm_or_404(request.user, pk, to="vm.media")
    drive, medium = request.POST.get("drive", ""), request.POST.get("medium", "")
    why = going.refusal(lambda: cds.put_in(session_actor(request), vm, drive, medium))
    if "HX-Request" in request.headers:
        return answer(request, SHAPE, vm, Refusal(vm, why) if why else None)
    if why:
        messages.error(request, why)
    return redirect("vm-console", vm.pk)
