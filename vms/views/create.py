"""Making VMs: the page, and beside it what would be made."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms.errors import BadFields, BadSeed, RequestRefused
from vms.forms.create import Create
from vms.models import Host
from vms.permissions import Actor, seen_hosts
from vms.services import adding, create, placing, plans, sizes
from vms.services.actors import session_actor
from vms.services.sentences import place_words, sentence, warning
from vms.services.wishes import Preview, Wish, names
from vms.views import going


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_new(request: HttpRequest) -> HttpResponseBase:
    """The form, whose fields can be given in its address; sent, to the console of what is made, or to the list."""
    actor = session_actor(request)
    hosts = placing.require_somewhere(request.user)
    if request.method != "POST":
        given = {"source": "", "name": create.free_name(actor), "size": sizes.usual(), "count": "1", "my_keys": "on"}
        form = Create(actor, initial={**given, **request.GET.dict()}, hosts=hosts)
        return form_page(request, form, filled(form, hosts))
    form = Create(actor, request.POST, hosts=hosts)
    wish = form.wish() if form.is_valid() else None
    if wish:
        with going.refusals(form):
            made = create.create(actor, wish)
            if len(made) > 1:
                return redirect("vm-list")
            return redirect("vm-console" if wish.start else "vm", made[0].target_id)
    return form_page(request, form, form, refused=wish, status=400)


def form_page(
    request: HttpRequest, form: Create, sent: Create, *, refused: Wish | None = None, status: int = 200
) -> HttpResponse:
    """sent: the form as it was sent, or would be. refused: what it asked for."""
    actor = session_actor(request)
    context = {**told(request, sent), "form": form, "may_add": adding.may_add(actor)}
    if refused:
        context["stopped"] = adding.stopped(actor, refused, None)
    return render(request, "vms/new.html", context, status=status)


@login_required
@require_POST
def vm_new_preview(request: HttpRequest) -> HttpResponse:
    """What would be made of the form as it is now."""
    hosts = placing.require_somewhere(request.user)
    form = Create(session_actor(request), request.POST, hosts=hosts)
    form.is_valid()
    return render(request, "vms/_you_get.html", {"form": form, **told(request, form)})


@login_required
@require_safe
def vm_new_added(request: HttpRequest, pk: int) -> HttpResponse:
    """How it stands with what he adds while the form waits, and once it is there the field with it chosen."""
    hosts = placing.require_somewhere(request.user)
    actor = session_actor(request)
    operation = adding.get_adding_or_404(actor, pk)
    chosen = adding.added(actor, operation)
    context: dict[str, Any] = {"operation": operation, "waits": not chosen and adding.is_fresh(operation)}
    if chosen:
        name, row = chosen
        form = Create(actor, initial={name: str(row)}, hosts=hosts)
        context |= {"field": form[name], "called": dict(form.fields[name].choices).get(str(row), "")}  # type: ignore[attr-defined]
    return render(request, "vms/_added.html", context)


def filled(form: Create, hosts: list[Host]) -> Create:
    """The form as it would be sent from the page; hosts: his own."""
    values = {name: form[name].value() or "" for name in form.fields}
    values["source"] = values["source"] or form.first_source
    first: Any = form.fields.get(values["source"])
    if first is not None and not values[values["source"]] and first.choices:
        values[values["source"]] = first.choices[0][0]
    made = Create(form.who, {name: value for name, value in values.items() if value}, hosts=hosts)
    made.is_valid()
    return made


def told(request: HttpRequest, form: Create, *, again: bool = True) -> dict[str, Any]:
    """What the box beside the form says; what is in the way, where nothing can be made of it. again: it is asked once
    more where what was stopped has been started between the two questions, since nothing would ask later."""
    actor = session_actor(request)
    if form.errors:
        return {"plan": None, "wrong": form.wrong()}
    wish = form.wish()
    try:
        preview = plans.preview(actor, wish)
    except BadFields as bad:
        stopped = adding.stopped(actor, wish, None)
        if again and not stopped and adding.IN_THE_WAY & set(bad.errors.values()):
            return told(request, form, again=False)
        form.refuse(bad)
        return {"plan": None, "wrong": form.wrong(), "stopped": stopped}
    except BadSeed as bad:
        form.refuse_file(bad)
        return {"plan": None, "wrong": form.wrong()}
    except RequestRefused as refused:
        return {"plan": None, "wrong": [sentence(refused.code, refused.params)]}
    return {**shown(actor, preview, wish), "stopped": adding.stopped(actor, wish, preview.plan)}


def shown(actor: Actor, preview: Preview, wish: Wish) -> dict[str, Any]:
    """What of a plan the box tells."""
    plan = preview.plan
    host = plan.place.host
    name = host.name if host.pk in seen_hosts(actor, [host]) else ""
    return {
        "plan": plan,
        "name": names(wish.name, wish.count)[0],
        "count": wish.count,
        "linked": any(disk.linked and disk.image for disk in wish.disks),
        "host_name": name,
        "where": place_words(plan.place.why, {"host": name, "of": plan.place.of}),
        "warnings": [warning(each.code, each.params) for each in preview.warnings],
        "networks": list(plan.networks.values()),
        "pools": [plan.pools[disk["pool"]].name for disk in plan.params.disks if "pool" in disk],
        "disk_kib": plan.takes["disk_bytes"] // 1024,
        "quota": create.room(actor, plan.takes),
        "xml": preview.document.text,
    }
