"""What a VM is asked to do: one route a kind, one for several VMs at once."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from vms.errors import NotAllowed, RequestRefused
from vms.kinds import KINDS, Kind
from vms.models import VirtualMachine
from vms.permissions import get_vm_or_404, visible_hosts, visible_vms
from vms.services import operations
from vms.services.actors import session_actor
from vms.services.headers import losses
from vms.services.rows import make_rows
from vms.services.sentences import kind_title, sentence
from vms.views.vms import MOST_IDS, row_context, tab_context


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_verb(request: HttpRequest, pk: int, kind: Kind) -> HttpResponseBase:
    """Ask for the kind; a GET, or a POST without the answer, is the question of those that are asked before."""
    vm = get_vm_or_404(request.user, pk)
    if kind.ask and not (request.method == "POST" and request.POST.get("confirmed")):
        return question(request, kind, [vm])
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    refusal = request_one(request, kind, vm)
    if "HX-Request" in request.headers:
        return answer(request, vm, refusal)
    if refusal:
        messages.error(request, refusal)
    return redirect("vm", vm.pk)


def request_one(request: HttpRequest, kind: Kind, vm: VirtualMachine) -> str:
    """Empty when it was asked for, else why not."""
    try:
        params = kind.params.from_form(request.POST)
        operations.request(kind, vm, actor=session_actor(request), params=params)
    except NotAllowed:
        raise
    except RequestRefused as refused:
        return sentence(refused.code, refused.params)
    return ""


def answer(request: HttpRequest, vm: VirtualMachine, refusal: str) -> HttpResponse:
    """The part that an open page shows of the VM: its head on its own pages, its row in a list; 409 when refused."""
    status = 409 if refusal else 200
    vm = get_vm_or_404(request.user, vm.pk)
    if request.headers.get("HX-Target", "").endswith("#vm-header"):
        context = {**tab_context(request, vm, request.POST.get("tab", "overview")), "refusal": refusal}
        return render(request, "vms/_header.html", context, status=status)
    return rows_answer(request, [vm], [refusal] if refusal else [], status)


def rows_answer(request: HttpRequest, vms: list[VirtualMachine], said: list[str], status: int) -> HttpResponse:
    """What was said, and the rows for a page that says it has such rows."""
    many = visible_hosts(request.user)[:2].count() > 1
    rows = make_rows(vms) if request.POST.get("rows") else []
    context = {"rows": rows, "said": said, **row_context(many_hosts=many)}
    return render(request, "vms/_rows.html", context, status=status)


def question(request: HttpRequest, kind: Kind, vms: list[VirtualMachine]) -> HttpResponse:
    """Names the VMs and what is lost; a page of its own, or the content of a dialog."""
    context = {"kind": kind, "vms": vms, "losses": losses(kind), "bulk": len(vms) > 1}
    template = "vms/_question.html" if "HX-Request" in request.headers else "vms/question.html"
    return render(request, template, context)


@login_required
@require_POST
def vm_bulk(request: HttpRequest, verb: str) -> HttpResponseBase:
    """Ask for the same of several VMs; each is asked for, or refused, on its own."""
    kind = KINDS.get(f"vm.{verb}")
    if kind is None or not kind.menu:
        raise Http404
    vms = chosen(request)
    if kind.ask and vms and not request.POST.get("confirmed"):
        return question(request, kind, vms)
    refusals = [f"{vm.name}: {refusal}" for vm in vms if (refusal := request_one(request, kind, vm))]
    said = [summary(kind, len(vms), len(refusals)), *refusals] if refusals or not vms else []
    if "HX-Request" in request.headers:
        return rows_answer(request, chosen(request), said, 409 if said else 200)
    for line in said:
        messages.error(request, line)
    return redirect("vm-list")


def chosen(request: HttpRequest) -> list[VirtualMachine]:
    """The ticked VMs; 404 when one is not there for this user."""
    asked = request.POST.getlist("vm")
    if len(asked) > MOST_IDS or not all(pk.isascii() and pk.isdigit() and len(pk) < 19 for pk in asked):
        raise Http404
    found = list(visible_vms(request.user).filter(pk__in=asked).prefetch_related("tags"))
    if len(found) != len({int(pk) for pk in asked}):
        raise Http404
    return sorted(found, key=lambda vm: vm.name.lower())


def summary(kind: Kind, asked: int, refused: int) -> str:
    title = kind_title(kind.name)
    if not asked:
        return gettext("No VM is ticked.")
    text = ngettext(
        "“{title}” was refused for {refused} of {asked} VM.",
        "“{title}” was refused for {refused} of {asked} VMs.",
        asked,
    )
    return text.format(title=title, refused=refused, asked=asked)
