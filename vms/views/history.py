"""The definitions that a VM had: the list, one of them with its difference to another, and the way back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from vms.errors import NotAllowed, NotFresh, RequestRefused
from vms.kinds import whole_number
from vms.models import Version, VirtualMachine
from vms.permissions import get_vm_or_404, is_administrator
from vms.services import filled, history, xml
from vms.services.actors import session_actor
from vms.services.freshness import placed
from vms.services.sentences import sentence
from vms.views.vms import PAGE, tab_context


@login_required
@require_safe
def vm_history(request: HttpRequest, pk: int) -> HttpResponse:
    vm = get_vm_or_404(request.user, pk, to="vm.xml.view")
    return listed(request, vm, {**tab_context(request, vm, "history"), "around": "vms/base.html"})


@login_required
@require_safe
def vm_version(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    vm = get_vm_or_404(request.user, pk, to="vm.xml.view")
    context = {**tab_context(request, vm, "history"), "around": "vms/base.html"}
    return shown(request, vm, number, context, present=True)


@login_required
@require_POST
def vm_version_restore(request: HttpRequest, pk: int, number: int) -> HttpResponseBase:
    """Make it the definition of the next start again, as long as that is the one which was shown."""
    vm = get_vm_or_404(request.user, pk, to="vm.xml.view")
    version = history.version_or_none(vm, number)
    if version is None:
        raise Http404
    try:
        xml.give_back(session_actor(request), vm, version, base=request.POST.get("base", ""))
    except (NotAllowed, NotFresh):
        raise
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
        return redirect("vm-version", vm.pk, number)
    return redirect("vm-history", vm.pk)


@login_required
@require_safe
def gone_list(request: HttpRequest) -> HttpResponse:
    """The VMs that were deleted for good and whose definitions are kept, for administrators."""
    require_administrator(request)
    page = Paginator(history.gone(), PAGE).get_page(request.GET.get("page"))
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return render(request, "trash/gone.html", {"page": page, "numbers": numbers, "query": "?"})


@login_required
@require_safe
def gone_history(request: HttpRequest, pk: int) -> HttpResponse:
    vm = gone_or_404(request, pk)
    return listed(request, vm, {"vm": vm, "around": "trash/gone_vm.html"})


@login_required
@require_safe
def gone_version(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    vm = gone_or_404(request, pk)
    return shown(request, vm, number, {"vm": vm, "around": "trash/gone_vm.html"}, present=False)


def require_administrator(request: HttpRequest) -> None:
    """What is gone is nobody's any more: only who may define anything sees it."""
    if not is_administrator(request.user, xml.PRIVILEGE):
        raise Http404


def gone_or_404(request: HttpRequest, pk: int) -> VirtualMachine:
    require_administrator(request)
    vm = history.gone().filter(pk=pk).first()
    if vm is None:
        raise Http404
    return vm


def listed(request: HttpRequest, vm: VirtualMachine, context: dict[str, Any]) -> HttpResponse:
    page = Paginator(history.versions(vm), PAGE).get_page(request.GET.get("page"))
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    lines = history.make_lines(request.user, list(page.object_list))
    more = {"lines": lines, "page": page, "numbers": numbers, "query": "?", "most": history.MOST}
    return render(request, "vms/history.html", {**context, **more})


def shown(
    request: HttpRequest, vm: VirtualMachine, number: int, context: dict[str, Any], *, present: bool
) -> HttpResponse:  # fmt: skip
    """One version beside another: ?to=, without it the one before."""
    version = history.version_or_none(vm, number)
    if version is None:
        raise Http404
    asked = request.GET.get("to", "")
    wanted = whole_number(asked) if asked else None
    other = history.version_or_none(vm, wanted) if wanted is not None else history.before(version)
    if asked and other is None:
        raise Http404
    latest = history.versions(vm).first()
    more: dict[str, Any] = {
        "version": version,
        "line": history.make_lines(request.user, [version])[0],
        "other": other,
        "others": history.versions(vm).exclude(pk=version.pk).values_list("number", flat=True),
        "is_latest": latest == version,
        "differs": between(version, other) if other else (),
    }
    if present and latest != version and placed(vm).present and placed(vm).persistent:
        more["back"] = xml.to_return(session_actor(request), vm, version)
    if not present:
        more["host"] = placed(vm).host if vm.placement else None
    return render(request, "vms/version.html", {**context, **more})


def between(version: Version, other: Version) -> tuple[xml.Line, ...]:
    """The lines from the other version to this one."""
    lines = xml.lines_between(other.xml, version.xml)
    return filled.marked(lines, version, other) if other.number == version.number - 1 else lines
