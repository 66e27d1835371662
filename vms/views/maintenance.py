"""A host's maintenance: the plan before, how far it is, and its VMs back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from vms.errors import BadParameters
from vms.forms.maintenance import read
from vms.models import EvacuatedVm, Host
from vms.permissions import Actor, Who, get_host_or_404, seen_hosts
from vms.services import maintenance
from vms.services.actors import session_actor
from vms.services.freshness import freshness
from vms.services.maintenance import PRIVILEGE, Proposal
from vms.services.maintenance_plan import Left
from vms.services.maintenance_words import choice_word, steps_word, why
from vms.services.sentences import duration
from vms.services.telling import as_told
from vms.views.going import ask

# More reasons than that nobody reads; the others are like them.
MOST_REASONS = 5


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def host_maintenance(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The page; sent, what its button says is done."""
    host = get_host_or_404(request.user, pk, to=PRIVILEGE)
    if request.method == "POST":
        return ask(request, deed(request, host), "host-maintenance", host.pk)
    who = request.user
    now, last = maintenance.going_on(host).select_related("host").first(), maintenance.last(host)
    rows = maintenance.rows(last) if last else []
    context = {
        "host": host,
        "fresh": freshness(host),
        "tab": "maintenance",
        "may_maintain": True,
        "operation": as_told(who, [now])[0] if now else None,
        "away": None if now else shown(maintenance.propose(who, host)),
        "back": None if now else shown(maintenance.propose_back(who, host)),
        "last": last,
        "rows": lines(who, rows),
        "over": sum(row.state in (EvacuatedVm.State.DONE, EvacuatedVm.State.FAILED) for row in rows),
        "parallel": maintenance.PARALLEL,
        "usual": maintenance.USUAL,
    }
    return render(request, "hosts/maintenance.html", context)


def deed(request: HttpRequest, host: Host) -> Callable[[], object]:
    """What the button does that was pressed. Raises BadParameters."""
    actor, what = session_actor(request), request.POST.get("do", "")
    deeds: dict[str, Callable[[Actor, Host], object]] = {
        "enter": lambda actor, host: maintenance.enter(actor, host, **approved(request)),
        "mark": maintenance.enter,
        "leave": maintenance.leave,
        "back": lambda actor, host: maintenance.leave(actor, host, **approved(request)),
        "stop": maintenance.stop,
        "stay": maintenance.let_stay,
    }
    if what not in deeds:
        return lambda: refuse("do")
    return lambda: deeds[what](actor, host)


def refuse(field: str) -> None:
    raise BadParameters(field=field)


def approved(request: HttpRequest) -> dict[str, Any]:
    found = read(request.POST.dict())
    return {"digest": found.digest, "choices": found.choices, "parallel": found.parallel}


def shown(proposal: Proposal) -> dict[str, Any]:
    """A plan as the page draws it."""
    plan = proposal.plan
    moves = [{"move": move, "takes": duration(move.seconds), "does": steps_word(move.steps)} for move in plan.moves]
    return {
        "digest": plan.digest, "takes": duration(plan.seconds), "others": proposal.others, "moves": moves,
        "left": [left(one) for one in plan.left],
    }  # fmt: skip


def left(one: Left) -> dict[str, Any]:
    """A VM that the plan leaves, with what can be chosen for it."""
    host = one.offline.name if one.offline else ""
    return {
        "one": one,
        "reasons": one.why[:MOST_REASONS],
        "more": max(len(one.why) - MOST_REASONS, 0),
        "choices": [(choice, choice_word(choice, host)) for choice in one.choices],
    }


def lines(who: Who, rows: list[EvacuatedVm]) -> list[dict[str, Any]]:
    """The VMs of the plan that was approved last."""
    seen = seen_hosts(who, [row.to for row in rows if row.to])
    return [{"row": row, "to": told(row, seen), "why": why(row), "does": steps_word(row.steps)} for row in rows]


def told(row: EvacuatedVm, seen: frozenset[int]) -> Host | None:
    """Where it goes, if that may be known."""
    return row.to if row.to and row.to.pk in seen else None
