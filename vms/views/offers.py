"""What of hosts is offered to VMs."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from vms.errors import BadFields
from vms.forms.offers import Wish
from vms.kinds import whole_number
from vms.permissions import Actor, get_host_or_404, may, require, visible_hosts
from vms.services import offers
from vms.services.actors import session_actor
from vms.views.vms import PAGE


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def offer_list(request: HttpRequest) -> HttpResponseBase:
    """A page of them, ?host= of one host; sent, the form offers a folder or a kernel."""
    actor = session_actor(request)
    form = Wish(request.POST if request.method == "POST" else None, visible_hosts(request.user))
    host = whole_number(request.GET.get("host", ""))
    of = visible_hosts(request.user).filter(pk=host).first() if host is not None else None
    if request.method == "POST":
        require(actor, offers.PRIVILEGE)
        if form.is_valid() and add(actor, form):
            return redirect(reverse("offer-list") + (f"?host={of.pk}" if of else ""))
    if of:
        form.initial["host"] = str(of.pk)
    paginator = Paginator(offers.find_offers(request.user, host), PAGE)
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "lines": offers.make_lines(page.object_list),
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "query": f"?{urlencode({'host': host} if host is not None else {})}",
        "form": form,
        "host": of,
        "may_maintain": of is not None and may(request.user, "host.maintain", of),
        "tab": "offers",
        "may_offer": may(request.user, offers.PRIVILEGE),
    }
    return render(request, "offers/list.html", context)


def add(actor: Actor, form: Wish) -> bool:
    """Whether it is offered now; else the form says why not."""
    given = form.cleaned_data
    host = get_host_or_404(actor, int(given["host"]))
    try:
        if given["kind"] == "netboot":
            offers.add_netboot(actor, host, given["name"], given["path"], given["initrd"])
        else:
            read_only = given["kind"] == "folder"
            offers.add_folder(actor, host, given["name"], given["path"], read_only=read_only, again=given["again"])
    except BadFields as bad:
        form.refuse(bad)
        return False
    return True


@login_required
@require_POST
def offer_withdraw(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It can be picked no more."""
    offers.withdraw(session_actor(request), offers.get_offer_or_404(request.user, pk))
    host = whole_number(request.GET.get("host", ""))
    return redirect(reverse("offer-list") + (f"?host={host}" if host is not None else ""))
