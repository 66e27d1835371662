"""What a plan is made of: what hosts have, what their VMs were given and used, and where each VM can go."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Final

from vms import metrics
from vms.kinds.migration import MIGRATE
from vms.metrics import HOST, TIERS, VM, Family
from vms.models import Host, Placement, Tag, VirtualMachine
from vms.permissions import Who, visible_vms
from vms.services import advice, placement
from vms.services.advice_rules import SHORTEST, percentile
from vms.services.freshness import placed
from vms.services.host_plan_wishes import Wish
from vms.services.placement import Verdict
from vms.services.placement_rules import Reason
from vms.services.placement_sides import RUNS, sides
from vms.services.placing import TAKES_MEMORY

_, _, QUARTER, HOURS = TIERS
HOUR: Final = 3600
MIB: Final = 1 << 20
# More rows than that are read of the coarser roll-ups.
FINE_ROWS: Final = 200_000
# What is so only at this moment: whether there is room by then, the plan sees to.
MOMENTARY: Final = frozenset({"memory_free", "room"})
SERIES: Final = ("cpu", "memory", "memory_process")


@dataclass(frozen=True)
class Use:
    """Thousandths of a processor and MiB: by the plan's measure, and on the average. watched: for so many seconds."""

    milli: int = 0
    mib: int = 0
    mean_milli: float = 0.0
    mean_mib: float = 0.0
    watched: float = 0.0


@dataclass(frozen=True)
class HostFacts:
    """cpus, mib: what it has. own: what it used beside the VMs that are known here. other_cpus, other_mib: what VMs
    that who asks may not see are given. pool_mib: what is free in its roomiest pool. watched: for so many seconds."""

    id: int
    name: str
    cpus: int
    mib: int
    own_milli: int = 0
    own_mib: int = 0
    other_cpus: int = 0
    other_mib: int = 0
    pool_mib: int = 0
    watched: float = 0.0


@dataclass(frozen=True)
class Way:
    """How a VM would go to a host: the pool into which its disks are copied, 0 for none, and their MiB; mib: of all
    that goes over the wire."""

    pool: int
    copied_mib: int
    mib: int


@dataclass(frozen=True)
class VmFacts:
    """on: it takes processors and memory. use: None where it was measured too little. ways: of each host that it can
    go to; against: of each other the first reason. stays: why it is not asked where it can go ("pinned", "no_right"),
    "" otherwise. wants_cpus, wants_mib: what it is advised to have instead of more, 0 for nothing."""

    id: int
    name: str
    host: int
    on: bool
    cpus: int
    mib: int
    use: Use | None = None
    tags: frozenset[str] = frozenset()
    ways: Mapping[int, Way] = field(default_factory=dict)
    against: Mapping[int, Reason] = field(default_factory=dict)
    stays: str = ""
    wants_cpus: int = 0
    wants_mib: int = 0


@dataclass(frozen=True)
class Facts:
    """left_out: hosts that take no part, each with why: "silent", "maintenance", "unread". step: seconds of a span that
    was measured as one."""

    hosts: tuple[HostFacts, ...]
    vms: tuple[VmFacts, ...]
    left_out: tuple[tuple[int, str, str], ...] = ()
    step: int = 0


def read(who: Who, hosts: Sequence[Host], wish: Wish, *, now: float | None = None) -> Facts:
    """Of these hosts, all of which he may maintain. What it tells of VMs is of those that he sees."""
    out = {host.pk: why for host in hosts if (why := left_out(host, wish))}
    there = [host for host in hosts if host.pk not in out]
    pks = [host.pk for host in there]
    rows = visible_vms(who).filter(placement__host__in=pks, placement__present=True).select_related("placement")
    vms = list(rows.order_by("pk"))
    uses, watched, means, step = measured(there, vms, wish, time.time() if now is None else now)
    verdicts = where_to(who, vms, there, wish)
    tags = tags_of(vms)
    may = set(visible_vms(who, MIGRATE.privileges[0]).filter(placement__host__in=pks).values_list("pk", flat=True))
    others, pools = given_to_others(pks, vms), pools_of(who, there)
    wants = advised(who, pks) if wish.shrink or wish.shrunk else {}
    on_host: dict[int, list[Use]] = defaultdict(list)
    for vm in vms:
        if vm.pk in uses:
            on_host[placed(vm).host_id].append(uses[vm.pk])
    return Facts(
        hosts=tuple(
            host_facts(host, on_host[host.pk], means.get(host.pk), others.get(host.pk, (0, 0)), pools[host.pk],
                       watched.get(host.pk, 0.0))
            for host in there
        ),
        vms=tuple(
            vm_facts(
                vm, uses.get(vm.pk), tags[vm.pk], verdicts[vm.pk], stays(vm, tags[vm.pk], wish, may),
                *wants.get(vm.pk, (0, 0)),
            )
            for vm in vms
        ),
        left_out=tuple((host.pk, host.name, out[host.pk]) for host in hosts if host.pk in out),
        step=step,
    )  # fmt: skip


def left_out(host: Host, wish: Wish) -> str:
    """Why it takes no part, "" where it does."""
    # One that the watcher has not heard for some seconds is asked before anything moves.
    if host.left_alone or host.error_code or host.removed_at:
        return "silent"
    if host.in_maintenance_at and host.pk not in wish.away:
        return "maintenance"
    return "" if host.facts.get("cpus") and host.facts.get("memory_kib") else "unread"


def stays(vm: VirtualMachine, tags: frozenset[str], wish: Wish, may: set[int]) -> str:
    if vm.pk in wish.pinned or tags.intersection(wish.pinned_tags):
        return "pinned"
    return "" if vm.pk in may else "no_right"


def advised(who: Who, hosts: Sequence[int]) -> dict[int, tuple[int, int]]:
    """{VM: (processors, MiB) that are advised for it, 0 for what it may keep} of those that are larger than what they
    do, and of which nobody said that they are to stay so."""
    found: dict[int, tuple[int, int]] = {}
    items = advice.with_left(advice.of_vms(who, visible_vms(who).filter(placement__host__in=hosts)))
    for one in items:
        if one.vm and not one.left and one.wants and one.wants < one.has:
            cpus, mib = found.get(one.vm.pk, (0, 0))
            found[one.vm.pk] = (one.wants, mib) if one.kind == "cpus" else (cpus, one.wants // 1024)
    return found


def tags_of(vms: Sequence[VirtualMachine]) -> dict[int, frozenset[str]]:
    found: dict[int, set[str]] = {vm.pk: set() for vm in vms}
    for vm, name in Tag.objects.filter(vm__in=list(found)).values_list("vm", "name"):
        found[vm].add(name)
    return {vm: frozenset(names) for vm, names in found.items()}


def given_to_others(hosts: Sequence[int], vms: Sequence[VirtualMachine]) -> dict[int, tuple[int, int]]:
    """{host: (processors, MiB)} of VMs that run there and are none of these."""
    found: dict[int, tuple[int, int]] = {}
    known = {vm.pk for vm in vms}
    rows = Placement.objects.filter(host__in=hosts, present=True, state__in=TAKES_MEMORY)
    for vm, host, cpus, kib in rows.values_list("vm", "host", "vcpus", "memory_kib"):
        if vm not in known:
            before = found.get(host, (0, 0))
            found[host] = before[0] + cpus, before[1] + kib // 1024
    return found


def pools_of(who: Who, hosts: Sequence[Host]) -> dict[int, int]:
    """{host: MiB that are free in the roomiest pool that he may use}."""
    return {
        pk: max((pool.available_bytes // MIB for pool in side.pools), default=0)
        for pk, side in sides(who, [], hosts).hosts.items()
    }


def where_to(
    who: Who, vms: Sequence[VirtualMachine], hosts: Sequence[Host], wish: Wish
) -> dict[int, list[Verdict]]:  # fmt: skip
    """Of each VM each of the hosts but its own that may be given VMs."""
    may = {host.pk for host in placement.targets(who)}
    targets = [host for host in hosts if host.pk in may and host.pk not in wish.away]
    found: dict[int, list[Verdict]] = {vm.pk: [] for vm in vms}
    for one in placement.matrix(who, vms, targets):
        if one.host.pk != one.vm.here.pk:
            found[one.vm.pk].append(one)
    return found


def against(one: Verdict) -> Reason | None:
    """The first reason for which it cannot, of those that last."""
    return next((reason for reason in one.reasons if reason.grave and reason.code not in MOMENTARY), None)


def way(one: Verdict) -> Way:
    runs = one.vm.needs.memory_kib // 1024 if one.vm.runs and one.vm.needs else 0
    copied = -(-one.copied_bytes // MIB)
    return Way(one.how.pool.pk if one.disks and one.how.pool else 0, copied, runs + copied)


def vm_facts(
    vm: VirtualMachine, use: Use | None, tags: frozenset[str], verdicts: Iterable[Verdict], stays: str,
    wants_cpus: int, wants_mib: int,
) -> VmFacts:  # fmt: skip
    there = placed(vm)
    judged = {one.host.pk: (against(one), one) for one in verdicts}
    return VmFacts(
        id=vm.pk,
        name=vm.name,
        host=there.host_id,
        on=there.state in RUNS,
        cpus=there.vcpus,
        mib=there.memory_kib // 1024,
        use=use,
        tags=tags,
        ways={} if stays else {host: way(one) for host, (reason, one) in judged.items() if reason is None},
        against={} if stays else {host: reason for host, (reason, _) in judged.items() if reason},
        stays=stays,
        wants_cpus=wants_cpus,
        wants_mib=wants_mib,
    )


def host_facts(
    host: Host, uses: Iterable[Use], mean: tuple[float, float] | None, others: tuple[int, int], pool_mib: int,
    watched: float,
) -> HostFacts:  # fmt: skip
    """mean: of its processors in percent and of its memory in bytes, None where nothing was measured."""
    cpus, mib = int(host.facts["cpus"]), int(host.facts["memory_kib"]) // 1024
    of_vms = list(uses)
    own_milli = mean[0] * cpus * 10 - sum(use.mean_milli for use in of_vms) if mean else 0
    own_mib = mean[1] / MIB - sum(use.mean_mib for use in of_vms) if mean else 0
    return HostFacts(
        id=host.pk,
        name=host.name,
        cpus=cpus,
        mib=mib,
        own_milli=max(round(own_milli), 0),
        own_mib=max(round(own_mib), 0),
        other_cpus=others[0],
        other_mib=others[1],
        pool_mib=pool_mib,
        watched=watched,
    )


Measured = tuple[dict[int, Use], dict[int, float], dict[int, tuple[float, float]], int]


def measured(hosts: Sequence[Host], vms: Sequence[VirtualMachine], wish: Wish, now: float) -> Measured:
    """({VM: its use}, {host: seconds that it was watched}, {host: its means}, seconds of a span)."""
    rows = len(vms) * wish.window * HOUR // QUARTER.step
    tier = QUARTER if rows <= FINE_ROWS else HOURS
    # Whole spans, so that the same question has the same answer for a while.
    end = int(now) // tier.step * tier.step
    start = end - wish.window * HOUR // tier.step * tier.step
    watched, means, periods = {}, {}, {}
    for pk, spans in metrics.spans(HOST, [host.pk for host in hosts], ("cpu", "memory"), start, end, tier):
        most = max((span[2] for span in spans), default=0)
        periods[pk] = tier.step / most if most else SHORTEST
        watched[pk] = seconds(spans, tier.step, periods[pk])
        cpu, memory = ([span[3 + at] for span in spans if span[3 + at] is not None] for at in (0, 1))
        if cpu and memory:
            means[pk] = fmean(cpu) / scale(HOST, "cpu"), fmean(memory) / scale(HOST, "memory")
    measure = fmean if wish.percentile == "mean" else percentile
    by_pk = {vm.pk: vm for vm in vms}
    found = {}
    for pk, spans in metrics.spans(VM, list(by_pk), SERIES, start, end, tier):
        there = placed(by_pk[pk])
        period = periods.get(there.host_id, SHORTEST)
        use = use_of(spans, there.vcpus, measure, seconds(spans, tier.step, period))
        if use:
            found[pk] = use
    return found, watched, means, tier.step


def scale(family: Family, name: str) -> float:
    return family[name].scale


def seconds(spans: Sequence[tuple[Any, ...]], step: int, period: float) -> float:
    return sum((min(float(step), span[2] * period) for span in spans), 0.0)


def use_of(
    spans: Sequence[tuple[Any, ...]], cpus: int, measure: Callable[[list[float]], float | None], watched: float
) -> Use | None:
    """None where nothing is told. What its process holds is what the host must have; what the guest tells of itself is
    less, where it caches."""
    cpu = [float(span[3]) / scale(VM, "cpu") * cpus * 10 for span in spans if span[3] is not None]
    memory = [
        float(told) / scale(VM, "memory") / MIB
        for span in spans
        if (told := span[5] if span[5] is not None else span[4]) is not None
    ]
    if not cpu or not memory:
        return None
    return Use(round(measure(cpu) or 0), round(measure(memory) or 0), fmean(cpu), fmean(memory), watched)
