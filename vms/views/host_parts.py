"""What a host's page leads to: whether it is fit for VMs, and its devices."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from vms import live
from vms.errors import BadFields
from vms.permissions import get_host_or_404, may
from vms.services import devices, offers
from vms.services.actors import session_actor
from vms.services.freshness import freshness
from vms.services.host_check import checked, tally
from vms.services.lists import LONGEST_QUERY
from vms.services.sentences import field_sentence

# So many are on a page; fewer would part IOMMU groups for nothing.
DEVICES: Final = 100


@login_required
@require_safe
def host_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Line by line what is well and what to do."""
    found = get_host_or_404(request.user, pk)
    lines = checked(found)
    context = {
        "host": found,
        "tab": "check",
        "lines": lines,
        "tally": tally(lines),
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
    """A page of its devices, what is in one IOMMU group together. ?q= finds some of them, ?kind= those of one."""
    host = get_host_or_404(request.user, pk)
    q, kind = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY], request.GET.get("kind", "")
    kind = kind if kind in devices.KINDS else ""
    found = devices.in_order(devices.find_devices(host, q=q, kind=kind))
    paginator = Paginator(found, DEVICES)
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "host": host,
        "may_maintain": may(request.user, "host.maintain", host),
        "tab": "devices",
        "sorts": devices.sorts(page.object_list, found),
        "kinds": devices.kinds(host),
        "kind": kind,
        "q": q,
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "query": f"?{urlencode({name: value for name, value in (('q', q), ('kind', kind)) if value})}",
        "may_offer": may(request.user, offers.PRIVILEGE, host),
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
    asked = request.GET.urlencode()
    return redirect(reverse("host-devices", args=[found.pk]) + (f"?{asked}" if asked else ""))
