"""A host's network filters, for administrators."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from vms.errors import BadFields, NotAllowed, NotFresh, RequestRefused
from vms.permissions import get_host_or_404
from vms.services import nwfilters
from vms.services.actors import session_actor
from vms.services.attention import open_operations
from vms.services.networks import PRIVILEGE
from vms.services.sentences import field_sentence, sentence

EXAMPLE = """\
<filter name="no-smtp" chain="ipv4">
  <rule action="drop" direction="out" priority="500">
    <tcp dstportstart="25"/>
  </rule>
</filter>"""


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def host_filters(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Those of the host; ?name= fills one into the form. Sent, it shows what would change, and only sent from there,
    while the host's filter is still the one that was compared with, it is set."""
    actor = session_actor(request)
    host = get_host_or_404(actor, pk, to=PRIVILEGE)
    found = nwfilters.known(host)
    error, change = "", None
    chosen = next((each.row.document for each in found if each.row.name == request.GET.get("name")), EXAMPLE)
    typed = request.POST.get("document", chosen).replace("\r\n", "\n").strip()
    if request.method == "POST":
        try:
            change = nwfilters.difference(host, typed)
            if request.POST.get("shown") == change.of and change.lines:
                nwfilters.define(actor, host, typed)
                return redirect("host-filters", host.pk)
        except (NotAllowed, NotFresh):
            raise
        except BadFields as bad:
            error = field_sentence(bad.errors.get("document", ""))
        except RequestRefused as refused:
            messages.error(request, sentence(refused.code, refused.params))
    working = open_operations(request.user).filter(host=host, kind__startswith="filter.").first()
    context = {"host": host, "filters": found, "working": working, "typed": typed, "error": error, "change": change}
    return render(request, "hosts/filters.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def host_filter_delete(request: HttpRequest, pk: int, uuid: UUID) -> HttpResponseBase:
    """Asked before; not while something names it."""
    actor = session_actor(request)
    host = get_host_or_404(actor, pk, to=PRIVILEGE)
    found = next((each for each in nwfilters.known(host) if each.row.uuid == uuid), None)
    if found is None:
        raise Http404
    if request.method != "POST" or not request.POST.get("confirmed"):
        template = "hosts/_filter_question.html" if "HX-Request" in request.headers else "hosts/filter_question.html"
        return render(request, template, {"host": host, "filter": found, "uuid": uuid})
    try:
        nwfilters.delete(actor, host, str(uuid))
    except (NotAllowed, NotFresh):
        raise
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
    return redirect("host-filters", host.pk)
