"""Alerts: what is open, what was, the rules and the silences."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms.forms.alerts import RuleFields, SilenceFields
from vms.kinds import whole_number
from vms.permissions import get_alert_or_404, require
from vms.permissions.alerts import PRIVILEGE
from vms.services import alerts
from vms.services.actors import session_actor
from vms.views import going

PAGE = 50


@login_required
@require_safe
def alert_list(request: HttpRequest) -> HttpResponse:
    """What is open, what was (?page=), and for who sets alerts the silences that hold."""
    user = request.user
    sets = alerts.is_setter(user)
    ended = Paginator(alerts.find_alerts(user, "ended"), PAGE).get_page(whole_number(request.GET.get("page", "")) or 1)
    context = {
        "lines": alerts.standing(user),
        "ended": ended,
        "numbers": ended.paginator.get_elided_page_range(ended.number),
        "silences": alerts.find_silences(user) if sets else [],
        "sets": sets,
    }
    return render(request, "alerts/list.html", context)


@login_required
@require_POST
def alert_acknowledge(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Somebody is at it; back to where it was listed."""
    actor = session_actor(request)
    alerts.acknowledge(actor, get_alert_or_404(actor, pk))
    target = request.POST.get("next", "")
    if "HX-Request" not in request.headers and url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        return redirect(target)
    return going.go(request, "alert-list")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def alert_silence(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for how long and of what; sent, nothing more is told of it until then."""
    actor = session_actor(request)
    alert = get_alert_or_404(actor, pk)
    require(actor, PRIVILEGE)
    form = SilenceFields(request.POST if request.method == "POST" else None, alert=alert)
    if request.method == "POST" and form.is_valid():
        with going.refusals(form):
            alerts.silence(actor, alert, **form.cleaned_data)
            return redirect("alert-list")
    context = {"alert": alert, "form": form}
    return render(request, "alerts/silence.html", context, status=400 if form.is_bound else 200)


@login_required
@require_POST
def alert_silence_end(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It holds no more."""
    alerts.end_silence(session_actor(request), pk)
    return going.go(request, "alert-list")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def alert_rules(request: HttpRequest) -> HttpResponseBase:
    """All kinds with their rules; sent, the form changes that of ?change=."""
    actor = session_actor(request)
    rules = alerts.find_rules(actor)
    asked = request.GET.get("change", "")
    chosen = alerts.get_rule_or_404(actor, asked) if asked else None
    form = RuleFields(request.POST if request.method == "POST" else None, rule=chosen) if chosen else None
    if request.method == "POST":
        if form is None or chosen is None:
            return redirect("alert-rules")
        if form.is_valid():
            with going.refusals(form):
                alerts.change_rule(actor, chosen.kind, form.wish())
                return redirect("alert-rules")
    context = {"rules": rules, "chosen": chosen, "form": form}
    return render(request, "alerts/rules.html", context, status=400 if form and form.is_bound else 200)
