"""Numbers for Prometheus, and the pages with charts."""

from __future__ import annotations

import csv
import time
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from vms.metrics import HOST, POOL, VM, Family, series_of
from vms.permissions import get_host_or_404, get_pool_or_404, get_vm_or_404, may, visible_vms
from vms.services import charts, failures, metrics, prometheus
from vms.services.actors import client_address
from vms.views.health import asker
from vms.views.vms import asked_ids, tab_context


@require_safe
def scrape(request: HttpRequest) -> HttpResponse:
    """All numbers, for who may read them all: by a token, or in his session."""
    who = asker(request)
    if who is None:
        if "Authorization" in request.headers:
            failures.count("token", client_address(request))
        return HttpResponse("A token is needed.\n", "text/plain", 401, headers={"WWW-Authenticate": "Bearer"})
    if not may(who, prometheus.PRIVILEGE):
        return HttpResponse(f"It needs {prometheus.PRIVILEGE}.\n", "text/plain", 403)
    return HttpResponse(prometheus.exposition(who), prometheus.CONTENT_TYPE)


@login_required
@require_safe
def vm_metrics(request: HttpRequest, pk: int) -> HttpResponse:
    """Its charts; ?span= says how far back, ?of= what of each step."""
    vm = get_vm_or_404(request.user, pk)
    return render(request, "vms/metrics.html", {**tab_context(request, vm, "metrics"), **drawn(request, VM, pk)})


@login_required
@require_safe
def host_metrics(request: HttpRequest, pk: int) -> HttpResponse:
    """Its charts; ?span= says how far back, ?of= what of each step."""
    host = get_host_or_404(request.user, pk)
    context = {
        "host": host, "tab": "metrics", "may_maintain": may(request.user, "host.maintain", host),
        **drawn(request, HOST, pk),
    }  # fmt: skip
    return render(request, "hosts/metrics.html", context)


@login_required
@require_safe
def pool_metrics(request: HttpRequest, pk: int) -> HttpResponse:
    """Its space over time; ?span= says how far back, ?of= what of each step."""
    pool = get_pool_or_404(request.user, pk)
    return render(request, "pools/metrics.html", {"pool": pool, **drawn(request, POOL, pk)})


@login_required
@require_safe
def vm_compare(request: HttpRequest) -> HttpResponse:
    """The VMs of ?ids= over each other, at most eight; ?span= says how far back. 404 where one is none that he sees."""
    asked = list(dict.fromkeys(asked_ids(request)))[: charts.MOST_BESIDE]
    found = visible_vms(request.user).in_bulk(asked)
    if not asked or len(found) < len(asked):
        raise Http404
    vms = [found[pk] for pk in asked]
    context = {
        "charts": charts.BESIDE,
        **looked_at(request),
        "vms": [(vm, ",".join(str(other.pk) for other in vms if other != vm)) for vm in vms],
        "sources": [reverse("api-1:vm-metrics", args=[vm.pk]) for vm in vms],
        "names": [vm.name for vm in vms],
        "kept": f"ids={','.join(map(str, asked))}&",
    }
    return render(request, "vms/compare.html", context)


@login_required
@require_safe
def vm_metrics_csv(request: HttpRequest, pk: int) -> HttpResponse:
    return table(request, VM, get_vm_or_404(request.user, pk).pk, f"vm-{pk}")


@login_required
@require_safe
def host_metrics_csv(request: HttpRequest, pk: int) -> HttpResponse:
    return table(request, HOST, get_host_or_404(request.user, pk).pk, f"host-{pk}")


@login_required
@require_safe
def vm_sparks(request: HttpRequest) -> JsonResponse:
    """{vm id: its processors' share in percent over the last hour, a value each two minutes and null where nothing was
    measured} for those of ?ids= that the user may see and that ran."""
    seen = list(visible_vms(request.user).filter(pk__in=asked_ids(request)).values_list("pk", flat=True))
    return JsonResponse(metrics.last_hour(VM, seen, "cpu"))


@login_required
@require_safe
def pool_metrics_csv(request: HttpRequest, pk: int) -> HttpResponse:
    return table(request, POOL, get_pool_or_404(request.user, pk).pk, f"pool-{pk}")


def drawn(request: HttpRequest, family: Family, pk: int) -> dict[str, Any]:
    """What the page with the charts of one thing needs."""
    return {
        "charts": charts.CHARTS[family],
        **looked_at(request),
        "sources": [reverse(f"api-1:{family.name}-metrics", args=[pk])],
        "events": "" if family is POOL else reverse(f"api-1:{family.name}-events", args=[pk]),
        "as_csv": reverse(f"{family.name}-metrics-csv", args=[pk]),
    }


def looked_at(request: HttpRequest) -> dict[str, Any]:
    """How far back by ?span=, and what of each step by ?of=, with all that can be chosen."""
    return {
        "spans": charts.SPANS,
        "span": charts.span(request.GET.get("span", "")),
        "ofs": charts.OFS.items(),
        "of": charts.of(request.GET.get("of", "")),
    }


def table(request: HttpRequest, family: Family, thing: int, name: str) -> HttpResponse:
    """All series of ?span= and ?of= as CSV, with times in UTC."""
    span, of = charts.span(request.GET.get("span", "")), charts.of(request.GET.get("of", ""))
    answer = metrics.over_time(family, thing, tuple(series_of(family)), start=time.time() - span.seconds, of=of)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    name = f"{name}-{span.name}" + ("-highest" if of == "highest" else "")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    head, *lines = charts.table(family, answer)
    writer = csv.writer(response)
    writer.writerow(head)
    for at, *values in lines:
        writer.writerow([f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%SZ}", *values])
    return response
