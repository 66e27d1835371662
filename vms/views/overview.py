from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from vms.models import User
from vms.services import overview as page
from vms.services import own_password
from vms.services.attention import again, silent_hosts, unread_failures, way_out

# A site whose VMs are all exposed needs no longer list to hear of it.
MOST_NAMED = 10


@login_required
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """What needs somebody, the hosts, the VMs by state, what happened lately; only what the user may see."""
    user = request.user
    lines = page.host_lines(user)
    failures = unread_failures(user).select_related("vm", "host")[:10]
    context = {
        "failures": [(failure, again(failure, user), way_out(failure, user)) for failure in failures],
        "silent": silent_hosts(user),
        "old": any(line.fresh == "old" for line in lines),
        "exposed": page.exposed(user)[:MOST_NAMED],
        "lines": lines,
        "total": sum(line.total for line in lines),
        "running": sum(line.running for line in lines),
        "counts": page.counts(user),
        "lately": page.lately(user),
        "offer_password": isinstance(user, User) and own_password.is_offered(user),
    }
    return render(request, "overview/overview.html", context)
