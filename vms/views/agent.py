"""What a VM's guest tells of itself by its agent, and what it may be asked to do."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from vms.forms.agent import Freeze, Keys, Password
from vms.models import VirtualMachine
from vms.permissions import get_vm_or_404, held
from vms.services import agent, seeds
from vms.services.actors import session_actor
from vms.services.agent_words import clock_word, since
from vms.views import going
from vms.views.vms import tab_context


@login_required
@require_safe
def vm_agent(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What the guest told last, and the forms."""
    return page(request, get_vm_or_404(request.user, pk, to=agent.VIEW))


def page(request: HttpRequest, vm: VirtualMachine, **forms: Any) -> HttpResponse:
    """forms: those that were sent and refused."""
    rights = held(request.user, vm)
    may_password = agent.PASSWORD in rights
    guest = agent.guest(vm, keys=may_password)
    context = {
        "guest": guest,
        "clock": clock_word(guest.facts.get("ahead_seconds")),
        "users": [(user, since(user)) for user in guest.facts.get("users", [])],
        "freeze": forms.get("freeze") or Freeze(),
        "password": forms.get("password") or Password(),
        "keys": forms.get("keys") or Keys(),
        "own_keys": bool(may_password and seeds.own_keys(session_actor(request).user)),
        "may_freeze": agent.FREEZE in rights,
        "may_password": may_password,
        "may_add": "vm.device" in rights,
    }
    return render(
        request, "vms/agent.html", {**tab_context(request, vm, "agent"), **context}, status=400 if forms else 200
    )


@login_required
@require_POST
def vm_agent_ask(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask it now; the page is told when it has answered."""
    vm = get_vm_or_404(request.user, pk, to=agent.VIEW)
    agent.ask_again(session_actor(request), vm)
    return redirect("vm-agent", vm.pk)


@login_required
@require_POST
def vm_agent_freeze(request: HttpRequest, pk: int) -> HttpResponseBase:
    vm = get_vm_or_404(request.user, pk, to=agent.FREEZE)
    form = Freeze(request.POST)
    if form.is_valid():
        with going.refusals(form):
            agent.freeze(session_actor(request), vm, form.cleaned_data["seconds"])
            return redirect("vm-agent", vm.pk)
    return page(request, vm, freeze=form)


@login_required
@require_POST
def vm_agent_thaw(request: HttpRequest, pk: int) -> HttpResponseBase:
    vm = get_vm_or_404(request.user, pk, to=agent.FREEZE)
    return going.ask(request, lambda: agent.thaw(session_actor(request), vm), "vm-agent", vm.pk)


@login_required
@require_POST
def vm_agent_time(request: HttpRequest, pk: int) -> HttpResponseBase:
    vm = get_vm_or_404(request.user, pk, to=agent.FREEZE)
    return going.ask(request, lambda: agent.set_time(session_actor(request), vm), "vm-agent", vm.pk)


@sensitive_post_parameters("password")
@login_required
@require_POST
def vm_agent_password(request: HttpRequest, pk: int) -> HttpResponseBase:
    vm = get_vm_or_404(request.user, pk, to=agent.PASSWORD)
    form = Password(request.POST)
    if form.is_valid():
        with going.refusals(form):
            agent.set_password(session_actor(request), vm, form.cleaned_data["user"], form.cleaned_data["password"])
            return redirect("vm-agent", vm.pk)
    return page(request, vm, password=form)


@sensitive_post_parameters("keys")
@login_required
@require_POST
def vm_agent_keys(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Add, take one away, or read what is there. What was pasted is not shown again: it may be a private key."""
    vm = get_vm_or_404(request.user, pk, to=agent.PASSWORD)
    actor, form = session_actor(request), Keys(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        add = (*seeds.lines(given["keys"]), *(seeds.own_keys(actor.user) if given["my_keys"] else ()))
        with going.refusals(form):
            agent.change_keys(actor, vm, given["user"], add=add, remove=[one for one in [given["remove"]] if one])
            return redirect("vm-agent", vm.pk)
    return page(request, vm, keys=form)
