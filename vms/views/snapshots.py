"""A VM's snapshots: the tree, and one question each for taking, going back, deleting and renaming."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from vms.forms.snapshots import RenameFields, RevertFields, TakeFields
from vms.kinds import snapshots as kinds
from vms.libvirtxml import BadXML
from vms.models import Snapshot, VirtualMachine
from vms.permissions import get_vm_or_404, held, seen_hosts, visible_schedules
from vms.services import schedules, snapshot_facts, snapshot_rules, snapshot_tree, snapshots, xml
from vms.services.actors import session_actor
from vms.services.headers import make_header
from vms.services.snapshot_facts import There
from vms.services.snapshots import Possible
from vms.views import going
from vms.views.vms import tab_context


@login_required
@require_safe
def vm_snapshots(request: HttpRequest, pk: int) -> HttpResponse:
    """The tree with where the VM is now, the disks below it, what is possible here, and the schedules that hold it."""
    vm = get_vm_or_404(request.user, pk)
    head = make_header(vm, request.user)
    there = snapshot_facts.look(vm)
    found = snapshots.possible(vm, request.user, there=there)
    rows = snapshot_tree.rows(snapshots.tree(vm))
    stuck = common(found)
    context = {
        **tab_context(request, vm, "snapshots", head),
        **rights(head.rights),
        "rows": [(row, found.revert.get(row.snapshot.name) if row.snapshot else None) for row in rows],
        "number": sum(row.snapshot is not None for row in rows),
        "machine": there.machine,
        "possible": found,
        "takes": found.plain if found.plain.possible or not there.runs else found.with_memory,
        "stuck": stuck,
        "layered": any(disk.chain for disk in there.machine.disks),
        **schedules_of(request, vm),
    }
    return render(request, "vms/snapshots.html", context)


def rights(held: frozenset[str]) -> dict[str, bool]:
    return {
        "may_take": kinds.SNAPSHOT.privileges[0] in held,
        "may_revert": kinds.REVERT.privileges[0] in held,
        "may_flatten": kinds.FLATTEN.privileges[0] in held,
        "may_screen": "vm.screen" in held,
        "may_schedule": set(schedules.NEEDS) <= held,
    }


def common(found: Possible) -> snapshot_rules.Reason | None:
    """Why none of them can be gone back to, where that is the same for all."""
    refused = [answer.refusals[:1] for answer in found.revert.values()]
    alike = bool(refused) and all(one and one == refused[0] for one in refused)
    return refused[0][0] if alike else None


def schedules_of(request: HttpRequest, vm: VirtualMachine) -> dict[str, Any]:
    """Those that hold it and that he sees; more: how many that others have set."""
    holding = list(schedules.holding(vm).distinct())
    seen = set(visible_schedules(request.user).filter(pk__in=[one.pk for one in holding]).values_list("pk", flat=True))
    shown = [one for one in holding if one.pk in seen]
    return {
        "lines": schedules.make_lines(request.user, shown),
        "more": len(holding) - len(shown),
        "hosts": seen_hosts(request.user, [one.host for one in shown if one.host]),
    }


def suggested() -> str:
    """A name by the date, by the reader's clock."""
    return date_format(timezone.localtime(), "Y-m-d H.i")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_snapshot_take(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One question; answered, the operation that takes it."""
    vm = get_vm_or_404(request.user, pk, to=kinds.SNAPSHOT.privileges[0])
    there = snapshot_facts.look(vm)
    found, runs = snapshots.possible(vm, there=there), there.runs
    sent = request.POST if request.method == "POST" else None
    form = TakeFields(
        sent, possible=found, runs=runs, initial={"name": request.GET.get("name", suggested()), "memory": "no"}
    )
    if form.is_bound and form.is_valid():
        with going.refusals(form):
            snapshots.take(session_actor(request), vm, **form.wish())
            return redirect("vm-snapshots", vm.pk)
    choice = found.with_memory if form.only_memory else found.plain
    context = {"vm": vm, "form": form, "possible": found, "choice": choice, "runs": runs}
    return render(request, "vms/snapshot_take.html", context, status=400 if form.is_bound else 200)


def one(request: HttpRequest, pk: int, name: str, to: str = "vm.view") -> tuple[VirtualMachine, Snapshot, There]:
    """Raises Http404, NotAllowed."""
    vm = get_vm_or_404(request.user, pk, to=to)
    return vm, snapshots.get_or_404(vm, name), snapshot_facts.look(vm)


@login_required
@require_safe
def vm_snapshot(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """One of them: what it is, what can be done with it, and how its definition differs from that of now."""
    vm, snapshot, there = one(request, pk, name)
    head = make_header(vm, request.user)
    machine = there.machine
    context = {
        **tab_context(request, vm, "snapshots", head),
        **rights(head.rights),
        "snapshot": snapshot,
        "revert": snapshot_rules.revert(machine, name),
        "delete": snapshot_rules.delete(machine, name),
        "branch": snapshot_rules.delete(machine, name, children=True),
        "came": machine.branch(name)[:-1],
        "has_picture": "vm.screen" in head.rights and snapshots.picture(vm, snapshot) is not None,
        "differs": xml.lines_between(snapshot_tree.dedented(snapshot.next_boot), there.document.next_boot)
        if "vm.xml.view" in head.rights and snapshot.next_boot
        else None,
    }
    return render(request, "vms/snapshot.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_snapshot_revert(request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
    """The question, with the present state kept first where there is room; answered, the operation that goes back."""
    vm, snapshot, there = one(request, pk, name, kinds.REVERT.privileges[0])
    found = snapshots.possible(vm, there=there)
    can_keep = found.keep.possible and found.room.enough
    start = {"keeps": can_keep, "keep": gettext("before going back {time}").format(time=suggested())}
    form = RevertFields(request.POST if request.method == "POST" else None, initial=start)
    if form.is_bound and form.is_valid():
        with going.refusals(form):
            snapshots.revert(session_actor(request), vm, name, keep=form.wish())
            return redirect("vm-snapshots", vm.pk)
    context = {
        "vm": vm, "snapshot": snapshot, "form": form, "possible": found, "can_keep": can_keep,
        "answer": found.revert[name], "missing": missing(request, vm, snapshot, there),
    }  # fmt: skip
    return render(request, "vms/snapshot_revert.html", context, status=400 if form.is_bound else 200)


def missing(request: HttpRequest, vm: VirtualMachine, snapshot: Snapshot, there: There) -> list[str]:
    """The rights for what would come back with it that he has not."""
    try:
        needs = snapshots.privileges(snapshots.needs_of(request.user, there, snapshot))
    except BadXML:
        return []
    return sorted(set(needs) - held(request.user, vm))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_snapshot_delete(request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
    """The question, of it alone or with what came from it; answered, the operation that lets it go."""
    vm, snapshot, there = one(request, pk, name, kinds.DELETE.privileges[0])
    machine = there.machine
    why = ""
    if request.method == "POST":
        whole = request.POST.get("children") == "1"
        if not (why := going.refusal(lambda: snapshots.delete(session_actor(request), vm, name, children=whole))):
            return redirect("vm-snapshots", vm.pk)
    context = {
        "vm": vm, "snapshot": snapshot, "why": why, "answer": snapshot_rules.delete(machine, name),
        "branch": snapshot_rules.delete(machine, name, children=True), "came": machine.branch(name)[:-1],
    }  # fmt: skip
    return render(request, "vms/snapshot_delete.html", context, status=409 if why else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_snapshot_rename(request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
    """The form; sent, the operation that calls it otherwise, or says something else of it."""
    vm, snapshot, there = one(request, pk, name, kinds.RENAME.privileges[0])
    answer = snapshot_rules.rename(there.machine, name)
    start = {"to": snapshot.name, "description": snapshot.description}
    form = RenameFields(request.POST if request.method == "POST" else None, named=answer.possible, initial=start)
    if form.is_bound and form.is_valid():
        with going.refusals(form):
            snapshots.rename(session_actor(request), vm, name, **form.cleaned_data)
            return redirect("vm-snapshots", vm.pk)
    context = {"vm": vm, "snapshot": snapshot, "form": form, "answer": answer}
    return render(request, "vms/snapshot_rename.html", context, status=400 if form.is_bound else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_flatten(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The question; answered, the operation that writes what lies under its disks into them."""
    vm = get_vm_or_404(request.user, pk, to=kinds.FLATTEN.privileges[0])
    machine = snapshot_facts.look(vm).machine
    why = ""
    if request.method == "POST" and not (why := going.refusal(lambda: snapshots.flatten(session_actor(request), vm))):
        return redirect("vm-snapshots", vm.pk)
    context = {"vm": vm, "machine": machine, "answer": snapshot_rules.flatten(machine), "why": why}
    return render(request, "vms/snapshot_flatten.html", context, status=409 if why else 200)
