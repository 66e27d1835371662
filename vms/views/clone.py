"""Making a VM after another: the form, and beside it what would be made."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from vms.errors import BadFields, NotFresh, RequestRefused
from vms.forms.clone import Clone
from vms.kinds.clone import SOURCE
from vms.models import Snapshot, VirtualMachine
from vms.permissions import get_vm_or_404, seen_hosts
from vms.services import clone, snapshots
from vms.services.actors import session_actor
from vms.services.clone_plans import plan as plan_clone
from vms.services.create import room
from vms.services.placing import require_somewhere
from vms.services.sentences import sentence, warning
from vms.services.wishes import names
from vms.views import going


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_clone(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The form, whose name can be given in its address, and the snapshot that is meant; sent, to the page of the VM
    that is made."""
    vm = get_vm_or_404(request.user, pk, to=SOURCE)
    require_somewhere(request.user)
    actor, snapshot = session_actor(request), snapshot_of(request, vm)
    if request.method != "POST":
        name = request.GET.get("name", clone.free_name(actor, vm))
        given = {"name": name, "count": "1"}
        empty = Clone(actor, vm, initial=given, snapshot=snapshot)
        return page(request, vm, empty, Clone(actor, vm, given, snapshot=snapshot))
    form = Clone(actor, vm, request.POST, snapshot=snapshot)
    if form.is_valid():
        with going.refusals(form):
            made = clone.clone(actor, vm, form.wish())
            return redirect("vm", made[0].target_id) if len(made) == 1 else redirect("vm-list")
    return page(request, vm, form, form, status=400)


@login_required
@require_POST
def vm_clone_preview(request: HttpRequest, pk: int) -> HttpResponse:
    """What would be made of the form as it is now."""
    vm = get_vm_or_404(request.user, pk, to=SOURCE)
    require_somewhere(request.user)
    form = Clone(session_actor(request), vm, request.POST, snapshot=snapshot_of(request, vm))
    return render(request, "vms/_clone_get.html", {"vm": vm, "form": form, **told(request, vm, form)})


def snapshot_of(request: HttpRequest, vm: VirtualMachine) -> Snapshot | None:
    """The one that the address names, which is asked for instead of what the VM is now."""
    name = request.GET.get("snapshot", "")
    return snapshots.get_or_404(vm, name) if name else None


def page(request: HttpRequest, vm: VirtualMachine, form: Clone, filled: Clone, status: int = 200) -> HttpResponse:
    return render(request, "vms/clone.html", {"vm": vm, "form": form, **told(request, vm, filled)}, status=status)


def told(request: HttpRequest, vm: VirtualMachine, form: Clone) -> dict[str, Any]:
    """What the box beside the form says; what is in the way, where nothing can be made of it."""
    actor = session_actor(request)
    if not form.is_valid():
        return {"plan": None, "wrong": form.wrong()}
    wish = form.wish()
    try:
        plan = plan_clone(actor, vm, wish)
    except NotFresh:
        # It is asked for when the form is sent.
        return {"plan": None, "wrong": []}
    except BadFields as bad:
        form.refuse(bad)
        return {"plan": None, "wrong": form.wrong()}
    except RequestRefused as refused:
        return {"plan": None, "wrong": [sentence(refused.code, refused.params)]}
    return {
        "plan": plan,
        "name": names(wish.name, wish.count)[0],
        "count": wish.count,
        "host_name": plan.host.name if plan.host.pk in seen_hosts(actor, [plan.host]) else "",
        "disk_kib": plan.takes["disk_bytes"] // 1024,
        "new": [disk for disk in plan.params.disks if "of" in disk],
        "warnings": [warning(each.code, each.params) for each in plan.warnings],
        "quota": room(actor, plan.takes),
        "xml": plan.document.text,
    }
