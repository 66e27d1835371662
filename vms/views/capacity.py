"""What there is, what is given and used of it, and who uses most."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from vms.models import Host
from vms.services import capacity, capacity_words
from vms.services.top import BYS, OVERS, By, Over, top

# So many hosts stand on a page, and so many storages: the fullest.
HOSTS: Final = 20
STORAGES: Final = 20


@login_required
@require_safe
def capacity_page(request: HttpRequest) -> HttpResponse:
    """?by= and ?over= say what the first VMs are found by; all of what the user may see, and no more."""
    on = capacity.given(request.user)
    hosts = list(capacity.find_hosts(request.user))
    paginator = Paginator(hosts, HOSTS)
    page = paginator.get_page(request.GET.get("page"))
    lines = capacity.host_lines(request.user, list(page.object_list), on)
    storages = capacity.storage_lines(request.user)
    context = top_context(request)
    context |= {
        "sums": capacity.sums(hosts, on),
        "hosts": [capacity_words.host_bars(line) for line in lines],
        "storages": [(line, capacity_words.storage_bar(line)) for line in storages[:STORAGES]],
        "more_storages": len(storages[STORAGES:]),
        "one_host": len(hosts) == 1,
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "query": f"?by={context['by']}&over={context['over']}",
        "tab": "capacity",
    }
    return render(request, "capacity/capacity.html", context)


def top_context(request: HttpRequest, host: Host | None = None) -> dict[str, Any]:
    """The first VMs, of the host where one is given, by what the address says."""
    by: By = one_of(request.GET.get("by", ""), BYS)
    over: Over = one_of(request.GET.get("over", ""), OVERS)
    found = top(request.user, by, over, host=host)
    return {
        "by": by,
        "over": over,
        "bys": [(name, capacity_words.BY_WORDS[name]) for name in BYS],
        "overs": [(name, capacity_words.OVER_WORDS[name]) for name in OVERS],
        "found": found,
        "total": capacity_words.value_word(by, found.total),
        "lines": [
            (line, capacity_words.value_word(by, line.value), round(100 * line.share), f"{100 * line.share:.1f}")
            for line in found.lines
        ],
    }


def one_of(text: str, names: tuple[Any, ...]) -> Any:
    """The name that it is, else the first."""
    return text if text in names else names[0]
