"""Moving several VMs to one host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from vms.errors import NotFresh, RequestRefused
from vms.kinds import whole_number
from vms.kinds.migration import MIGRATE
from vms.models import Host, VirtualMachine
from vms.permissions import Actor, visible_vms
from vms.services import migration, placement
from vms.services.actors import session_actor
from vms.services.placement_lines import Line, lines
from vms.services.sentences import sentence
from vms.views.bulk import OtherList, chosen, kept, told

# So many are judged in the time that a page may take.
MOST: Final = 200


@dataclass(frozen=True)
class Choice:
    """A host, with those of the VMs that can go there, and those that can't."""

    host: Host
    name: str
    free: str
    can: list[Line]
    against: list[Line]


@login_required
@require_POST
def vm_bulk_migrate(request: HttpRequest) -> HttpResponseBase:
    """Ask where they are to go; sent, each that can goes there, as the check chooses, and the others are named with
    the reason."""
    try:
        vms = chosen(request, MOST)
    except OtherList as changed:
        return question(request, [], [], str(changed))
    if not vms:
        return question(request, [], [], gettext("No VM is ticked."))
    actor = session_actor(request)
    movable = set(visible_vms(actor, MIGRATE.privileges[0]).filter(pk__in=[vm.pk for vm in vms]).values_list("pk"))
    may = [vm for vm in vms if (vm.pk,) in movable]
    if not may:
        return question(request, vms, [], gettext("You may move none of them."), 422)
    found = choices(actor, may)
    if not request.POST.get("confirmed"):
        return question(request, vms, found, "" if found else gettext("There is no other host for them."))
    asked = whole_number(request.POST.get("host", ""))
    choice = next((each for each in found if each.host.pk == asked), None)
    if choice is None:
        return question(request, vms, found, status=422)
    said = [f"{vm.name}: {gettext('You may not move it.')}" for vm in vms if vm not in may]
    said += [f"{line.verdict.vm.name}: {line.against[0].text}" for line in choice.against]
    return told(request, vms, said + ask(actor, may, choice), None)


def choices(actor: Actor, vms: list[VirtualMachine]) -> list[Choice]:
    """The hosts, that first to which most of them can go."""
    hosts = placement.targets(actor)
    by_host: dict[int, list[Line]] = {host.pk: [] for host in hosts}
    for line in lines(actor, placement.matrix(actor, vms, hosts)):
        if line.verdict.host.pk != line.verdict.vm.here.pk:
            by_host[line.verdict.host.pk].append(line)
    found = [
        Choice(
            host, of[0].host, of[0].free, [line for line in of if line.verdict.possible],
            [line for line in of if not line.verdict.possible],
        )
        for host in hosts
        if (of := by_host[host.pk])
    ]  # fmt: skip
    return sorted(found, key=lambda choice: (-len(choice.can), -choice_free(choice), choice.host.name))


def choice_free(choice: Choice) -> int:
    return next((line.verdict.host.free_kib for line in [*choice.can, *choice.against]), 0)


def ask(actor: Actor, vms: list[VirtualMachine], choice: Choice) -> list[str]:
    """Those that were refused, in words."""
    by_pk = {vm.pk: vm for vm in vms}
    refused = []
    for line in choice.can:
        vm = by_pk[line.verdict.vm.pk]
        try:
            migration.ask(actor, vm, choice.host, line.verdict.wish)
        except NotFresh:
            raise
        except RequestRefused as error:
            refused.append(f"{vm.name}: {sentence(error.code, error.params)}")
    return refused


def question(
    request: HttpRequest, vms: list[VirtualMachine], found: list[Choice], said: str = "", status: int = 200
) -> HttpResponse:
    """Names the VMs; a page of its own, or the content of a dialog. said: why there is nothing to ask."""
    context: dict[str, Any] = {"vms": vms, "choices": found, "said": said, "kept": kept(request)}
    part = "_" if "HX-Request" in request.headers else ""
    return render(request, f"vms/{part}bulk_migrate_question.html", context, status=status)
