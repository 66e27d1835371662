"""Dumping a VM's memory: the question where to, and the operation."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from vms.errors import WrongState
from vms.forms.dump import DumpForm
from vms.kinds.dump import DUMP
from vms.models import StoragePool
from vms.permissions import get_vm_or_404
from vms.services import dump
from vms.services.actors import session_actor
from vms.services.freshness import placed
from vms.services.sentences import sentence
from vms.views.going import go, refusals
from vms.views.vms import tab_context


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_dump(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The question; answered, back on the VM's page, with the reason where it was refused."""
    vm = get_vm_or_404(request.user, pk, to=DUMP.privileges[0])
    why, pools = "", list[StoragePool]()
    try:
        pools = dump.pools(request.user, vm)
    except WrongState as refused:
        why = sentence(refused.code, refused.params)
    form = DumpForm(pools, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with refusals(form):
            dump.ask(session_actor(request), vm, form.cleaned_data["pool"])
            return go(request, "vm", vm.pk)
    context = {
        **tab_context(request, vm, "overview"), "form": form, "why": why, "pools": pools,
        "takes": dump.size(placed(vm)),
    }  # fmt: skip
    return render(request, "vms/dump.html", context)
