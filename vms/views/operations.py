"""Operations and the stream of everything that happened."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from vms.errors import NotAllowed, RequestRefused
from vms.kinds import KINDS
from vms.permissions import get_operation_or_404
from vms.services import operations
from vms.services.actors import session_actor
from vms.services.attention import again, may_read, way_out
from vms.services.batches import Batch, find_batch
from vms.services.move_words import figures, no_way_back
from vms.services.sentences import sentence
from vms.services.stream import stream
from vms.services.telling import as_told, lines_told
from vms.views.vms import PAGE, chosen_part, parse_before


@login_required
@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    """All that the user may see, newest first; ?only= a part of it, ?batch= what was asked in one stroke."""
    batch = chosen_batch(request)
    part = chosen_part(request)
    entries = stream(
        request.user, batch=batch.id if batch else None, only=part["only"], before=parse_before(request), most=PAGE
    )
    return render(request, "activity/activity.html", {"entries": entries, "most": PAGE, "batch": batch, **part})


def chosen_batch(request: HttpRequest) -> Batch | None:
    """What was asked for in one stroke, of ?batch=; 404 where there is nothing of it to see."""
    asked = request.GET.get("batch", "")
    if not asked:
        return None
    try:
        found = find_batch(request.user, UUID(asked))
    except ValueError:
        raise Http404 from None
    if found is None:
        raise Http404
    return found


@login_required
@require_safe
def running(request: HttpRequest) -> HttpResponse:
    """What runs now, for the frame of an open page."""
    return render(request, "parts/running.html")


@login_required
@require_safe
def operation(request: HttpRequest, pk: int) -> HttpResponse:
    """What was asked for, how far it is, its log, and why it failed."""
    [found] = as_told(request.user, [get_operation_or_404(request.user, pk)])
    kind = KINDS.get(found.kind)
    ended = not found.is_open
    context = {
        "operation": found,
        "log": lines_told(found, found.log.all()),
        "figures": figures(found),
        "no_way_back": no_way_back(found),
        "cancellable": may_read(found, request.user)
        and not no_way_back(found)
        and (found.state in ("queued", "waiting") or bool(kind and kind.cancellable and found.state == "running")),
        "try_again": again(found, request.user) if ended and found.state != "succeeded" else None,
        "way_out": way_out(found, request.user) if ended else None,
    }
    return render(request, "activity/operation.html", context)


@login_required
@require_POST
def operation_cancel(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for its end."""
    found = get_operation_or_404(request.user, pk)
    try:
        operations.cancel(found, actor=session_actor(request))
    except NotAllowed:
        raise
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
    return back(request, found.pk)


@login_required
@require_POST
def operation_read(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A failure that was read no longer asks for attention."""
    found = get_operation_or_404(request.user, pk)
    operations.mark_read(found, actor=session_actor(request))
    return back(request, found.pk)


def back(request: HttpRequest, pk: int) -> HttpResponseBase:
    """204 for a page that renews itself; else to where the form says, on this site only."""
    if "HX-Request" in request.headers:
        return HttpResponse(status=204)
    to = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(to, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return HttpResponseRedirect(to)  # redirect() would take a bare word for the name of a view
    return redirect("operation", pk)
