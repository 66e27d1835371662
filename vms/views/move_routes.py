"""By which way VMs go from a host to the others, for administrators."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from vms.errors import BadFields
from vms.models import MoveRoute
from vms.permissions import get_host_or_404
from vms.services import move_routes
from vms.services.actors import session_actor
from vms.services.sentences import field_sentence


@login_required
@require_safe
def host_moves(request: HttpRequest, pk: int) -> HttpResponseBase:
    """To each of the others, with a form for each."""
    return page(request, pk, {})


@login_required
@require_POST
def host_move_route(request: HttpRequest, pk: int, target: int) -> HttpResponseBase:
    """Set the way to that one."""
    actor = session_actor(request)
    source = get_host_or_404(actor, pk, to=move_routes.PRIVILEGE)
    to = get_host_or_404(actor, target, to=move_routes.PRIVILEGE)
    try:
        move_routes.set_route(actor, source, to, request.POST.dict())
    except BadFields as bad:
        return page(request, pk, {target: {name: field_sentence(code) for name, code in bad.errors.items()}})
    messages.success(request, gettext("VMs go to {name} so from now on.").format(name=to.name))
    return redirect("host-move-routes", source.pk)


def page(request: HttpRequest, pk: int, errors: dict[int, dict[str, str]]) -> HttpResponseBase:
    actor = session_actor(request)
    host = get_host_or_404(actor, pk, to=move_routes.PRIVILEGE)
    found = move_routes.routes(actor, host)
    for route in found:
        if route.target_id in errors:
            for name in ("way", "peer_transport", "address"):
                setattr(route, name, request.POST.get(name, "")[:255])
            route.peer = bool(request.POST.get("peer"))
    context = {
        "host": host,
        "tab": "moves",
        "routes": [(route, errors.get(route.target_id, {})) for route in found],
        "ways": MoveRoute.Way.values,
        "transports": MoveRoute.PeerTransport.values,
    }
    return render(request, "hosts/move_routes.html", context)
