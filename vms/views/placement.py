"""Which VM can go to which host: a table of both."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from vms.kinds import whole_number
from vms.kinds.migration import MIGRATE
from vms.models import Host
from vms.permissions import seen_hosts, visible_vms
from vms.services import placement
from vms.services.lists import LONGEST_QUERY
from vms.services.placement_lines import lines

PAGE: Final = 50
# So many hosts beside each other; of more each is asked for by itself.
MOST_HOSTS: Final = 12


@login_required
@require_safe
def moves(request: HttpRequest) -> HttpResponseBase:
    """A page of the VMs that he may move, with the hosts to which he may; ?q= is part of a name, ?host= where they are,
    ?to= one host."""
    who = request.user
    hosts = placement.targets(who)
    q = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]
    here, there = chosen(request, "host", hosts), chosen(request, "to", hosts)
    found = visible_vms(who, MIGRATE.privileges[0]).filter(templated_at=None).order_by("name", "pk")
    found = found.filter(placement__name__icontains=q) if q else found
    found = found.filter(placement__host=here) if here else found
    shown = [there] if there else hosts[:MOST_HOSTS]
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    told = lines(who, placement.matrix(who, page.object_list, shown))
    rows = [(line.verdict.vm, [line, *rest]) for _, (line, *rest) in groupby(told, lambda line: line.verdict.vm.pk)]
    seen = seen_hosts(who, hosts)
    asked = {"q": q, "host": here and here.pk, "to": there and there.pk}
    context = {
        "rows": rows,
        "hosts": shown,
        "all_hosts": hosts,
        "more": len(hosts) - len(shown) if not there else 0,
        "seen": seen,
        "page": page,
        "numbers": page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "q": q,
        "here": here,
        "to": there,
        "query": f"?{urlencode({name: value for name, value in asked.items() if value})}",
    }
    return render(request, "hosts/moves.html", context)


def chosen(request: HttpRequest, name: str, hosts: Sequence[Host]) -> Host | None:
    """The host of that number, None where none is asked for; 404 for one that is none of them."""
    asked = request.GET.get(name, "")
    found = next((host for host in hosts if host.pk == whole_number(asked)), None)
    if asked and found is None:
        raise Http404
    return found
