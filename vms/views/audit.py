"""What people did, for administrators: a page with filters, and the same as a file."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from vms.errors import BadParameters
from vms.kinds import whole_number
from vms.permissions import may
from vms.services import audit_export, sessions
from vms.services.actors import session_actor
from vms.services.audit_search import PRIVILEGE, Wish, find_events
from vms.views.vms import PAGE

FILTERS = {"q": "q", "actor": "actor", "object": "object", "from": "since", "to": "until"}
FORMS = {
    "csv": (audit_export.as_csv, "text/csv; charset=utf-8"),
    "json": (audit_export.as_json, "application/json"),
}


def wish_of(request: HttpRequest) -> Wish:
    """The filters in the address."""
    return Wish(**{field: request.GET.get(name, "").strip() for name, field in FILTERS.items()})


def query(request: HttpRequest) -> str:
    """The filters as they stand in an address, each with a value; "" for none."""
    kept = request.GET.copy()
    kept.clear()
    kept.update({name: request.GET[name] for name in FILTERS if request.GET.get(name)})
    return kept.urlencode()


@login_required
@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    """Fifty rows, the newest first; ?before= goes on behind a row."""
    wish = wish_of(request)
    wrong = ""
    try:
        events = find_events(session_actor(request), wish)
    except BadParameters as bad:
        wrong, events = str(bad.params["field"]), find_events(session_actor(request), Wish()).none()
    before = whole_number(request.GET.get("before", ""))
    if before is not None:
        events = events.filter(pk__lt=before)
    context = {"events": list(events[:PAGE]), "most": PAGE, "wish": wish, "wrong": wrong, "query": query(request)}
    return render(request, "activity/audit.html", context)


@login_required
@require_safe
def audit_export_file(request: HttpRequest, form: str) -> HttpResponseBase:
    """All rows that fit, as a file that is made while it is sent."""
    if form not in FORMS:
        raise Http404
    try:
        events = find_events(session_actor(request), wish_of(request))
    except BadParameters:
        raise Http404 from None
    write, kind = FORMS[form]
    name = f"audit-{timezone.now():%Y%m%d-%H%M%S}.{form}"
    return StreamingHttpResponse(
        write(events, still(request)),
        content_type=kind,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def still(request: HttpRequest) -> Callable[[], bool]:
    """Whether the session lives and may read it; asked between the parts of a file."""
    key = request.session.session_key or ""
    return lambda: may(sessions.living([key]).get(key), PRIVILEGE)
