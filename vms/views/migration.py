"""Moving a VM to another host: the hosts, best first, and beside them what would happen."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from vms.forms.migration import Move
from vms.kinds.migration import MIGRATE
from vms.models import VirtualMachine
from vms.permissions import Actor, get_vm_or_404, is_administrator, visible_hosts
from vms.services import migration, placement
from vms.services.actors import session_actor
from vms.services.placement_lines import lines
from vms.services.sentences import sentence
from vms.views import going


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_migrate(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The form, on which the best host is chosen; sent, to the VM's page, where its way can be followed."""
    vm = get_vm_or_404(request.user, pk, to=MIGRATE.privileges[0])
    actor = session_actor(request)
    form = made(actor, vm, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        wish = form.wish()
        host = visible_hosts(actor, "host.use").get(pk=wish.host)
        with going.refusals(form):
            migration.ask(actor, vm, host, wish)
            return redirect("vm", vm.pk)
    context = {"may_add": is_administrator(actor, "host.admin"), **told(vm, form)}
    return render(request, "vms/migrate.html", context, status=400 if request.method == "POST" else 200)


@login_required
@require_POST
def vm_migrate_preview(request: HttpRequest, pk: int) -> HttpResponse:
    """What would happen by the form as it is now."""
    vm = get_vm_or_404(request.user, pk, to=MIGRATE.privileges[0])
    return render(request, "vms/_migrate_get.html", told(vm, made(session_actor(request), vm, request.POST)))


def made(actor: Actor, vm: VirtualMachine, sent: Any) -> Move:
    """The form as it was sent, else with the best host."""
    found = lines(actor, placement.choices(actor, vm))
    return Move(found, {"host": Move(found).best} if sent is None else sent)


def told(vm: VirtualMachine, form: Move) -> dict[str, Any]:
    """What the page and the box beside it say."""
    context = {"vm": vm, "form": form, "lines": list(form.lines.values())}
    if not form.lines or not form.best or not form.is_valid():
        return {**context, "line": None, "wrong": form.wrong() if form.best else []}
    wish = form.wish()
    wrong = []
    if wish.postcopy and wish.copy_storage:
        params = {"name": vm.name, "host": form.line.host, "cause": "postcopy_copy"}
        wrong.append(sentence("migration_refused", params))
    return {**context, "line": form.line, "way": form.line.told(wish), "wrong": wrong}
