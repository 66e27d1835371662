"""A VM's serial line: its page, and the parts of it that say how the VM stands and who else is there."""

from __future__ import annotations

from csp.constants import NONCE
from csp.decorators import csp_update
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from vms.errors import RequestRefused
from vms.kinds import whole_number
from vms.models import VirtualMachine
from vms.permissions import get_vm_or_404
from vms.services import driving
from vms.services.actors import session_actor
from vms.services.freshness import placed
from vms.services.sentences import sentence
from vms.services.serials import serial_offer
from vms.views import console_keys
from vms.views.vms import tab_context

LONGEST_DEVICE = 40


@login_required
@require_safe
@csp_update({"style-src": [NONCE]})  # type: ignore[arg-type]  # it takes any view
def vm_serial(request: HttpRequest, pk: int) -> HttpResponse:
    """The serial line ?device, else the first; ?own for a window that holds nothing else.

    xterm makes style elements: they are taken by the page's nonce.
    """
    vm = get_vm_or_404(request.user, pk, to="vm.screen")
    template = "vms/serial_own.html" if "own" in request.GET else "vms/serial.html"
    return render(request, template, context(request, vm))


@login_required
@require_safe
def vm_serial_card(request: HttpRequest, pk: int) -> HttpResponse:
    """The card and who else is there, for a page that is open; ?console is its own."""
    vm = get_vm_or_404(request.user, pk, to="vm.screen")
    return render(request, "vms/_serial_fragments.html", context(request, vm))


def context(request: HttpRequest, vm: VirtualMachine) -> dict[str, object]:
    """What every tab needs, and what is offered, who may do what, and who does."""
    device, console = chosen(request, vm), whole_number(request.GET.get("console", "")) or 0
    words = {"device": device, **({"console": str(console)} if console else {})}
    return {
        **tab_context(request, vm, "console"),
        "offer": serial_offer(vm),
        "device": device if device in placed(vm).serials else "",
        "device_shown": device,
        "console": console or "",
        "company": driving.company(session_actor(request), vm, device, console) if console else None,
        "fragment": f"{reverse('vm-serial-card', args=[vm.pk])}?{urlencode(words)}",
        **console_keys.CONTEXT,
    }


def chosen(request: HttpRequest, vm: VirtualMachine) -> str:
    """The device of ?device, which may have gone with the last run; 404 for what no device is called."""
    serials = placed(vm).serials
    asked = request.GET.get("device", "")
    if asked in serials:
        return asked
    if asked and not (asked.isascii() and asked.isprintable() and len(asked) <= LONGEST_DEVICE):
        raise Http404
    return next(iter(serials), "serial0")


@require_POST
def vm_console_take_over(request: HttpRequest, pk: int) -> HttpResponseBase:
    """{mode} of the console that the form names, which types from now on; else {code, said} with 401, 403 or 409."""
    if not request.user.is_authenticated:
        return JsonResponse({"code": "signed_out", "said": gettext("You are signed out.")}, status=401)
    vm = get_vm_or_404(request.user, pk)
    try:
        console = driving.take_over(session_actor(request), vm, whole_number(request.POST.get("console", "")) or 0)
    except RequestRefused as refused:
        status = 403 if refused.code == "not_allowed" else 409
        return JsonResponse({"code": refused.code, "said": sentence(refused.code, refused.params)}, status=status)
    return JsonResponse({"mode": console.mode})
