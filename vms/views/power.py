"""What a VM is asked to do: one route a kind."""

from __future__ import annotations

from dataclasses import dataclass, fields
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from vms.errors import HostSilent, NotAllowed, NotFresh, RequestRefused
from vms.kinds import Kind
from vms.models import VirtualMachine
from vms.permissions import get_vm_or_404, require_all, visible_hosts
from vms.services import operations
from vms.services.actors import session_actor
from vms.services.headers import losses
from vms.services.rows import make_rows
from vms.services.sentences import sentence
from vms.views.vms import row_context, tab_context


@dataclass(frozen=True)
class Refusal:
    """Why something was not asked for. silent: it may be asked for once more, to wait until the host answers."""

    vm: VirtualMachine
    text: str
    silent: bool = False


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_verb(request: HttpRequest, pk: int, kind: Kind) -> HttpResponseBase:
    """Ask for the kind; a GET, or a POST without the answer, is the question of those that are asked before."""
    vm = get_vm_or_404(request.user, pk)
    require_all(session_actor(request), kind.privileges, vm)
    if kind.ask and not (request.method == "POST" and request.POST.get("confirmed")):
        return question(request, kind, [vm])
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    refusal = request_one(request, kind, vm)
    if "HX-Request" in request.headers:
        return answer(request, kind, vm, refusal)
    if refusal and refusal.silent:
        context = {"kind": kind, "refusal": refusal, "choice": choice(request, kind, [refusal])}
        return render(request, "vms/silent.html", context, status=409)
    if refusal:
        messages.error(request, refusal.text)
    return redirect("vm", vm.pk)


def request_one(request: HttpRequest, kind: Kind, vm: VirtualMachine, batch: UUID | None = None) -> Refusal | None:
    """None when it was asked for, else why not; when_silent=wait lets it wait for a silent host."""
    wait = request.POST.get("when_silent") == "wait"
    try:
        params = kind.params.from_form(request.POST)
        operations.request(kind, vm, actor=session_actor(request), params=params, wait=wait, batch=batch)
    except (NotAllowed, NotFresh):
        raise
    except RequestRefused as refused:
        return Refusal(vm, sentence(refused.code, refused.params), isinstance(refused, HostSilent))
    return None


def choice(request: HttpRequest, kind: Kind, refusals: list[Refusal]) -> dict[str, object] | None:
    """What _choice.html needs to offer that those on silent hosts wait; None where no host was silent."""
    vms = [refusal.vm for refusal in refusals if refusal.silent]
    names = ["confirmed", *(field.name for field in fields(kind.params))]
    kept = [(name, request.POST[name]) for name in names if name in request.POST]
    return {"kind": kind, "vms": vms, "kept": kept} if vms else None


def answer(request: HttpRequest, kind: Kind, vm: VirtualMachine, refusal: Refusal | None) -> HttpResponse:
    """The part that an open page shows of the VM: its head on its own pages, its row in a list; 409 when refused."""
    status = 409 if refusal else 200
    vm = get_vm_or_404(request.user, vm.pk)
    offered = choice(request, kind, [refusal]) if refusal else None
    said = [refusal.text] if refusal else []
    if request.headers.get("HX-Target", "").endswith("#vm-header"):
        context = {**tab_context(request, vm, request.POST.get("tab", "overview")), "said": said, "choice": offered}
        return render(request, "vms/_header_answer.html", context, status=status)
    return rows_answer(request, [vm], {"said": said, "choice": offered}, status)


def rows_answer(
    request: HttpRequest, vms: list[VirtualMachine], told: dict[str, object], status: int
) -> HttpResponse:  # fmt: skip
    """What there is to tell, and the rows for a page that says it has such rows."""
    many = visible_hosts(request.user)[:2].count() > 1
    rows = make_rows(vms, request.user) if request.POST.get("rows") else []
    context = {"rows": rows, **told, **row_context(many_hosts=many)}
    return render(request, "vms/_rows.html", context, status=status)


def question(
    request: HttpRequest, kind: Kind, vms: list[VirtualMachine], kept: list[tuple[str, str]] | None = None
) -> HttpResponse:
    """Names the VMs and what is lost; a page of its own, or the content of a dialog. kept: how the VMs were chosen,
    where that was not one by one."""
    context = {"kind": kind, "vms": vms, "losses": losses(kind), "bulk": kept is not None or len(vms) > 1, "kept": kept}
    template = "vms/_question.html" if "HX-Request" in request.headers else "vms/question.html"
    return render(request, template, context)
