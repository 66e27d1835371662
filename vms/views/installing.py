"""The CD that a VM was installed from."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from vms.kinds.media import EJECT
from vms.permissions import get_vm_or_404
from vms.services import installing
from vms.services.actors import session_actor


@login_required
@require_POST
def vm_keep_cd(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Leave it in, and ask no more; back on the VM's page, which an open one fetches again by itself."""
    vm = get_vm_or_404(request.user, pk, to=EJECT.privileges[0])
    installing.keep(session_actor(request), vm)
    return HttpResponse(status=204) if "HX-Request" in request.headers else redirect("vm", pk)
