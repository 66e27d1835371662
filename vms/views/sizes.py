"""Sizes of new VMs, for administrators."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from vms.forms.sizes import SizeFields
from vms.kinds import whole_number
from vms.permissions import require
from vms.services import sizes
from vms.services.actors import session_actor
from vms.views import going


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def size_list(request: HttpRequest) -> HttpResponseBase:
    """All; sent, the form adds one, or changes that of ?change=."""
    actor = session_actor(request)
    require(actor, sizes.PRIVILEGE)
    asked = whole_number(request.GET.get("change", ""))
    chosen = sizes.get_size_or_404(actor, asked) if asked is not None else None
    form = SizeFields(
        request.POST if request.method == "POST" else None, initial=model_to_dict(chosen) if chosen else {}
    )
    if request.method == "POST" and form.is_valid():
        with going.refusals(form):
            if chosen:
                sizes.change(actor, chosen, form.cleaned_data)
            else:
                sizes.add(actor, form.cleaned_data)
            return redirect("size-list")
    context = {"sizes": sizes.find_sizes(), "form": form, "chosen": chosen}
    return render(request, "sizes/list.html", context, status=400 if form.is_bound else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def size_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask; sent, it is gone."""
    actor = session_actor(request)
    found = sizes.get_size_or_404(actor, pk)
    if request.method == "POST":
        sizes.remove(actor, found)
        return redirect("size-list")
    return render(request, "sizes/question.html", {"size": found})
