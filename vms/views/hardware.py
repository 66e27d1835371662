"""What a VM is made of: the list of its parts, a form for one, and what the form would change."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from vms.errors import BadFields, NothingChanges, RequestRefused, WrongState
from vms.forms.hardware import Added, Shaped
from vms.kinds import whole_number
from vms.kinds.moving import MOVE
from vms.kinds.shaping import SHAPE
from vms.libvirtxml.shaping import SORTS, Part
from vms.models import VirtualMachine
from vms.permissions import get_vm_or_404, held
from vms.services import (
    agent,
    detached,
    history,
    moving,
    offered,
    placing,
    protection,
    shape_words,
    shaped_with,
    shaping,
    systems,
)
from vms.services.actors import session_actor
from vms.services.sentences import sentence
from vms.services.shaping import Draft, Machine, Wish
from vms.views import going
from vms.views.vms import tab_context

FIRST = "overview"
ADD = "add"
MOVES = frozenset(MOVE.privileges)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_hardware(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The list and the form of ?part=, the first where none is said; sent, what it changes (look), or the change is
    asked for."""
    vm = get_vm_or_404(request.user, pk, to=SHAPE.privileges[0])
    try:
        there = shaping.machine(vm)
    except WrongState:
        return render(request, "vms/hardware_unread.html", tab_context(request, vm, "hardware"))
    form, wish = read(request, there)
    asking = request.GET.get("ask") == "remove" and request.GET.get("part") != ADD
    if request.method != "POST" and asking:
        wish = Wish(remove=chosen(request, there).key)
    looks = wish is not None and "look" in request.POST
    if request.method == "POST" and wish is not None and not looks:
        with going.refusals(form):
            shaping.ask(session_actor(request), vm, wish)
            key = request.GET.get("part", FIRST)
            gone = bool(wish.remove or wish.add or "bus" in wish.sets.get(key, {}))
            return redirect(reverse("vm-hardware", args=[vm.pk]) + ("" if gone else f"?part={key}"))
    return render(
        request, "vms/hardware.html",
        {
            **tab_context(request, vm, "hardware"),
            **shown(request, vm, there, form),
            **told(request, vm, there, form, wish),
            "asking": asking,
            "coming": history.is_coming(vm, there.sha256),
        },
        status=400 if request.method == "POST" and not looks else 200,
    )  # fmt: skip


@login_required
@require_POST
def vm_hardware_preview(request: HttpRequest, pk: int) -> HttpResponse:
    """What would be changed by the form as it is now."""
    vm = get_vm_or_404(request.user, pk, to=SHAPE.privileges[0])
    there = shaping.machine(vm)
    form, wish = read(request, there)
    context = {
        "vm": vm, "part": chosen(request, there), "sort": adding(request), "form": form, "runs": there.live is not None,
    }  # fmt: skip
    return render(request, "vms/_hardware_change.html", {**context, **told(request, vm, there, form, wish)})


@login_required
@require_POST
def vm_move_disk(request: HttpRequest, pk: int) -> HttpResponseBase:
    """To another pool; back at the disk, above which its progress stands."""
    vm = get_vm_or_404(request.user, pk, to=MOVE.privileges[0])
    part, pool = request.POST.get("part", ""), whole_number(request.POST.get("pool", ""))
    if why := going.refusal(lambda: moving.ask(session_actor(request), vm, part, pool)):
        messages.error(request, why)
    return redirect(reverse("vm-hardware", args=[vm.pk]) + f"?{urlencode({'part': part})}")


@login_required
@require_POST
def vm_protect(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It may not be deleted or forced off, or may be again."""
    vm = get_vm_or_404(request.user, pk, to=protection.PRIVILEGE)
    protection.protect(session_actor(request), vm, protected=request.POST.get("protected") == "1")
    return redirect("vm-hardware", vm.pk)


def read(request: HttpRequest, there: Machine) -> tuple[Any, Wish | None]:
    """The form of the page's address, and what it wishes for as it was sent; None for one that was not sent or does not
    fit."""
    data = request.POST if request.method == "POST" else None
    seen = request.POST.get("seen", "")
    apply = request.POST.get("apply", "both")
    if sort := adding(request):
        disks = shaped_with.disks_for(request.user, there.host, there.vm) if sort == "disk" else ()
        networks = placing.usable_networks(request.user, there.host) if sort == "card" else ()
        pools = placing.usable_pools(request.user, there.host) if sort == "disk" else ()
        offers = offered.offers_for(request.user, there.host, sort) if sort in ("hostdev", "folder") else ()
        add = Added(sort, data, disks=disks, networks=networks, pools=pools, offers=offers)
        return add, Wish(add=sort, said=add.said(), apply=apply, seen=seen) if data and add.is_valid() else None
    part = chosen(request, there)
    forms = {lens.form for lens in part.lenses}
    made = partial(
        Shaped, part, there.values(part), there.now(part),
        media=shaped_with.media_for(request.user, there.host) if "medium" in forms else (),
        networks=placing.usable_networks(request.user, there.host) if "network" in forms else (),
        may=held(request.user, there.vm),
        offered={name: shaping.host_has(there, name) for name in shaping.OFFERED},
        left_out=shaping.left_out(there),
    )  # fmt: skip
    form = made(data)
    if data is None and (given := form.filled(request.GET)):
        form = made(given)
        if form.is_valid() and (wished := form.wished()):
            return form, Wish(sets={part.key: wished}, apply=chosen_apply(request))
    if data is None:
        return form, None
    if request.POST.get("remove"):
        return form, Wish(remove=part.key, apply=apply, seen=seen) if form.is_valid() else None
    if not form.is_valid():
        return form, None
    return form, Wish(sets={part.key: form.wished()}, apply=apply, seen=seen)


def chosen_apply(request: HttpRequest) -> str:
    """From when on it is to be so, by the page's address: at the next start alone, or now too."""
    return "next" if request.GET.get("apply") == "next" else "both"


def adding(request: HttpRequest) -> str:
    """The sort of device that is to be added, "" for none."""
    sort = request.GET.get("sort", "")
    return sort if request.GET.get("part") == ADD and sort in SORTS else ""


def chosen(request: HttpRequest, there: Machine) -> Part:
    """Http404 for one that it has not."""
    key = request.GET.get("part", "")
    return shaping.part_or_404(there, FIRST if key in ("", ADD) else key)


def shown(request: HttpRequest, vm: VirtualMachine, there: Machine, form: Any) -> dict[str, Any]:
    """The list, and what stands above and below the form."""
    is_adding, sort = request.GET.get("part") == ADD, adding(request)
    part = chosen(request, there)
    rows = [row(there, one, "" if is_adding else part.key) for one in there.parts]
    rights = held(request.user, vm)
    volume = None if is_adding else shaping.volume_of(request.user, there, part)
    return {
        "rows": [one for one in rows if one["sort"] != "controller"],
        "controllers": [one for one in rows if one["sort"] == "controller"],
        "detached": detached.detached(request.user, there),
        "picked": "part" in request.GET,
        "part": part,
        "adding": is_adding,
        "sort": sort,
        "title": shape_words.sort_word(sort) if sort else shape_words.part_word(part),
        "sorts": [(name, shape_words.sort_word(name)) for name in shaping.addable(there)],
        "form": form,
        "systems": [one.name for one in systems.named()] if part.key == FIRST else [],
        "about": [] if is_adding else about(there, part),
        "volume": volume,
        "on_disk": agent.on_disk(vm, part.key, volume, may_view=agent.VIEW in rights)
        if part.sort == "disk" and not is_adding
        else None,
        "xml": "" if is_adding or part.key == part.sort else part.text,
        "moving": moving.offer(request.user, there, part, volume) if not is_adding and rights >= MOVES else None,
        "mark": there.mark,
        "apply": chosen_apply(request),
        "runs": there.live is not None,
        "is_new": not is_adding and there.is_new(part),
        "protected": vm.protected,
        "may_label": "vm.label" in rights,
        "may_protect": protection.PRIVILEGE in rights,
    }


def about(there: Machine, part: Part) -> list[tuple[str, str]]:
    return shape_words.machine_words(there) if part.key == FIRST else shape_words.about_words(part)


def row(there: Machine, part: Part, chosen: str) -> dict[str, Any]:
    about = part.about
    # A tablet is a tablet.
    typed = "" if part.sort == "input" else about.get("type", "")
    said = {
        "cpu": str(part.values.get("cpus", "")),
        "memory": shape_words.value_word("memory", part.values.get("memory")),
        "boot": str(part.values.get("boot_order", "")),
        "disk": about.get("source", "").rpartition("/")[2],
        "interface": about.get("network") or about.get("bridge", ""),
        "channel": about.get("channel", ""),
    }  # fmt: skip
    return {
        "key": part.key,
        "sort": part.sort,
        "word": shape_words.part_word(part),
        "said": said.get(part.sort, about.get("own_model") or about.get("model") or typed),
        "waits": bool(there.now(part)) or there.is_new(part),
        "chosen": part.key == chosen,
    }


def told(request: HttpRequest, vm: VirtualMachine, there: Machine, form: Any, wish: Wish | None) -> dict[str, Any]:
    """What the form would change: its words, its lines of XML, and what is in the way."""
    if wish is None:
        return {"wrong": [error for errors in form.errors.values() for error in errors] if form.is_bound else []}
    try:
        made = shaping.draft(session_actor(request), vm, wish)
    except NothingChanges:
        return {}
    except BadFields as bad:
        form.refuse(bad)
        return {"wrong": [error for errors in form.errors.values() for error in errors]}
    except RequestRefused as refused:
        return {"wrong": [sentence(refused.code, refused.params)]}
    return {"draft": made, "removing": bool(wish.remove), **words(request, vm, there, made)}


def words(request: HttpRequest, vm: VirtualMachine, there: Machine, made: Draft) -> dict[str, Any]:
    runs = there.live is not None
    missing = sorted(set(made.needs) - held(request.user, vm))
    return {
        "changes": [shape_words.change_word(change, runs=runs) for change in made.changes],
        "number": sum(1 for sign, _ in made.diff if sign in "+-"),
        "missing": [
            gettext("This needs the right {privilege}, which you do not hold here.").format(privilege=one)
            for one in missing
        ],
        "roots": "vm.define" in made.needs,
    }
