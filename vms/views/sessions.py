"""Who is in now, for administrators; and how long one's own session has left."""

from __future__ import annotations

from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from vms.permissions import may, require
from vms.services import consoles, sessions
from vms.services.actors import session_actor
from vms.views.vms import PAGE


@login_required
@require_safe
def session_list(request: HttpRequest) -> HttpResponse:
    """The browsers that are signed in and the consoles that are open; ?page= and ?consoles= are pages of each."""
    require(request.user, sessions.EVERYBODYS)
    signed_in = listed(request, sessions.find_living(request.user), "page")
    opened = listed(request, consoles.find_open(request.user), "consoles")
    context = {"signed_in": signed_in, "opened": opened, "here": request.session.session_key}
    return render(request, "sessions/list.html", context)


def listed(request: HttpRequest, rows: QuerySet[Any], name: str) -> dict[str, Any]:
    """The page of the rows that the parameter of that name asks for, and the numbers of those around it. The links to
    these keep where the other list is."""
    paginator = Paginator(rows, PAGE)
    page = paginator.get_page(request.GET.get(name))
    kept = request.GET.copy()
    kept.pop(name, None)
    numbers = paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return {"page": page, "numbers": numbers, "query": f"?{kept.urlencode()}"}


@login_required
@require_POST
def session_end(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Sign that browser out, and be back where one was."""
    found = sessions.find_living(request.user).filter(pk=pk).first()
    if found is None:
        raise Http404
    sessions.end(session_actor(request), found)
    return back(request)


@login_required
@require_POST
def console_close(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Have that console closed, and be back where one was."""
    found = consoles.find_open(request.user).filter(pk=pk).first()
    if found is None:
        raise Http404
    consoles.dismiss(session_actor(request), found)
    return back(request)


def back(request: HttpRequest) -> HttpResponseBase:
    """To where the form says, on this site only; else to who is in, or where one may not see that to one's own."""
    to = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(to, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return HttpResponseRedirect(to)  # redirect() would take a bare word for the name of a view
    return redirect("session-list" if may(request.user, sessions.EVERYBODYS) else "usersessions_list")


@require_POST
def session_active(request: HttpRequest) -> HttpResponse:
    """A page says that somebody clicks, types or points there; 401 where nobody is signed in any more."""
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    sessions.touch(session_actor(request))
    return HttpResponse(status=204)


@never_cache
@require_safe
def session_left(request: HttpRequest) -> HttpResponse:
    """{idle, absolute}: seconds until the session ends; 401 where it has."""
    found = UserSession.objects.filter(session_key=request.session.session_key, user=request.user.pk).first()
    if found is None:
        return HttpResponse(status=401)
    left = sessions.left(found)
    return JsonResponse({"idle": left.idle, "absolute": left.absolute})
