"""Hosts: what they are and what stands on them."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from vms.errors import RequestRefused
from vms.kinds import KINDS
from vms.permissions import get_host_or_404, may, visible_hosts
from vms.services import operations
from vms.services.actors import session_actor
from vms.services.attention import again, open_operations, unread_failures
from vms.services.freshness import freshness
from vms.services.hosts import readiness
from vms.services.lists import find_vms
from vms.services.overview import host_lines, stream
from vms.services.rows import SHOWN, make_rows
from vms.services.sentences import sentence
from vms.views.vms import PAGE, row_context


@login_required
@require_safe
def host_list(request: HttpRequest) -> HttpResponseBase:
    """All hosts; with one, straight to its page."""
    hosts = list(visible_hosts(request.user)[:2])
    if len(hosts) == 1:
        return redirect("host", hosts[0].pk)
    return render(request, "hosts/list.html", {"lines": host_lines(request.user)})


@login_required
@require_safe
def host(request: HttpRequest, pk: int) -> HttpResponse:
    """Facts, networks, pools, what is missing, its VMs, what happened."""
    found = get_host_or_404(request.user, pk)
    vms = find_vms(request.user, host=found.pk)
    failure = unread_failures(request.user).filter(host=found, target_kind="host").first()
    context = {
        "host": found,
        "fresh": freshness(found),
        "ready": readiness(found),
        "may_maintain": may(request.user, "host.maintain", found),
        "working": open_operations(request.user).filter(host=found, target_kind="host").first(),
        "failure": failure,
        "try_again": again(failure, request.user) if failure else None,
        "count": vms.count(),
        "rows": make_rows(list(vms.only(*SHOWN)[:PAGE])),
        "entries": stream(request.user, host=found, most=8),
        **row_context(many_hosts=False),
    }
    return render(request, "hosts/host.html", context)


@login_required
@require_POST
def host_get_ready(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for network and pool "default", where they are absent or stopped."""
    found = get_host_or_404(request.user, pk)
    try:
        operations.request(KINDS["host.get-ready"], found, actor=session_actor(request))
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
    return redirect("host", found.pk)
