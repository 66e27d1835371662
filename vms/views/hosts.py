"""Hosts: what they are and what stands on them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from vms import live
from vms.errors import RequestRefused
from vms.kinds import KINDS
from vms.kinds.migration import MIGRATE
from vms.models import Happening, Host, Operation
from vms.permissions import get_host_or_404, holds_somewhere, may, require_all, visible_hosts, visible_operations
from vms.services import certificates, host_keys, links, operations
from vms.services.abilities import lacks
from vms.services.actors import session_actor
from vms.services.attention import again, may_read, open_operations, unread_failures
from vms.services.freshness import freshness
from vms.services.host_check import confinement
from vms.services.host_steps import steps
from vms.services.hosts import readiness
from vms.services.lists import LONGEST_QUERY, SHOWN, find_vms
from vms.services.overview import host_lines, tally
from vms.services.rows import make_rows
from vms.services.sentences import sentence
from vms.services.stream import stream
from vms.services.topology import nodes
from vms.views.capacity import top_context
from vms.views.vms import MOST_CHOICES, PAGE, chosen_part, parse_before, row_context

TEST = "host.test"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# So long the answer of a test stands on the page.
SHOWN_FOR = timedelta(minutes=10)


@login_required
@require_safe
def host_list(request: HttpRequest) -> HttpResponseBase:
    """A page of them, those that do not answer first; with one, straight to its page. ?q= is part of a name."""
    visible = visible_hosts(request.user)
    total, q = visible.count(), request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]
    if total == 1:
        return redirect("host", visible.get().pk)
    found = visible.filter(Q(name__icontains=q) | Q(address__icontains=q)) if q else visible
    paginator = Paginator(host_lines(found, tally(request.user)), PAGE)
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "lines": page.object_list,
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "total": total,
        "q": q,
        "query": f"?{urlencode({'q': q} if q else {})}",
        "searchable": total > MOST_CHOICES,
        "may_admin": may(request.user, "host.admin"),
        "may_move": total > 1 and holds_somewhere(request.user, MIGRATE.privileges[0]),
    }
    return render(request, "hosts/list.html", context)


@login_required
@require_safe
def host(request: HttpRequest, pk: int) -> HttpResponseBase:
    """How it is reached, facts, networks, pools, what is missing, its VMs, what happened."""
    try:
        found = get_host_or_404(request.user, pk)
    except Http404:
        return redirect("host", returned_as(request, pk).pk)
    vms = find_vms(request.user, host=found.pk)
    failure = unread_failures(request.user).filter(host=found, target_kind="host").first()
    way = reached(request, found)
    context = {
        "host": found,
        "fresh": freshness(found),
        "ready": readiness(found, request.user),
        "may_maintain": may(request.user, "host.maintain", found),
        "working": open_operations(request.user).filter(host=found, target_kind="host").first(),
        "failure": failure,
        "try_again": again(failure, request.user) if failure else None,
        "may_read": bool(failure and may_read(failure, request.user)),
        "count": vms.count(),
        "rows": make_rows(list(vms.only(*SHOWN)[:PAGE]), request.user),
        "entries": stream(request.user, host=found, most=8),
        "lacks": lacks(found.driver),
        "svirt": confinement(found.hardware) if found.driver == Host.Driver.QEMU and found.hardware else None,
        **top_context(request, found),
        **built(request, found, addresses=way["may_admin"]),
        **way,
        **row_context(many_hosts=False),
    }
    return render(request, "hosts/host.html", context)


@login_required
@require_safe
def host_activity(request: HttpRequest, pk: int) -> HttpResponse:
    """What happened to it and to the VMs on it, as far as the reader sees them; ?only= a part of it."""
    found = get_host_or_404(request.user, pk)
    part = chosen_part(request)
    context = {
        "host": found,
        "tab": "activity",
        "may_maintain": may(request.user, "host.maintain", found),
        "entries": stream(request.user, host=found, only=part["only"], before=parse_before(request), most=PAGE),
        "most": PAGE,
        **part,
    }
    return render(request, "hosts/activity.html", context)


def returned_as(request: HttpRequest, pk: int) -> Host:
    """The host that was recognised in a row which is no more (vms.inventory.machines); 404 where there is none."""
    back = Happening.objects.filter(code="host_returned", params__was=pk).order_by("-pk").first()
    if back is None or back.host_id is None:
        raise Http404
    return get_host_or_404(request.user, back.host_id)


def reached(request: HttpRequest, found: Host) -> dict[str, Any]:
    """What the page says of the way to the host, and what it offers an administrator there."""
    if not may(request.user, "host.admin", found):
        return {"may_admin": False}
    test = visible_operations(request.user).filter(host=found, kind=TEST).order_by("-pk").first()
    ways = steps(found, freshness(found), test)
    return {
        "may_admin": True,
        "steps": ways,
        "test": shown_test(test) if ways is None else None,
        "fingerprint": host_keys.fingerprint(found.host_key),
        "line": host_keys.admitting_line(found.public_key) if found.public_key else "",
        "own_until": certificates.last_day(found.certificate),
        "ca_until": certificates.last_day(found.ca_certificate),
        "now": timezone.now(),
        "cockpit": cockpit(found.address or (here(request) if found.is_here else "")),
    }


def here(request: HttpRequest) -> str:
    """The dashboard's own machine as the browser reaches it, "" where that is perhaps through a tunnel."""
    address = urlsplit(f"//{request.get_host()}").hostname or ""
    return "" if address in LOOPBACK else address


def cockpit(address: str) -> str:
    """Where Cockpit would answer on that machine; "" for one without an address."""
    return f"https://{f'[{address}]' if ':' in address else address}:9090/" if address else ""


def built(request: HttpRequest, found: Host, *, addresses: bool) -> dict[str, Any]:
    """What the page draws of it: how much is used, how it is built, its network interfaces."""
    use = used_now(found)
    shown = links.lines(found, request.user, addresses=addresses)
    return {"use": use, "nodes": nodes(found, use), "links": shown}


def used_now(found: Host) -> dict[str, Any]:
    """How much of it is used, with the processors' share in percent."""
    use = live.host_use(found.pk)
    share = use.get("cpu")
    return {**use, "percent": round(100 * share) if share is not None else None} if use else {}


def shown_test(test: Operation | None) -> Operation | None:
    """The last test, as long as its answer is worth reading; that a key was to be compared is over here."""
    if test is None or test.ended_at is None or test.error_code == "host_key_unknown":
        return None
    return test if test.ended_at > timezone.now() - SHOWN_FOR else None


@login_required
@require_POST
def host_get_ready(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for network and pool "default", where they are absent or stopped."""
    return ask(request, get_host_or_404(request.user, pk), "host.get-ready")


@login_required
@require_POST
def host_test(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for a connection, step by step; over ssh without an accepted key, for the machine's key."""
    return ask(request, get_host_or_404(request.user, pk), TEST)


def ask(request: HttpRequest, found: Host, kind: str) -> HttpResponseBase:
    actor = session_actor(request)
    require_all(actor, KINDS[kind].privileges, found)
    try:
        operations.request(KINDS[kind], found, actor=actor)
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
    return redirect("host", found.pk)
