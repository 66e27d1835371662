"""What of a VM's definition applies at its next start."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from vms.kinds.power import RESTART
from vms.permissions import get_vm_or_404
from vms.services.freshness import placed
from vms.services.headers import fits, why_not
from vms.services.pending import waits
from vms.services.xml import document_of
from vms.views.vms import tab_context


@login_required
@require_safe
def vm_pending(request: HttpRequest, pk: int) -> HttpResponse:
    """Each change in words, its XML below."""
    vm = get_vm_or_404(request.user, pk, to="vm.xml.view")
    context = tab_context(request, vm, "pending")
    head = context["head"]
    restart = fits(head.rights, RESTART.name) and not why_not(RESTART, placed(vm), head.host_word)
    return render(
        request, "vms/pending.html", {**context, "waits": waits(placed(vm), document_of(vm)), "may_restart": restart}
    )
