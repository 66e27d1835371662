from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from vms.models import User, VirtualMachine
from vms.permissions import Who, visible_hosts
from vms.services import alerts, front, own_password
from vms.services import overview as page
from vms.services.attention import again, may_read, silent_hosts, unread_failures, way_out
from vms.services.telling import as_told

# A site whose VMs are all exposed needs no longer list to hear of it, nor one whose hosts are all silent.
MOST_NAMED = 10
MOST_SILENT = 5
MOST_ALERTS = 10
# Of more hosts than these, those that do not answer are shown, and how many the others are.
MOST_HOSTS = 10


@login_required
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """What needs somebody, the hosts, the VMs by state, what happened lately; only what the user may see.

    Who sees a few VMs and nothing else begins with these.
    """
    user = request.user
    if few := front.few_vms(user):
        return few_vms(request, few)
    on = page.tally(user)
    lines = page.host_lines(visible_hosts(user), on)
    unwell = [line for line in lines if not line.is_well]
    many = len(lines) > MOST_HOSTS
    standing = alerts.standing(user)
    needs = alerts.needs(standing)
    told = {(line.alert.kind, line.alert.host_id) for line in standing}
    silent = [host for host in silent_hosts(user) if ("host_silent", host.pk) not in told]
    exposed = list(page.exposed(user)[: MOST_NAMED + 1])
    waits = list(page.waiting(user)[: MOST_NAMED + 1])
    counts = page.counts(user, on)
    numbers = {state: number for state, number in counts if state != "gone"}
    context = {
        "failures": failures(user),
        "silent": silent[:MOST_SILENT],
        "more_silent": len(silent[MOST_SILENT:]),
        "alerts": needs[:MOST_ALERTS],
        "more_alerts": len(needs[MOST_ALERTS:]),
        "old": ("watcher_behind", None) not in told and page.is_old(user, lines),
        "exposed": exposed[:MOST_NAMED],
        "more_exposed": len(exposed) > MOST_NAMED,
        "waits": waits[:MOST_NAMED],
        "more_waits": len(waits) > MOST_NAMED,
        "hosts": len(lines),
        "lines": unwell[:MOST_HOSTS] if many else lines,
        "well": len(lines) - len(unwell) if many else None,
        "total": sum(numbers.values()),
        "running": sum(numbers.get(state, 0) for state in page.RUNS),
        "counts": counts,
        "lately": page.lately(user),
        "offer_password": isinstance(user, User) and own_password.is_offered(user),
    }
    return render(request, "overview/overview.html", context)


def few_vms(request: HttpRequest, vms: list[VirtualMachine]) -> HttpResponse:
    """A card for each; the page of a single one, but for a page that renews itself."""
    if len(vms) == 1 and "X-Kvmweb-Refresh" not in request.headers:
        return redirect("vm", vms[0].pk)
    context = {"cards": front.make_cards(vms, request.user), "failures": failures(request.user)}
    context["alerts"] = alerts.needs(alerts.standing(request.user))[:MOST_ALERTS]
    return render(request, "overview/front.html", context)


def failures(who: Who) -> list[tuple[object, ...]]:
    """The unread ones, each with what may be tried again, the way out, and whether he may put it away."""
    told = as_told(who, unread_failures(who).select_related("vm", "host")[:10])
    return [(one, again(one, who), way_out(one, who), may_read(one, who)) for one in told]
