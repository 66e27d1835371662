"""Schedules: which there are, what became of their runs, and setting them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms.forms.schedules import ScheduleFields, beginning, initial
from vms.kinds import whole_number
from vms.models import Schedule
from vms.permissions import get_schedule_or_404, holds_somewhere, seen_hosts, visible_vms
from vms.services import schedules, time_zones
from vms.services.actors import session_actor
from vms.services.snapshot_words import reason_words
from vms.views import going

PAGE = 25


@login_required
@require_safe
def schedule_list(request: HttpRequest) -> HttpResponse:
    """Those that he sees, with their next times."""
    user = request.user
    page = Paginator(schedules.find_schedules(user), PAGE).get_page(whole_number(request.GET.get("page", "")) or 1)
    context = {
        "lines": schedules.make_lines(user, page.object_list),
        "page": page,
        "numbers": page.paginator.get_elided_page_range(page.number),
        "hosts": seen_hosts(user, [each.host for each in page.object_list if each.host]),
        "sets": holds_somewhere(user, schedules.NEEDS[0]),
    }
    return render(request, "schedules/list.html", context)


@login_required
@require_safe
def schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """One, with its next times and what became of its runs."""
    user = request.user
    found = get_schedule_or_404(user, pk)
    runs = Paginator(schedules.runs_of(found), PAGE).get_page(whole_number(request.GET.get("page", "")) or 1)
    vms = {row.vm_id for run in runs for row in run.snapshots.all()}
    context = {
        "line": schedules.make_lines(user, [found])[0],
        "schedule": found,
        "runs": runs,
        "numbers": runs.paginator.get_elided_page_range(runs.number),
        "seen": set(visible_vms(user).filter(pk__in=vms).values_list("pk", flat=True)),
        "hosts": seen_hosts(user, [found.host] if found.host else []),
        "is_own": found.owner == user,
        "would": would_fail(found),
    }
    return render(request, "schedules/schedule.html", context)


def would_fail(found: Schedule) -> str:
    """Why its next run would, if nothing changed; "" where it would not, and of several VMs."""
    refused = schedules.refusal(found) if found.vm and found.next_run_at else None
    return reason_words(refused.code, refused.params).capitalize() if refused else ""


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def schedule_new(request: HttpRequest) -> HttpResponseBase:
    """Ask; sent, it is set. ?vm= is the one that it is to be of."""
    actor = session_actor(request)
    chosen = schedules.settable(actor).filter(pk=whole_number(request.GET.get("vm", "")) or 0)
    here = timezone.get_current_timezone_name()
    zone = here if here in time_zones.names() else "UTC"
    begins = beginning(zone)
    if chosen:
        begins |= {"of": f"vm:{chosen[0].pk}", "name": gettext("nightly"), "memory": schedules.needs_memory(chosen[0])}
    sent = request.POST if request.method == "POST" else None
    form = ScheduleFields(sent, who=actor, of=chosen, initial=begins)
    if request.method == "POST" and form.is_valid():
        with going.refusals(form):
            return redirect("schedule", schedules.add(actor, form.wish()).pk)
    return answer(request, form, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def schedule_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The same of one that is there; it is his from then on."""
    actor = session_actor(request)
    found = get_schedule_or_404(actor, pk)
    sent = request.POST if request.method == "POST" else None
    form = ScheduleFields(sent, who=actor, of=[found.vm] if found.vm else (), initial=initial(found))
    if request.method == "POST" and form.is_valid():
        with going.refusals(form):
            schedules.change(actor, found, form.wish())
            return redirect("schedule", found.pk)
    return answer(request, form, found)


def answer(request: HttpRequest, form: ScheduleFields, found: Schedule | None) -> HttpResponse:
    taken = found is not None and found.owner != request.user
    context: dict[str, Any] = {"form": form, "schedule": found, "taken": taken}
    return render(request, "schedules/form.html", context, status=400 if form.is_bound else 200)


@login_required
@require_POST
def schedule_switch(request: HttpRequest, pk: int) -> HttpResponseBase:
    """On, where on=1 is sent; else off."""
    actor = session_actor(request)
    found = get_schedule_or_404(actor, pk)
    on = request.POST.get("on") == "1"
    if why := going.refusal(lambda: schedules.switch(actor, found, on=on)):
        messages.error(request, why)
    return going.go(request, "schedule", pk)


@login_required
@require_POST
def schedule_run(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It is due at once."""
    actor = session_actor(request)
    found = get_schedule_or_404(actor, pk)
    if why := going.refusal(lambda: schedules.run_now(actor, found)):
        messages.error(request, why)
    return going.go(request, "schedule", pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def schedule_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask; sent, it is gone."""
    actor = session_actor(request)
    found = get_schedule_or_404(actor, pk)
    if request.method == "POST":
        schedules.remove(actor, found)
        return redirect("schedule-list")
    return render(request, "schedules/question.html", {"line": schedules.make_lines(actor, [found])[0]})
