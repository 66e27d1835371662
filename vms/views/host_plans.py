"""Plans for several hosts: the questions, the answer before and after, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from vms.errors import BadParameters
from vms.forms.host_plans import OWN, PlanFields
from vms.kinds import whole_number
from vms.models import HostPlan, PlannedMove
from vms.permissions import Actor, Who, held_each, require
from vms.services import advice, host_plans
from vms.services import host_plan_words as words
from vms.services.actors import session_actor
from vms.services.capacity_words import processors, size
from vms.services.host_plan_making import MIB
from vms.services.host_plan_wishes import ASKED, Wish
from vms.services.host_plans import PRIVILEGE, State
from vms.services.sentences import duration
from vms.views import going

GOING_ON: Final = (State.RUNNING, State.PAUSED, State.STOPPING)
# Fields that few need.
RARE: Final = ("on_allocation", "cpu_percent", "memory_percent", "apart", "pinned", "pinned_tags")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def plan_list(request: HttpRequest) -> HttpResponseBase:
    """The last ones, and the form of ?kind=; sent, a worker works it out."""
    actor = session_actor(request)
    hosts = host_plans.hosts_for(actor)
    if not hosts:
        require(actor, PRIVILEGE)
    sent = request.method == "POST"
    asked = (request.POST if sent else request.GET).get("kind", "")
    form = PlanFields(asked, hosts, request.POST if sent else None, who=actor)
    if sent and form.is_valid():
        with going.refusals(form):
            return redirect("plan", host_plans.ask(actor, form.wish()).pk)
    own = [form[name] for name in ("margin", "window", "percentile", *OWN[form.kind])]
    context = {
        "form": form,
        "kinds": [(kind, words.kind_word(kind)) for kind in ASKED],
        "hosts": hosts,
        "ticked": {whole_number(str(pk)) for pk in form["hosts"].value() or []} if sent
        else set() if form.kind == "evacuate" else {host.pk for host in hosts},
        "own": own,
        "rare": [form[name] for name in RARE],
        "rare_open": any(form[name].errors for name in RARE),
        "plans": [line(plan) for plan in host_plans.find(actor)],
    }  # fmt: skip
    return render(request, "plans/list.html", context, status=400 if sent else 200)


def line(plan: HostPlan) -> dict[str, Any]:
    return {
        "plan": plan, "kind": words.kind_word(plan.kind), "state": words.state_word(plan.state),
        "result": words.result(plan),
    }  # fmt: skip


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def plan(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The page; sent, what its button says is done."""
    found = host_plans.get_or_404(request.user, pk)
    if request.method == "POST":
        return sent(request, found)
    moves = host_plans.moves_of(found)
    state = found.state
    operation = found.operation if state in GOING_ON else found.computing if state == State.COMPUTING else None
    as_shrunk = bool(found.found.get("smaller", {}).get("vms")) and Wish.from_json(found.asked).shrunk
    larger = host_plans.still_larger(found) if as_shrunk and state == State.READY else {}
    done = sum(move.state == PlannedMove.State.DONE for move in moves)
    context = {
        **line(found),
        "why": words.failure(found),
        "basis": words.basis(found),
        "smaller": words.smaller(found),
        "shrinks": shrink_lines(request.user, found, larger),
        "larger": len(larger),
        "as_shrunk": as_shrunk,
        "found": found.found,
        "operation": operation,
        "going": state in GOING_ON,
        "can_run": state == State.READY and bool(moves) and not larger,
        "can_undo": state in host_plans.OVER and done > 0 and found.kind != "back",
        "can_ask_again": state in (State.READY, State.REFUSED, *host_plans.OVER),
        "over": sum(move.state in ("done", "failed") for move in moves),
        "hosts": host_lines(found),
        "emptied": [row for row in found.found.get("hosts", []) if row["emptied"]],
        "moves": [
            {"row": row, "why": words.move_failure(row), "reason": words.reason_word(row.reason),
             "price": size(row.bytes), "takes": duration(row.seconds)}
            for row in moves
        ],
        "bytes": size(found.found.get("bytes", 0)),
        "takes": duration(found.found.get("seconds", 0)),
        "stuck": stuck_lines(found),
        "left_out": [(one["name"], words.left_out_word(one["why"])) for one in found.found.get("left_out", [])],
        "would": if_lines(found),
        "followed_by": [line(one) for one in found.followed_by.select_related("computing", "operation")],
    }  # fmt: skip
    return render(request, "plans/plan.html", context)


def sent(request: HttpRequest, found: HostPlan) -> HttpResponseBase:
    """Do it; a new plan is gone to."""
    actor, what = session_actor(request), request.POST.get("do", "")
    deeds: dict[str, Callable[[Actor, HostPlan], object]] = {
        "run": lambda actor, plan: host_plans.run(actor, plan, request.POST.get("hash", "")),
        "pause": host_plans.pause,
        "continue": host_plans.go_on,
        "cancel": host_plans.cancel,
        "undo": host_plans.undo,
        "again": host_plans.ask_again,
        "smaller": host_plans.ask_smaller,
    }
    made: list[HostPlan] = []

    def do() -> None:
        if what not in deeds:
            raise BadParameters(field="do")
        new = deeds[what](actor, found)
        if isinstance(new, HostPlan):
            made.append(new)

    answer = going.ask(request, do, "plan", found.pk)
    return going.go(request, "plan", made[0].pk) if made else answer


def host_lines(found: HostPlan) -> list[dict[str, Any]]:
    """Each host with its bars before and after."""
    names = found.found.get("names", [])
    lines = []
    for row in found.found.get("hosts", []):
        before, after, limit = (dict(zip(names, row[key], strict=True)) for key in ("before", "after", "limit"))
        lines.append({
            "row": row,
            "cpu": measure(before, after, limit, "cpu", row["cpus"] * 1000, lambda milli: processors(milli / 1000)),
            "memory": measure(before, after, limit, "memory", row["mib"], lambda mib: size(mib * MIB)),
            "cpus_given": measure(before, after, limit, "cpus", row["cpus"], str),
            "memory_given": measure(before, after, limit, "given", row["mib"], lambda mib: size(mib * MIB)),
        })  # fmt: skip
    return lines


def measure(
    before: dict[str, int], after: dict[str, int], limit: dict[str, int], name: str, whole: int,
    word: Callable[[int], str],
) -> dict[str, str] | None:  # fmt: skip
    """Words and widths of a hundred, as texts, since a template would write numbers as people do; None where it was not
    measured."""
    if name not in before:
        return None
    longest = max(whole, before[name], after[name], limit[name] if name in ("cpus", "given") else 0) or 1
    return {
        "before": word(before[name]), "after": word(after[name]), "limit": word(limit[name]), "whole": word(whole),
        "before_width": f"{100 * before[name] / longest:.1f}", "after_width": f"{100 * after[name] / longest:.1f}",
        "limit_at": f"{min(100 * limit[name] / longest, 99.4):.1f}",
    }  # fmt: skip


def stuck_lines(found: HostPlan) -> list[dict[str, Any]]:
    names = {row["id"]: row["name"] for row in found.found.get("hosts", [])}
    return [
        {
            "one": one, "text": words.stuck_word(one["code"]), "host": names.get(one["host"], ""),
            "reasons": [words.against_word(told, one["name"], names.get(told["host"], "")) for told in one["reasons"]],
        }
        for one in found.found.get("stuck", [])
    ]  # fmt: skip


def shrink_lines(who: Who, found: HostPlan, larger: Collection[int]) -> list[dict[str, Any]]:
    """The VMs that are to be smaller, each with where that is asked for, if he may. larger: those that are not yet."""
    rows = found.found.get("smaller", {}).get("vms", [])
    needs = advice.NEEDS["memory"]
    may = held_each(who, needs, [one["vm"] for one in rows]) if rows else {}
    return [
        {
            "one": one, "text": words.shrink_word(one), "left": one["vm"] in larger,
            "ways": ways_to_shrink(one) if may.get(one["vm"], frozenset()) >= needs else [],
        }
        for one in rows
    ]  # fmt: skip


def ways_to_shrink(one: dict[str, Any]) -> list[tuple[str, str]]:
    """What is to be smaller of it, with the form in which that is filled in."""
    form = reverse("vm-hardware", args=[one["vm"]])
    parts = ((gettext("Processors"), "cpu", "cpus", one["cpus"]), (gettext("Memory"), "memory", "memory", one["mib"]))
    return [
        (name, f"{form}?{urlencode({'part': part, field: wants, 'apply': 'next'})}")
        for name, part, field, (has, wants) in parts
        if has != wants
    ]


def if_lines(found: HostPlan) -> dict[str, Any]:
    """What would become of VMs."""
    names = {row["id"]: row["name"] for row in found.found.get("hosts", [])}
    told: dict[str, Any] = {}
    if lost := found.found.get("lost"):
        told["lost"] = names.get(lost["host"], "")
        told["placed"] = [(one, names.get(one["to"], "")) for one in lost["placed"]]
        told["homeless"] = [(one, words.stuck_word(one["code"])) for one in lost["homeless"]]
    if added := found.found.get("added"):
        told["added"] = added
        told["on"] = [(names.get(host, ""), n) for host, n in added["on"]]
    return told
