"""What a host's page leads to: whether it is fit for VMs, and its devices."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from vms import live
from vms.errors import BadFields
from vms.permissions import get_host_or_404, may
from vms.services import offers
from vms.services.actors import session_actor
from vms.services.devices import sorts
from vms.services.freshness import freshness
from vms.services.host_check import checked
from vms.services.sentences import field_sentence


@login_required
@require_safe
def host_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Line by line what is well and what to do."""
    found = get_host_or_404(request.user, pk)
    context = {
        "host": found,
        "tab": "check",
        "lines": checked(found),
        "fresh": freshness(found),
        "may_maintain": may(request.user, "host.maintain", found),
    }
    return render(request, "hosts/check.html", context)


@login_required
@require_POST
def host_check_again(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Have the watcher read the host now; the page hears when it did. Nothing is changed, so it is no operation."""
    found = get_host_or_404(request.user, pk, to="host.maintain")
    live.look(found.pk, f"hardware:{found.pk}", wait=0)
    return redirect("host-check", found.pk)


@login_required
@require_safe
def host_devices(request: HttpRequest, pk: int) -> HttpResponse:
    """Its devices, what is in one IOMMU group together."""
    found = get_host_or_404(request.user, pk)
    context = {
        "host": found,
        "tab": "devices",
        "sorts": sorts(found),
        "may_offer": may(request.user, offers.PRIVILEGE, found),
    }
    return render(request, "hosts/devices.html", context)


@login_required
@require_POST
def host_offer_device(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Offer the device of that number to VMs, by the name that it has here."""
    found = get_host_or_404(request.user, pk, to=offers.PRIVILEGE)
    sent = request.POST.get("device", "")
    number = int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 19 else 0
    device = offers.get_device_or_404(request.user, found.pk, number)
    name = f"{device.product or device.vendor or device.kind} {device.address}"[: offers.LONGEST].strip()
    try:
        offers.add_device(session_actor(request), device, name)
    except BadFields as bad:
        messages.error(request, " ".join(str(field_sentence(code)) for code in bad.errors.values()))
    return redirect("host-devices", found.pk)
