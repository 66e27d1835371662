"""What a person sets for himself."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from vms.errors import BadFields
from vms.services import own_password, time_zones
from vms.services.actors import session_actor
from vms.services.grant_lines import make_lines
from vms.services.grants import own_grants
from vms.services.quota_lines import of_user
from vms.views.frame import THEME_COOKIE, THEMES
from vms.views.vms import PAGE

YEAR = 365 * 86400


@login_required
@require_safe
def account(request: HttpRequest) -> HttpResponseBase:
    """Who one is here, what one may, and how pages look."""
    actor = session_actor(request)
    page = Paginator(own_grants(actor.user), PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "numbers": page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "query": "?",
        "lines": make_lines(page.object_list, actor),
        "zones": time_zones.names(),
        "quotas": of_user(actor.user),
    }
    return render(request, "account/account.html", context)


@login_required
@require_POST
def account_time_zone(request: HttpRequest) -> HttpResponseBase:
    """Tell times in that zone."""
    try:
        time_zones.choose(session_actor(request), request.POST.get("time_zone", ""))
    except BadFields:
        messages.error(request, gettext("Choose a time zone of the list."))
    return redirect("account")


@login_required
@require_POST
def set_theme(request: HttpRequest) -> HttpResponseBase:
    """Remember light, dark or auto in a cookie; back to where one was."""
    to = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(to, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    # redirect() would take a bare word for the name of a view
    response = HttpResponseRedirect(to) if safe else redirect("overview")
    if request.POST.get("theme") in THEMES:
        response.set_cookie(
            THEME_COOKIE, request.POST["theme"], max_age=YEAR, samesite="Lax", secure=request.is_secure()
        )  # the page's own switch writes it too, so it is not HttpOnly
    return response


@login_required
@require_POST
def keep_password(request: HttpRequest) -> HttpResponseBase:
    """No longer offer to change the password that the dashboard made."""
    own_password.keep(session_actor(request))
    return redirect("overview")
