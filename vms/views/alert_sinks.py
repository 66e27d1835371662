"""Where alerts are told outside the dashboard, for administrators."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from vms.forms.alert_sinks import SinkChange, SinkFields
from vms.models import AlertSink
from vms.permissions import require
from vms.services import alert_sinks
from vms.services.actors import session_actor
from vms.views import going


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def alert_sinks_list(request: HttpRequest) -> HttpResponseBase:
    """All; sent, the form adds one, and the answer shows the key of a webhook."""
    actor = session_actor(request)
    sinks = alert_sinks.find_sinks(actor)
    form = SinkFields(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        require(actor, alert_sinks.PRIVILEGE)
        if form.is_valid():
            with going.refusals(form):
                sink, key = alert_sinks.add(actor, form.cleaned_data)
                return key_page(request, sink, key) if key else redirect("alert-sink", sink.pk)
    context = {"sinks": sinks, "form": form}
    return render(request, "alerts/sinks.html", context, status=400 if form.is_bound else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def alert_sink(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What arrived there lately; sent, the form changes it, and the answer shows the key where that is a new one."""
    actor = session_actor(request)
    sink = alert_sinks.get_sink_or_404(actor, pk)
    form = SinkChange(request.POST if request.method == "POST" else None, sink=sink)
    if request.method == "POST":
        require(actor, alert_sinks.PRIVILEGE)
        if form.is_valid():
            with going.refusals(form):
                key = alert_sinks.change(actor, sink, form.wish())
                return key_page(request, sink, key) if key else redirect("alert-sink", pk)
    context = {"sink": sink, "form": form, "deliveries": alert_sinks.latest(sink)}
    return render(request, "alerts/sink.html", context, status=400 if form.is_bound else 200)


@never_cache
def key_page(request: HttpRequest, sink: AlertSink, key: str) -> HttpResponse:
    """The key, in the only answer that holds it."""
    return render(request, "alerts/key.html", {"sink": sink, "text": key})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def alert_sink_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask; sent, nothing more is told there."""
    actor = session_actor(request)
    sink = alert_sinks.get_sink_or_404(actor, pk)
    if request.method == "POST":
        alert_sinks.remove(actor, sink)
        return redirect("alert-sinks")
    return render(request, "alerts/question.html", {"sink": sink})


@login_required
@require_POST
def alert_sink_test(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send a test there; its page shows whether it arrived."""
    actor = session_actor(request)
    alert_sinks.test(actor, alert_sinks.get_sink_or_404(actor, pk))
    return going.go(request, "alert-sink", pk)
