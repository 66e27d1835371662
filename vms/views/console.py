"""A VM's console: its page, the card that says why there is no picture, the ticket, and the front's question."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from vms.errors import RequestRefused
from vms.kinds.hardware import LISTEN_ON_NETWORK
from vms.models import VirtualMachine
from vms.permissions import get_vm_or_404, held, require
from vms.services import cds, consoles, viewers
from vms.services.actors import session_actor
from vms.services.freshness import placed
from vms.services.headers import make_header, may_eject
from vms.services.screens import offer
from vms.services.sentences import sentence
from vms.services.serials import opens_on_serial
from vms.views import console_keys
from vms.views.vms import tab_context, this_machine, unmade_or_404, viewer_file


@login_required
@require_safe
def vm_console(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The VM's screen, or its serial line where it has no screen and ?screen does not ask for it; ?own for a window
    that holds nothing else."""
    try:
        vm = get_vm_or_404(request.user, pk, to="vm.screen")
    except Http404:
        return redirect("operation", unmade_or_404(request, pk).pk)
    if "screen" not in request.GET and opens_on_serial(vm):
        return redirect(reverse("vm-serial", args=[pk]) + ("?own" if "own" in request.GET else ""))
    template = "vms/console_own.html" if "own" in request.GET else "vms/console.html"
    shown = context(request, vm)
    rights = held(request.user, vm)
    found = cds.of(request.user, vm) if rights >= cds.PRIVILEGES else None
    return render(request, template, {**shown, "cds": found, "may_eject": may_eject(placed(vm), rights)})


@login_required
@require_safe
def vm_console_card(request: HttpRequest, pk: int) -> HttpResponse:
    """The card alone, for a page that is open."""
    vm = get_vm_or_404(request.user, pk, to="vm.screen")
    return render(request, "vms/_console_card.html", context(request, vm))


def context(request: HttpRequest, vm: VirtualMachine) -> dict[str, object]:
    """What every tab needs, what is offered here, and where other programs reach the host."""
    head = make_header(vm, request.user)
    sees_host = "host.view" in head.rights
    return {
        **tab_context(request, vm, "console", head),
        "offer": offer(vm),
        "may_listen": head.rights >= set(LISTEN_ON_NETWORK.privileges),
        "viewer_line": viewers.line(placed(vm), this_machine(request, vm)) if sees_host else "",
        "viewer_file": bool(viewer_file(request, vm, head.rights)),
        **console_keys.CONTEXT,
    }


@login_required
@require_safe
def vm_viewer(request: HttpRequest, pk: int) -> HttpResponse:
    """The screen's address for virt-viewer, as a file; 404 where no other machine reaches it. It names the host."""
    vm = get_vm_or_404(request.user, pk, to="vm.console")
    require(request.user, "host.view", vm)
    text = viewers.file(placed(vm), this_machine(request, vm))
    if text is None:
        raise Http404
    answer = HttpResponse(text, content_type="application/x-virt-viewer")
    answer["Content-Disposition"] = f'attachment; filename="vm-{vm.pk}.vv"'
    return answer


@require_POST
def vm_console_ticket(request: HttpRequest, pk: int) -> HttpResponseBase:
    """{url, ticket, console, mode} for what the form asks for; else {code, said} with 401, 403 or 409."""
    if not request.user.is_authenticated:
        return JsonResponse({"code": "signed_out", "said": gettext("You are signed out.")}, status=401)
    vm = get_vm_or_404(request.user, pk)
    try:
        console, ticket = consoles.issue(
            session_actor(request), vm,
            kind=request.POST.get("kind", "vnc"), mode=request.POST.get("mode", "drive"),
            device=request.POST.get("device", ""), force="force" in request.POST,
        )  # fmt: skip
    except RequestRefused as refused:
        status = 403 if refused.code == "not_allowed" else 409
        return JsonResponse({"code": refused.code, "said": sentence(refused.code, refused.params)}, status=status)
    return JsonResponse(
        {"url": consoles.address(console, ticket), "ticket": ticket, "console": console.pk, "mode": console.mode}
    )


@require_safe
def session(request: HttpRequest) -> HttpResponse:
    """204 for a signed-in browser or a script with a fresh ticket, else 401: nginx asks before it calls the relay.

    The ticket is only looked at; the relay redeems it and asks everything again.
    """
    if request.user.is_authenticated:
        return HttpResponse(status=204)
    ticket = request.headers.get("X-Kvmweb-Ticket", "")
    console = consoles.find(ticket) if ticket else None
    return HttpResponse(status=204 if console and console.token_id else 401)
