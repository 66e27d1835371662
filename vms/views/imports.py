"""Importing VMs: out of which archive, and what becomes of it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms.errors import BadFields, RequestRefused
from vms.forms.imports import Import
from vms.models import Volume
from vms.permissions import get_volume_or_404, visible_pools
from vms.services import archives, imports, plans
from vms.services.actors import session_actor
from vms.services.attention import may_read, open_operations, unread_failures
from vms.services.placing import require_somewhere
from vms.services.sentences import sentence
from vms.views import going
from vms.views.create import shown


@login_required
@require_safe
def vm_import(request: HttpRequest) -> HttpResponse:
    """What can be imported, and how something comes to be there."""
    require_somewhere(request.user)
    pools = visible_pools(request.user, "pool.upload").filter(active=True).order_by("name")
    return render(request, "vms/import.html", {"sources": archives.find_sources(request.user), "pools": pools[:20]})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def volume_import(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The form with what is in it, whose fields can be given in its address, or the button that has it read; sent, to
    the page of what is made."""
    volume = get_volume_or_404(request.user, pk, to="copy")
    require_somewhere(request.user)
    archive = archives.current(volume)
    if archive is None:
        return unread_page(request, volume)
    actor = session_actor(request)
    if request.method != "POST":
        form = Import(actor, volume, archive)
        form.initial.update({name: value for name, value in request.GET.dict().items() if name in form.fields})
        return form_page(request, volume, form, filled(form))
    form = Import(actor, volume, archive, request.POST)
    if form.is_valid():
        with going.refusals(form):
            return redirect("vm", imports.import_vm(actor, form.wish()).target_id)
    return form_page(request, volume, form, form, status=400)


@login_required
@require_POST
def volume_import_preview(request: HttpRequest, pk: int) -> HttpResponse:
    """What would be made of the form as it is now."""
    volume = get_volume_or_404(request.user, pk, to="copy")
    require_somewhere(request.user)
    archive = archives.current(volume)
    if archive is None:
        return render(request, "vms/_you_get.html", {"plan": None, "wrong": []})
    form = Import(session_actor(request), volume, archive, request.POST)
    form.is_valid()
    return render(request, "vms/_you_get.html", {"form": form, **told(request, form)})


@login_required
@require_POST
def volume_archive(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Have it read; back to where its VM is imported."""
    volume = get_volume_or_404(request.user, pk, to="copy")
    return going.ask(request, lambda: archives.read(session_actor(request), volume), "volume-import", volume.pk)


def unread_page(request: HttpRequest, volume: Volume) -> HttpResponse:
    user = request.user
    failure = unread_failures(user).filter(volume=volume, kind="archive.read").first()
    context = {
        "volume": volume,
        "working": open_operations(user).filter(volume=volume, kind="archive.read").first(),
        "failure": failure,
        "may_read": bool(failure and may_read(failure, user)),
    }
    return render(request, "vms/import_unread.html", context)


def form_page(request: HttpRequest, volume: Volume, form: Import, asked: Import, status: int = 200) -> HttpResponse:
    context = {"volume": volume, "form": form, **told(request, asked)}
    return render(request, "vms/import_of.html", context, status=status)


def filled(form: Import) -> Import:
    """The form as it would be sent from the page."""
    values = {name: "on" if value is True else value for name in form.fields if (value := form[name].value())}
    made = Import(form.who, form.volume, form.archive, values)
    made.is_valid()
    return made


def told(request: HttpRequest, form: Import) -> dict[str, Any]:
    """What the box beside the form says; what is in the way, where nothing can be made of it."""
    actor = session_actor(request)
    if form.errors:
        return {"plan": None, "wrong": form.wrong()}
    try:
        wish = imports.to_wish(actor, form.wish())
        preview = plans.preview(actor, wish)
    except BadFields as bad:
        form.refuse(bad)
        return {"plan": None, "wrong": form.wrong()}
    except RequestRefused as refused:
        return {"plan": None, "wrong": [sentence(refused.code, refused.params)]}
    return shown(actor, preview, wish)
