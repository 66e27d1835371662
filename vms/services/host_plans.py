"""Plans for several hosts: asked for, worked out by a worker, approved by their digest, done, and taken back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from django.db import transaction
from django.http import Http404
from django.utils import timezone

from vms import live
from vms.errors import BadFields, NotShrunk, OtherPlan, PlanNotSo
from vms.kinds.host_plans import RUN, WORK_OUT, OfPlan
from vms.models import Host, HostPlan, Operation, Placement, PlannedMove, VirtualMachine
from vms.permissions import Actor, Who, require, visible_hosts, visible_vms
from vms.services import audit, host_plan_facts, operations
from vms.services.host_plan_making import make
from vms.services.host_plan_wishes import Wish, check
from vms.services.placement_sides import RUNS

PRIVILEGE: Final = "host.maintain"
State, MoveState = HostPlan.State, PlannedMove.State
# So many of the last ones are listed.
LISTED: Final = 50
OVER: Final = (State.DONE, State.STOPPED, State.FAILED)


def hosts_for(who: Who) -> list[Host]:
    """Those on which he may plan, by name."""
    return list(visible_hosts(who, PRIVILEGE).order_by("name", "pk"))


@transaction.atomic
def ask(actor: Actor, wish: Wish, *, of: HostPlan | None = None, idempotency_key: str | None = None) -> HostPlan:
    """A plan that a worker works out now. Raises NotAllowed, BadFields, Http404 for a host that he may not maintain."""
    check(wish)
    wish, hosts = with_hosts(actor, wish)
    if idempotency_key and (known := asked_before(actor, wish, idempotency_key)):
        return known
    plan = HostPlan.objects.create(
        kind=wish.kind, hosts=list(wish.hosts), asked=wish.to_json(), asked_by=actor.user, of=of
    )  # fmt: skip
    plan.computing = operations.request(
        WORK_OUT, hosts[0], actor=actor, params=OfPlan(plan.pk), idempotency_key=idempotency_key
    )  # fmt: skip
    plan.save(update_fields=["computing"])
    return plan


def asked_before(actor: Actor, wish: Wish, idempotency_key: str) -> HostPlan | None:
    """What the same request made; its key with another question is refused by request()."""
    known = operations.of_key(actor, idempotency_key)
    plan = HostPlan.objects.filter(computing=known).first() if known else None
    return plan if plan and Wish.from_json(plan.asked) == wish else None


def with_hosts(actor: Actor, wish: Wish) -> tuple[Wish, list[Host]]:
    """The wish with all hosts that it is about, and these, by name."""
    mine = {host.pk: host for host in hosts_for(actor)}
    named = {*wish.hosts, *wish.away, *([wish.lose] if wish.lose else [])}
    if not mine or named - mine.keys():
        raise Http404
    # What is emptied goes to wherever he may send it.
    chosen = mine.keys() if wish.kind == "evacuate" or not wish.hosts else {*wish.hosts}
    if wish.lose and wish.lose not in chosen:
        raise BadFields({"lose": "choice"})
    found = [host for pk, host in mine.items() if pk in chosen]
    return replace(wish, hosts=tuple(host.pk for host in found)), found


def work_out(actor: Actor, plan: HostPlan) -> None:
    """Read what is so now, and keep the plan that follows. Raises NotAllowed, NoHostToPlan, NotMeasured."""
    hosts = hosts_of(plan)
    require_each(actor, hosts)
    wish = Wish.from_json(plan.asked)
    made = make(host_plan_facts.read(actor, hosts, wish), wish, before(plan) if wish.kind == "back" else None)
    with transaction.atomic():
        plan.moves.all().delete()
        PlannedMove.objects.bulk_create(PlannedMove(plan=plan, **move) for move in made.moves)
        plan.found, plan.vms, plan.digest = made.found, made.vms, made.digest(wish)
        plan.save(update_fields=["found", "vms", "digest"])


def before(plan: HostPlan) -> dict[int, int]:
    """{VM: the host that it left} of the plan that is taken back, of those that are still where that put them."""
    rows = plan.of.moves.filter(state=MoveState.DONE).select_related("vm__placement") if plan.of else ()
    return {
        row.vm.pk: row.source_id
        for row in rows
        if row.vm and row.source_id and row.vm.placement and row.vm.placement.host_id == row.to_id
    }


def hosts_of(plan: HostPlan) -> list[Host]:
    """In the order of the plan, without those that are no more."""
    there = Host.objects.in_bulk(plan.hosts)
    return [there[pk] for pk in plan.hosts if pk in there and not there[pk].removed_at]


def require_each(who: Who, hosts: Iterable[Host]) -> None:
    for host in hosts:
        require(who, PRIVILEGE, host)


def find(who: Who) -> list[HostPlan]:
    """The last ones that he may see: of hosts all of which he maintains, naming no VM that he does not see."""
    mine = set(visible_hosts(who, PRIVILEGE).values_list("pk", flat=True))
    rows = HostPlan.objects.select_related("computing", "operation", "asked_by", "of")[: 4 * LISTED]
    plans = [plan for plan in rows if set(plan.hosts) <= mine]
    named = {pk for plan in plans for pk in plan.vms}
    hidden = unseen(who, named)
    return [plan for plan in plans if not hidden.intersection(plan.vms)][:LISTED]


def unseen(who: Who, vms: set[int]) -> set[int]:
    """Those of the VMs that are there and that he does not see."""
    if not vms:
        return set()
    rows = VirtualMachine.objects.filter(pk__in=vms, deleted_at=None, trashed_at=None)
    there = set(rows.values_list("pk", flat=True))
    return there - set(visible_vms(who).filter(pk__in=there).values_list("pk", flat=True))


def get_or_404(who: Who, pk: int) -> HostPlan:
    rows = HostPlan.objects.select_related("computing__host", "operation__host", "asked_by", "of")
    plan = rows.filter(pk=pk).first()
    if plan is None:
        raise Http404
    # A host that is no more hides nothing.
    there = set(Host.objects.filter(pk__in=plan.hosts, removed_at=None).values_list("pk", flat=True))
    mine = set(visible_hosts(who, PRIVILEGE).filter(pk__in=there).values_list("pk", flat=True))
    if not there or there - mine or unseen(who, set(plan.vms)):
        raise Http404
    return plan


def moves_of(plan: HostPlan) -> list[PlannedMove]:
    """In the order in which they are made."""
    return list(plan.moves.select_related("vm", "source", "to", "operation"))


@transaction.atomic
def run(actor: Actor, plan: HostPlan, digest: str, *, idempotency_key: str | None = None) -> Operation:
    """Make its moves. digest: of the plan as it was read. Raises NotAllowed, OtherPlan, PlanNotSo, NotShrunk, and what
    request raises: Locked where one of its hosts is being emptied or another plan moves its VMs."""
    plan = held(plan)
    hosts = hosts_of(plan)
    require_each(actor, hosts)
    if plan.operation and operations.asked_with(actor, RUN, plan.operation.target_id, idempotency_key):
        return plan.operation
    if plan.digest != digest or not digest:
        raise OtherPlan
    if plan.state != State.READY or not plan.moves.exists():
        raise PlanNotSo(state=plan.state)
    if left := still_larger(plan):
        raise NotShrunk(name=left[min(left)], n=len(left))
    operation = operations.request(
        RUN, hosts[0], actor=actor, params=OfPlan(plan.pk), idempotency_key=idempotency_key,
        locks=[f"host:{pk}:maintenance" for pk in sorted(touched(plan))],
    )  # fmt: skip
    plan.operation, plan.approved_at = operation, timezone.now()
    plan.save(update_fields=["operation", "approved_at"])
    return operation


def still_larger(plan: HostPlan) -> dict[int, str]:
    """{VM: its name} of those that a plan takes for smaller than they are; one that is off takes nothing."""
    if not Wish.from_json(plan.asked).shrunk:
        return {}
    wanted = {one["vm"]: one for one in plan.found.get("smaller", {}).get("vms", [])}
    rows = Placement.objects.filter(current_of__in=wanted, present=True, state__in=RUNS)
    return {
        vm: name
        for vm, name, cpus, kib in rows.values_list("vm", "vm__name", "vcpus", "memory_kib")
        if cpus > wanted[vm]["cpus"][1] or kib // 1024 > wanted[vm]["mib"][1]
    }


def touched(plan: HostPlan) -> set[int]:
    """The hosts that VMs leave or come to."""
    return {pk for row in plan.moves.values_list("source", "to") for pk in row if pk}


def held(plan: HostPlan) -> HostPlan:
    """The same row, and nobody else changes it before the transaction ends."""
    return HostPlan.objects.select_for_update(of=("self",)).select_related("computing", "operation").get(pk=plan.pk)


@transaction.atomic
def pause(actor: Actor, plan: HostPlan) -> None:
    """Nothing more is begun; what is under way comes to its end."""
    halt(actor, plan, State.RUNNING, paused=True)


@transaction.atomic
def go_on(actor: Actor, plan: HostPlan) -> None:
    halt(actor, plan, State.PAUSED, paused=False)


def halt(actor: Actor, plan: HostPlan, state: str, *, paused: bool) -> None:
    plan = held(plan)
    hosts = hosts_of(plan)
    require_each(actor, hosts)
    if plan.state != state or plan.operation is None:
        raise PlanNotSo(state=plan.state)
    HostPlan.objects.filter(pk=plan.pk).update(paused=paused)
    audit.record("paused:plan" if paused else "continued:plan", actor=actor, target=hosts[0], plan=plan.pk)
    live.announce([f"op:{plan.operation.pk}", f"host:{hosts[0].pk}"])


def cancel(actor: Actor, plan: HostPlan) -> None:
    """Nothing more is begun, and it does not go on. Raises NotCancellable too."""
    require_each(actor, hosts_of(plan))
    if plan.state not in (State.RUNNING, State.PAUSED) or plan.operation is None:
        raise PlanNotSo(state=plan.state)
    operations.cancel(plan.operation, actor=actor)


def undo(actor: Actor, plan: HostPlan, *, idempotency_key: str | None = None) -> HostPlan:
    """A new plan by which its VMs go back to where they were, which is to be approved like any other."""
    if plan.state not in OVER or not plan.moves.filter(state=MoveState.DONE).exists():
        raise PlanNotSo(state=plan.state)
    asked = Wish.from_json(plan.asked)
    wish = replace(asked, kind="back", away=(), lose=0, add=0, more_cpus=0, more_mib=0, shrunk=False, of=plan.pk)
    return ask(actor, wish, of=plan, idempotency_key=idempotency_key)


def ask_smaller(actor: Actor, plan: HostPlan) -> HostPlan:
    """The same question as if what is too large had been shrunk."""
    if not plan.found.get("smaller", {}).get("vms"):
        raise PlanNotSo(state=plan.state)
    return ask(actor, replace(Wish.from_json(plan.asked), shrunk=True), of=plan)


def ask_again(actor: Actor, plan: HostPlan) -> HostPlan:
    """The same question once more, from what is so now, of the hosts that are still there."""
    asked = Wish.from_json(plan.asked)
    there = tuple(host.pk for host in hosts_of(plan))
    wish = replace(asked, hosts=there, away=tuple(pk for pk in asked.away if pk in there))
    return ask(actor, wish, of=plan.of if plan.kind == HostPlan.Kind.BACK else plan)
