"""Deleting a VM: the question with what goes and what stays, and what is in the trash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms.errors import BadFields, BelongingsChanged, NotAllowed, NotFresh, RequestRefused
from vms.forms.trash import Delete
from vms.models import Operation, VirtualMachine
from vms.permissions import get_trashed_or_404, get_vm_or_404, is_administrator
from vms.services import belongings, history, trash
from vms.services.actors import session_actor
from vms.services.attention import open_operations
from vms.services.freshness import placed
from vms.services.sentences import field_sentence, sentence
from vms.services.xml import PRIVILEGE
from vms.views.bulk import MOST_AT_ONCE, OtherList, chosen, kept, told
from vms.views.going import ask, go
from vms.views.vms import PAGE

KINDS = ("vm.trash", "vm.put-back", "vm.delete")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The question; answered, the operation that moves it to the trash or deletes it for good."""
    vm = get_vm_or_404(request.user, pk, to="vm.delete")
    if "HX-Request" in request.headers and "seen" not in request.POST:
        return go(request, "vm-delete", vm.pk)

    def do(form: Delete) -> Operation:
        given = form.cleaned_data
        wish = {name: given[name] for name in ("volumes", "trash", "confirm", "seen")}
        return trash.delete(session_actor(request), vm, **wish)

    return answer(request, vm, do)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def trash_delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The question; answered, the operation that deletes what is in the trash for good."""
    vm = get_trashed_or_404(request.user, pk)

    def do(form: Delete) -> Operation:
        given = form.cleaned_data
        wish = {name: given[name] for name in ("volumes", "confirm", "seen")}
        return trash.purge(session_actor(request), vm, **wish)

    return answer(request, vm, do)


def answer(request: HttpRequest, vm: VirtualMachine, do: Callable[[Delete], Operation]) -> HttpResponseBase:
    """The question, or to where what was asked for is seen."""
    found = belongings.find(request.user, vm)
    in_trash = vm.trashed_at is not None
    if request.method != "POST" or "seen" not in request.POST:
        ticked = trash.chosen(request.user, vm) if in_trash else found.volumes
        return question(request, vm, found, Delete(found.volumes), ticked)
    form = Delete(found.volumes, request.POST)
    status = 200
    try:
        if request.POST["seen"] not in ("", found.digest):
            raise BelongingsChanged(name=vm.name)
        if form.is_valid():
            operation = do(form)
            return leave(request, vm, operation)
    except (NotAllowed, NotFresh):
        raise
    except BadFields as bad:
        form.refuse(bad)
    except RequestRefused as refused:
        status = 409
        messages.error(request, sentence(refused.code, refused.params))
    ticked = [int(word) for word in request.POST.getlist("volumes") if word.isascii() and word.isdigit()]
    return question(request, vm, found, form, ticked, status)


def leave(request: HttpRequest, vm: VirtualMachine, operation: Operation) -> HttpResponseBase:
    if operation.kind == "vm.trash":
        messages.info(request, gettext("{name} goes to the trash. It can be put back from here.").format(name=vm.name))
        return redirect("trash")
    return redirect("operation", operation.pk)


def question(
    request: HttpRequest, vm: VirtualMachine, found: belongings.Found, form: Delete, ticked: list[int],
    status: int = 200,
) -> HttpResponse:  # fmt: skip
    context: dict[str, Any] = {
        "vm": vm,
        "placement": placed(vm),
        "found": found,
        "told": found.told,
        "form": form,
        "ticked": ticked,
        "in_trash": vm.trashed_at is not None,
        "has_room": vm.trashed_at is None and trash.has_room(vm),
        "to_trash": not form.is_bound or bool(form.data.get("trash")),
        "days": trash.days(),
    }
    return render(request, "trash/question.html", context, status=status)


@login_required
@require_safe
def trash_list(request: HttpRequest) -> HttpResponse:
    """What is in the trash, and what is on its way into it or out."""
    paginator = Paginator(trash.listed(request.user), PAGE)
    page = paginator.get_page(request.GET.get("page"))
    vms = list(page.object_list)
    working = open_operations(request.user).filter(kind__in=KINDS)
    busy = set(working.values_list("target_id", flat=True))
    context = {
        "lines": trash.make_lines(request.user, vms),
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "busy": busy,
        "working": working.exclude(target_id__in=[vm.pk for vm in vms])[:PAGE],
        "days": trash.days(),
        "query": "?",
        "has_gone": is_administrator(request.user, PRIVILEGE) and history.gone().exists(),
    }
    return render(request, "trash/list.html", context)


@login_required
@require_POST
def trash_put_back(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Take it out of the trash again."""
    vm = get_trashed_or_404(request.user, pk)
    return ask(request, lambda: trash.put_back(session_actor(request), vm), "trash")


@login_required
@require_POST
def vm_bulk_delete(request: HttpRequest) -> HttpResponseBase:
    """Move the ticked VMs to the trash, each with all that is its own; for good is asked for one by one."""
    try:
        vms = chosen(request, MOST_AT_ONCE)
    except OtherList as changed:
        return told(request, [], [str(changed)], None)
    if vms and not request.POST.get("confirmed"):
        context = {"vms": vms, "kept": kept(request), "days": trash.days()}
        template = "trash/_bulk_question.html" if "HX-Request" in request.headers else "trash/bulk_question.html"
        return render(request, template, context)
    batch, said = uuid4(), []
    for vm in vms:
        try:
            trash.delete(session_actor(request), vm, batch=batch)
        except NotFresh:
            raise
        except BadFields as bad:
            said.append(f"{vm.name}: {sentence_of(bad)}")
        except RequestRefused as refused:
            said.append(f"{vm.name}: {sentence(refused.code, refused.params)}")
    if said or not vms:
        for text in said or [gettext("No VM is ticked.")]:
            messages.error(request, text)
    if number := len(vms) - len(said):
        words = ngettext("{n} VM goes to the trash.", "{n} VMs go to the trash.", number)
        messages.info(request, words.format(n=number))
    return go(request, "trash") if vms else go(request, "vm-list")


def sentence_of(bad: BadFields) -> str:
    return " ".join(field_sentence(code) for code in bad.errors.values())
