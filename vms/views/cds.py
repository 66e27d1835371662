"""The CD drives of a VM beside its screen."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from vms.errors import BadFields, NotAllowed, NotFresh, RequestRefused
from vms.kinds.shaping import SHAPE
from vms.permissions import get_vm_or_404, held, require_all
from vms.services import cds
from vms.services.actors import session_actor
from vms.services.freshness import placed
from vms.services.headers import may_eject
from vms.services.sentences import field_sentence, sentence
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
    refusal = None
    try:
        cds.put_in(session_actor(request), vm, request.POST.get("drive", ""), request.POST.get("medium", ""))
    except (NotAllowed, NotFresh):
        raise
    except BadFields as bad:
        refusal = Refusal(vm, " ".join(field_sentence(code) for code in bad.errors.values()))
    except RequestRefused as refused:
        refusal = Refusal(vm, sentence(refused.code, refused.params))
    if "HX-Request" in request.headers:
        return answer(request, SHAPE, vm, refusal)
    if refusal:
        messages.error(request, refusal.text)
    return redirect("vm-console", vm.pk)
