"""Who may do what: on one VM, and everywhere."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from vms.errors import BadFields, BadParameters, NotAllowed
from vms.forms.grants import Give, GiveAnywhere, Why, roles_for
from vms.models import VirtualMachine
from vms.permissions import Actor, get_vm_or_404, may, require
from vms.services import access, grants
from vms.services.actors import session_actor
from vms.services.grant_lines import find_grants, make_lines, people, reason_sentence
from vms.services.lists import LONGEST_QUERY
from vms.services.sentences import field_sentence
from vms.views.vms import PAGE, tab_context

ACCESS = "vm.access"
LONGEST_NAME = 150


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_access(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Who may do what on the VM and why; sent, the form gives somebody a role there."""
    vm = get_vm_or_404(request.user, pk, to=ACCESS)
    actor = session_actor(request)
    form = Give(request.POST if request.method == "POST" else None, roles=roles_for(actor, vm))
    if request.method == "POST" and form.is_valid():
        try:
            grants.give(actor, form.wish(vm))
        except (BadFields, NotAllowed) as refused:
            form.refuse(refused)
        else:
            return redirect("vm-access", vm.pk)
    paginator = Paginator(grants.visible_grants(actor, vm), PAGE)
    page = paginator.get_page(request.GET.get("page"))
    lines = make_lines(page.object_list, actor)
    asked: dict[str, Any] = answer(actor, vm, request.GET)
    context = {
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "query": "?",
        "lines": lines,
        "form": form,
        "people": people(actor.user, lines),
        **asked,
    }
    return render(request, "vms/access.html", {**tab_context(request, vm, "access"), **context})


def answer(actor: Actor, vm: VirtualMachine, asked: QueryDict) -> dict[str, Any]:
    """The question why, and its answer in a sentence where one was asked."""
    if "user" not in asked:
        return {"why": Why(initial={"user": actor.user.get_username(), "verb": "vm.power"})}
    why = Why(asked)
    if not why.is_valid():
        return {"why": why}
    about = why.cleaned_data["user"]
    try:
        reason = access.why(actor, about, why.cleaned_data["verb"], f"vm:{vm.pk}")
    except Http404:
        why.add_error("user", field_sentence("unknown_user"))
        return {"why": why}
    except BadParameters:
        why.add_error("verb", field_sentence("choice"))
        return {"why": why}
    return {"why": why, "reason": reason, "sentence": reason_sentence(reason, about, make_lines(reason.grants, actor))}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def grant_list(request: HttpRequest) -> HttpResponseBase:
    """A page of all grants in force, ?q= is part of whom, which role, or what they are on; sent, the form gives
    somebody a role on anything. ?kind= and ?to= only stand in the form."""
    require(request.user, grants.ANY)
    actor = session_actor(request)
    proposed = {name: request.GET[name][:LONGEST_NAME] for name in ("kind", "to") if name in request.GET}
    form = GiveAnywhere(request.POST if request.method == "POST" else None, roles=roles_for(actor), initial=proposed)
    if request.method == "POST" and form.is_valid():
        try:
            grants.give(actor, form.anywhere(actor))
        except (BadFields, NotAllowed) as refused:
            form.refuse(refused)
        else:
            return redirect("grant-list")
    q = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]
    paginator = Paginator(find_grants(actor, q), PAGE)
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "lines": make_lines(page.object_list, actor),
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "q": q,
        "query": f"?{urlencode({'q': q} if q else {})}",
        "form": form,
    }
    return render(request, "grants/list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def grant_take_away(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask; sent, the grant ends, and one is back where one may still be."""
    actor = session_actor(request)
    grant = grants.get_grant(actor, pk)
    if grant is None:
        raise Http404
    line = make_lines([grant], actor)[0]
    if not line.may_end:
        raise NotAllowed(privilege=ACCESS if grant.vm else grants.ANY)
    if request.method != "POST":
        return render(request, "grants/question.html", {"line": line})
    vm = grant.vm
    grants.take_away(actor, grant)
    if vm and may(actor, ACCESS, vm):
        return redirect("vm-access", vm.pk)
    return redirect("grant-list" if may(actor, grants.ANY) else "overview")
