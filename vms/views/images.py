"""Images: what can be installed from, where its copies are, and what can be fetched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from vms.errors import BadFields
from vms.forms.images import Copy, Fetch, FromCatalogue
from vms.models import Image, Operation, StoragePool
from vms.permissions import Actor, get_image_or_404, get_volume_or_404, publishing_pools, visible_pools
from vms.services import images
from vms.services.actors import session_actor
from vms.services.image_lines import catalogue, make_lines
from vms.services.lists import LONGEST_QUERY
from vms.views.vms import PAGE


@login_required
@require_safe
def image_list(request: HttpRequest) -> HttpResponseBase:
    """A page of those that he may install from; ?q= is part of a name. Below it what can be fetched."""
    return list_page(request)


@login_required
@require_POST
def image_fetch(request: HttpRequest) -> HttpResponseBase:
    """Ask for one, from the catalogue or an address; to the operation, or back with the reason."""
    actor = session_actor(request)
    pools = images.pools_to_fill(actor)
    by_entry = "entry" in request.POST
    form = from_catalogue(pools, actor, request.POST) if by_entry else Fetch(pools, actor, request.POST)
    if form.is_valid():
        given = {name: form.cleaned_data[name] for name in form.cleaned_data if name != "pool"}
        try:
            return to_operation(images.fetch(actor, form.chosen(), **given))
        except BadFields as bad:
            form.refuse(bad)
    return list_page(request, form)


@login_required
@require_safe
def image(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What it is, where its copies are, and what one may do with it."""
    return image_page(request, get_image_or_404(request.user, pk))


@login_required
@require_POST
def image_copy(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for a copy of it in another pool; to the operation, or back with the reason."""
    actor, found = session_actor(request), get_image_or_404(request.user, pk)
    form = Copy(images.pools_without(actor, found), actor, request.POST)
    if form.is_valid():
        try:
            return to_operation(images.copy(actor, found, form.chosen(), name=form.cleaned_data["name"]))
        except BadFields as bad:
            form.refuse(bad)
    return image_page(request, found, form)


@login_required
@require_POST
def image_offer(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Offer it to others; sent with offered=no, take that back."""
    found = get_image_or_404(request.user, pk)
    images.publish(session_actor(request), found, offered=request.POST.get("offered") != "no")
    return redirect("image", found.pk)


@login_required
@require_POST
def volume_image(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Read the volume, which is an image from then on; to the operation."""
    return to_operation(images.check(session_actor(request), get_volume_or_404(request.user, pk, to="copy")))


def to_operation(operation: Operation) -> HttpResponseBase:
    return redirect("operation", operation.pk)


def from_catalogue(pools: Iterable[StoragePool], actor: Actor, *given: Any) -> FromCatalogue:
    """Its fields stand beside those of the other form."""
    return FromCatalogue(pools, actor, *given, auto_id="catalogue_%s")


def list_page(request: HttpRequest, form: Fetch | FromCatalogue | None = None) -> HttpResponse:
    """With what was entered and refused."""
    q = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]
    found = images.find_images(request.user)
    paginator = Paginator(found.filter(name__icontains=q) if q else found, PAGE)
    page = paginator.get_page(request.GET.get("page"))
    pools = list(images.pools_to_fill(request.user))
    actor = session_actor(request)
    context = {
        "lines": make_lines(page.object_list, request.user),
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "q": q,
        "query": f"?{urlencode({'q': q} if q else {})}",
        "offers": catalogue() if pools else [],
        "chosen": form if isinstance(form, FromCatalogue) else from_catalogue(pools, actor),
        "form": form if isinstance(form, Fetch) else Fetch(pools, actor),
        "may_fetch": bool(pools),
    }
    return render(request, "images/list.html", context, status=400 if form else 200)


def image_page(request: HttpRequest, found: Image, form: Copy | None = None) -> HttpResponse:
    actor = session_actor(request)
    [line] = make_lines([found], actor)
    pools = images.pools_without(actor, found)
    mine = publishing_pools(actor).filter(storage__in=[place.copy.volume.storage_id for place in line.places])
    context = {
        "line": line,
        "image": found,
        "form": form or Copy(pools, actor, initial={"name": line.places[0].copy.volume.name if line.places else ""}),
        "may_copy": bool(pools),
        "may_offer": mine.exists(),
        "may_read": images.unread(actor, found),
        "seen_pools": set(visible_pools(actor).values_list("pk", flat=True)),
    }
    return render(request, "images/image.html", context, status=400 if form else 200)
