"""What a person sets for himself."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from vms.services import own_password
from vms.services.actors import session_actor
from vms.views.frame import THEME_COOKIE, THEMES

YEAR = 365 * 86400


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
