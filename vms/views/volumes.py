"""Volumes: what lies in a pool, each one's page, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms import headers
from vms.errors import BadFields, NoPool, NotAllowed, NotFresh, RequestRefused
from vms.forms.volumes import GIB, Clone, Grow, New, Refusable
from vms.kinds import KINDS
from vms.models import Archive, ImageCopy, StoragePool, Volume
from vms.permissions import Who, get_pool_or_404, get_volume_or_404, seen_hosts, visible_pools, visible_vms
from vms.services import archives, downloads, operations, placing, volumes
from vms.services.actors import session_actor
from vms.services.attention import may_read, open_operations, unread_failures
from vms.services.lists import LONGEST_QUERY
from vms.services.sentences import sentence
from vms.services.stream import stream
from vms.views import going
from vms.views.vms import PAGE

ASKED: Final = {"wipe": volumes.wipe, "delete": volumes.delete}


@login_required
@require_safe
def volume_list(request: HttpRequest, pk: int) -> HttpResponse:
    """A page of what lies in the pool; ?q= is part of a name, ?unused=1 is what nothing uses, the oldest first."""
    pool = get_pool_or_404(request.user, pk)
    q = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]
    unused = request.GET.get("unused") == "1"
    found = volumes.listed(request.user, pool, q)
    if unused:
        found = volumes.orphans(request.user, pool).filter(name__icontains=q)
    paginator = Paginator(found, PAGE)
    page = paginator.get_page(request.GET.get("page"))
    wish = {**({"q": q} if q else {}), **({"unused": "1"} if unused else {})}
    context = {
        "pool": pool,
        "volumes": page.object_list,
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "q": q,
        "unused": unused,
        "query": f"?{urlencode(wish)}",
    }
    return render(request, "volumes/list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def volume_add(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The form; sent, the operation that makes it."""
    pool = get_pool_or_404(request.user, pk)
    form = New(volumes.formats(pool), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        wish = {"name": given["name"], "size_bytes": given["size"] * GIB, "format": given["format"]}
        asked = ask(request, form, lambda: volumes.create(session_actor(request), pool, **wish))
        if asked:
            return asked
    return render(request, "volumes/add.html", {"pool": pool, "form": form})


@login_required
@require_safe
def volume(request: HttpRequest, pk: int) -> HttpResponse:
    """What it is, who uses it, and what can be done with it."""
    return volume_page(request, get_volume_or_404(request.user, pk))


def volume_page(request: HttpRequest, found: Volume, **forms: Refusable) -> HttpResponse:
    """forms: those that were sent and refused."""
    user = request.user
    can = volumes.abilities(user, found)
    seen = volumes.users(user, found)
    try:
        pool = operations.pool_of(found)
        pools = volumes.pools_for(user, found) if "clone" in can else []
    except NoPool:
        pool, pools = None, []
    doubtful = found.is_found or found.is_swapped
    below = volumes.found(user).filter(layers=found).first()
    failure = unread_failures(user).filter(volume=found, target_kind="volume").first()
    context: dict[str, Any] = {
        "volume": found,
        "pool": pool if pool and visible_pools(user).filter(pk=pool.pk).exists() else None,
        "users": seen,
        "unused": not (seen.vms or seen.trashed or seen.other_vms or seen.layers or seen.other_layers),
        "last_vm": visible_vms(user).filter(pk=found.last_vm_id).first() if found.last_vm_id else None,
        "below": below,
        "strayed": volumes.is_strayed(found),
        "served": found.state == Volume.State.READY and found.present and not doubtful,
        "may_vouch": doubtful and found.present and volumes.may_vouch(user, found.storage),
        "can": can,
        "may_wipe": "wipe" in can and not doubtful,
        "handed_out": downloads.address(found) if "clone" in can and downloads.may_link(found) else "",
        "importable": archives.is_likely(found) and bool(placing.usable_hosts(user)),
        "packed": Archive.objects.filter(volume=found, volume__format="raw").exists(),
        "is_image": ImageCopy.objects.filter(volume=found).exists(),
        "grow": Grow(initial={"size": -(-found.capacity_bytes // GIB) + 1}),
        "clone": Clone(labelled(user, pools)) if pools else None,
        "working": open_operations(user).filter(volume=found, target_kind="volume").first(),
        "failure": failure,
        "may_read": bool(failure and may_read(failure, user)),
        "foreign": found.format in headers.FOREIGN,
        "refused": {"reason": found.refusal},
        "told": {"name": found.name, "format": found.format, "told": found.told_format},
        "entries": stream(user, volume=found, most=8),
        **forms,
    }
    return render(request, "volumes/volume.html", context)


def labelled(who: Who, pools: list[StoragePool]) -> list[tuple[StoragePool, str]]:
    """Each with what it is called: with its host where they are on several, and he sees that."""
    if len({pool.host_id for pool in pools}) < 2:
        return [(pool, pool.name) for pool in pools]
    seen = seen_hosts(who, [pool.host for pool in pools])
    return [(pool, f"{pool.name} · {pool.host.name}" if pool.host_id in seen else pool.name) for pool in pools]


@login_required
@require_POST
def volume_grow(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Let it become larger; its page with the reason where that was refused."""
    found = get_volume_or_404(request.user, pk, to="attach")
    form = Grow(request.POST)
    if form.is_valid():
        size = form.cleaned_data["size"] * GIB
        asked = ask(request, form, lambda: volumes.grow(session_actor(request), found, size_bytes=size))
        if asked:
            return asked
    return volume_page(request, found, grow=form)


@login_required
@require_POST
def volume_clone(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Copy it; its page with the reason where that was refused."""
    found = get_volume_or_404(request.user, pk, to="copy")
    try:
        pools = volumes.pools_for(request.user, found)
    except NoPool as refused:
        messages.error(request, sentence(refused.code, refused.params))
        return redirect("volume", found.pk)
    form = Clone(labelled(request.user, pools), request.POST)
    if form.is_valid():
        name = form.cleaned_data["name"]
        pool = next(pool for pool in pools if str(pool.pk) == form.cleaned_data["pool"])
        asked = ask(request, form, lambda: volumes.clone(session_actor(request), found, name=name, pool=pool))
        if asked:
            return asked
    return volume_page(request, found, clone=form)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def volume_ask(request: HttpRequest, pk: int, verb: str) -> HttpResponseBase:
    """Wipe or delete it; a GET, or a POST without the answer, is the question."""
    found = get_volume_or_404(request.user, pk, to="delete")
    if request.method != "POST" or not request.POST.get("confirmed"):
        context = {"volume": found, "kind": KINDS[f"volume.{verb}"], "users": volumes.users(request.user, found)}
        return render(request, "volumes/question.html", context)
    asked = ask(request, None, lambda: ASKED[verb](session_actor(request), found))
    return asked or redirect("volume", found.pk)


@login_required
@require_POST
def volume_check(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Look at its beginning once more."""
    found = get_volume_or_404(request.user, pk, to="attach")
    return going.ask(request, lambda: volumes.look_again(session_actor(request), found), "volume", found.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def volume_vouch(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Say that it is what it seems to be; a GET, or a POST without the answer, is the question."""
    found = get_volume_or_404(request.user, pk)
    actor = session_actor(request)
    volumes.require_administrator(actor, found.storage)
    if request.method != "POST" or not request.POST.get("confirmed"):
        context = {"name": found.name, "back": reverse("volume", args=[found.pk])}
        return render(request, "volumes/vouch.html", context)
    return going.ask(request, lambda: volumes.vouch(actor, found), "volume", found.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def pool_trust(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Say that all in it is what it seems to be, or that it is so no more; asked before."""
    found = get_pool_or_404(request.user, pk)
    actor = session_actor(request)
    volumes.require_administrator(actor, found.storage)
    if request.method != "POST" or not request.POST.get("confirmed"):
        context = {"pool": found, "name": found.name, "back": reverse("pool", args=[found.pk])}
        return render(request, "volumes/vouch.html", context)
    volumes.trust(actor, found, trusted=request.POST.get("trusted") == "true")
    return redirect("pool", found.pk)


def ask(request: HttpRequest, form: Refusable | None, do: Callable[[], Any]) -> HttpResponseBase | None:
    """To the page of what was asked for; None where it was refused, which the form says, or a message."""
    try:
        return redirect("operation", do().pk)
    except (NotAllowed, NotFresh):
        raise
    except BadFields as bad:
        if form is None:
            raise
        form.refuse(bad)
    except RequestRefused as refused:
        if form is None:
            messages.error(request, sentence(refused.code, refused.params))
        else:
            form.add_error(None, sentence(refused.code, refused.params))
    return None
