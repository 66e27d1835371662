"""The same asked of several VMs at once: the ticked ones, or all that a list's filter finds."""

from __future__ import annotations

from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST, require_safe

from vms.errors import BadParameters, NotAllowed
from vms.kinds import KINDS, Kind, whole_number
from vms.models import VirtualMachine
from vms.permissions import visible_vms
from vms.services.batches import Batch, find_batch
from vms.services.lists import find_vms
from vms.services.sentences import kind_title, sentence
from vms.views.power import Refusal, choice, question, request_one, rows_answer
from vms.views.vms import MOST_IDS

MOST_AT_ONCE = 1000
# So many share a transaction: one for each would be a disk's turn for each, one for all would keep others waiting.
TOGETHER = 25
FILTERS = ("q", "state", "host", "tag")


class OtherList(Exception):
    """What was ticked is no longer what the filter finds; says so in words."""


@login_required
@require_POST
def vm_bulk(request: HttpRequest, verb: str) -> HttpResponseBase:
    """Ask for the same of several VMs; each is asked for, or refused, on its own."""
    kind = KINDS.get(f"vm.{verb}")
    if kind is None or not kind.menu:
        raise Http404
    try:
        vms = chosen(request, MOST_AT_ONCE)
    except OtherList as changed:
        return told(request, [], [str(changed)], None)
    if kind.ask and vms and not request.POST.get("confirmed"):
        return question(request, kind, vms, kept(request))
    batch = uuid4()
    refusals = request_all(request, kind, vms, batch)
    lines = [f"{refusal.vm.name}: {refusal.text}" for refusal in refusals]
    said = [summary(kind, len(vms), len(refusals)), *lines] if refusals or not vms else []
    found = find_batch(request.user, batch)
    return told(request, vms, said, found, choice(request, kind, refusals))


def told(
    request: HttpRequest, vms: list[VirtualMachine], said: list[str], batch: Batch | None,
    offered: dict[str, object] | None = None,
) -> HttpResponseBase:  # fmt: skip
    """How it went: for an open list its rows and what was said, else the page where it can be followed."""
    if "HX-Request" in request.headers:
        shown = set(request.POST.getlist("shown"))
        rows = renewed(request, [vm for vm in vms if str(vm.pk) in shown] if shown else vms[:MOST_IDS])
        return rows_answer(request, rows, {"said": said, "batch": batch, "choice": offered}, 409 if said else 200)
    if offered:
        context = {"kind": offered["kind"], "said": said, "choice": offered}
        return render(request, "vms/silent.html", context, status=409)
    for line in said:
        messages.error(request, line)
    return redirect(f"{reverse('activity')}?batch={batch.id}" if batch else "vm-list")


def renewed(request: HttpRequest, vms: list[VirtualMachine]) -> list[VirtualMachine]:
    return list(visible_vms(request.user).filter(pk__in=[vm.pk for vm in vms]))


def request_all(request: HttpRequest, kind: Kind, vms: list[VirtualMachine], batch: UUID) -> list[Refusal]:
    """Ask for it of each; those that were refused."""
    refusals = []
    for start in range(0, len(vms), TOGETHER):
        with transaction.atomic():
            for vm in vms[start : start + TOGETHER]:
                try:
                    refusal = request_one(request, kind, vm, batch)
                except NotAllowed as error:
                    refusal = Refusal(vm, sentence(error.code, error.params))
                if refusal:
                    refusals.append(refusal)
    return refusals


def chosen(request: HttpRequest, most: int) -> list[VirtualMachine]:
    """The ticked VMs, by name; 404 when one is not there for this user, OtherList when the filter finds others, or
    more than so many."""
    if request.POST.get("all"):
        return found_by_filter(request, most)
    asked = request.POST.getlist("vm")
    if len(asked) > MOST_IDS or any(whole_number(pk) is None for pk in asked):
        raise Http404
    found = list(visible_vms(request.user).filter(pk__in=asked))
    if len(found) != len({int(pk) for pk in asked}):
        raise Http404
    return sorted(found, key=lambda vm: vm.name.lower())


def found_by_filter(request: HttpRequest, most: int) -> list[VirtualMachine]:
    """All that the filter finds, where that are as many as the page said."""
    said, q, state, host, tag = (request.POST.get(name, "") for name in ("all", *FILTERS))
    if any(text and whole_number(text) is None for text in (said, host)):
        raise Http404
    try:
        found = find_vms(request.user, q=q, state=state, host=int(host) if host else None, tag=tag)
    except BadParameters:
        raise Http404 from None
    number = found.count()
    if number > most:
        raise OtherList(gettext("These are {n} VMs; {most} at once is the most.").format(n=number, most=most))
    if number != int(said):
        text = ngettext(
            "The list has changed: it has {n} VM now. Tick again.",
            "The list has changed: it has {n} VMs now. Tick again.",
            number,
        )
        raise OtherList(text.format(n=number))
    return list(found)


def kept(request: HttpRequest) -> list[tuple[str, str]] | None:
    """What a question has to bring back so that the same VMs are meant; None where it names them one by one."""
    names = ("all", *FILTERS) if request.POST.get("all") else ()
    return [(name, request.POST.get(name, "")) for name in names] or None


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


@login_required
@require_safe
def vm_batch(request: HttpRequest, batch: UUID) -> HttpResponse:
    """How far it is, for an open page."""
    found = find_batch(request.user, batch)
    if found is None:
        raise Http404
    return render(request, "vms/_batch.html", {"batch": found})
