"""What cloud-init is told, once a VM is there."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from vms.forms.seeds import FirstBoot, as_told
from vms.kinds.seeds import WRITE_SEED
from vms.permissions import get_vm_or_404
from vms.services import seed_discs
from vms.services.actors import session_actor
from vms.services.freshness import placed
from vms.views import going
from vms.views.vms import tab_context


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_cloud_init(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What it was told, and the form; sent, back on the VM's page, with the reasons where it was refused."""
    vm = get_vm_or_404(request.user, pk, to=WRITE_SEED.privileges[0])
    seed = seed_discs.seed_of(vm)
    form = FirstBoot(request.user, request.POST if request.method == "POST" else None, initial=as_told(seed))
    if request.method == "POST" and form.is_valid():
        with going.refusals(form):
            seed_discs.write(session_actor(request), vm, form.seed_wish())
            return redirect("vm", vm.pk)
    context = {"form": form, "seed": seed, "is_off": placed(vm).state in WRITE_SEED.states}
    return render(
        request, "vms/cloud_init.html", {**tab_context(request, vm, "overview"), **context},
        status=400 if form.is_bound else 200,
    )  # fmt: skip
