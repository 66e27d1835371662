"""From facts to a plan: what is asked of the arithmetic (vms.planning), and what its answer means. The same facts have
the same answer."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from vms.errors import NoHostToPlan, NotMeasured
from vms.planning import (
    Guest,
    Host,
    Lost,
    Ordered,
    added,
    after_loss,
    balanced,
    consolidated,
    evacuated,
    improved,
    moves_of,
    ordered,
    survives,
)
from vms.services.host_plan_facts import Facts, HostFacts, VmFacts
from vms.services.host_plan_wishes import LEAST_HOURS, Wish
from vms.services.maintenance_plan import BYTES_A_SECOND, EACH_SECONDS

MIB: Final = 1 << 20
HOUR: Final = 3600
# So many at most come to or leave a host at a time: no host does more of its slow work at once.
PARALLEL: Final = 2
# Of a VM that can go nowhere so many hosts are named with a reason.
MOST_REASONS: Final = 5
# What a VM that is only thought of takes of its processors where nothing was measured, in thousandths.
USUAL_MILLI: Final = 250
# The host that is only thought of.
NEW_HOST: Final = 0


@dataclass(frozen=True)
class Made:
    """found: as it is stored. moves: in their order, as rows have them. vms: all that are named."""

    found: dict[str, Any]
    moves: list[dict[str, Any]] = field(default_factory=list)
    vms: list[int] = field(default_factory=list)

    def digest(self, wish: Wish) -> str:
        told = [wish.to_json(), self.found, self.moves]
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Question:
    """The arithmetic's hosts and guests, with what they are made of."""

    wish: Wish
    facts: Facts
    names: tuple[str, ...]
    hosts: list[Host]
    guests: list[Guest]


def make(facts: Facts, wish: Wish, back: Mapping[int, int] | None = None) -> Made:
    """The plan. back: where the VMs of a plan that is taken back were before. Raises NoHostToPlan, NotMeasured."""
    if not facts.hosts:
        raise NoHostToPlan
    if not wish.on_allocation and wish.kind != "back":
        refuse_unmeasured(facts)
    question = ask(facts, wish)
    if wish.kind == "whatif":
        return what_if(question)
    assignment, bound = answer(question, back or {})
    if wish.kind != "consolidate" or not (wish.shrink or wish.shrunk):
        return told(question, assignment, bound)
    smaller = with_smaller(question, len(set(assignment.values())))
    if wish.shrunk and smaller.vms:
        made = told(smaller.question, *answer(smaller.question, {}))
    else:
        made = told(question, assignment, bound)
    vms = [smaller_row(vm) for vm in smaller.vms]
    found = {**made.found, "smaller": {"of": smaller.of, "hosts": smaller.hosts, "vms": vms}}
    return Made(found, made.moves, sorted({*made.vms, *(vm.id for vm in smaller.vms)}))


def refuse_unmeasured(facts: Facts) -> None:
    short = [host for host in facts.hosts if host.watched < LEAST_HOURS * HOUR - HOUR / 2]
    if short:
        least = min(short, key=lambda host: host.watched)
        raise NotMeasured(host=least.name, hours=int(least.watched // HOUR), least=LEAST_HOURS)


def ask(facts: Facts, wish: Wish) -> Question:
    # Where no host was measured, as when a plan is taken back that was made without, only what is given counts.
    measured = not wish.on_allocation and all(host.watched for host in facts.hosts)
    names = (*(("cpu", "memory") if measured else ()), "cpus", "given", "disk")
    loads = {vm.id: load(vm, measured=measured) for vm in facts.vms}
    # Without a margin where it was so before.
    margin = 0 if wish.kind == "back" else wish.margin
    local: dict[int, int] = {}
    for vm in facts.vms:
        local[vm.host] = local.get(vm.host, 0) + disk_mib(vm)
    whole_disk = sum(local.values())
    hosts = [
        Host(
            host.id,
            limit(host, wish, margin, host.pool_mib + local.get(host.id, 0), measured=measured),
            limit(host, wish, 0, host.pool_mib + local.get(host.id, 0) + whole_disk, measured=measured),
        )
        for host in facts.hosts
    ]
    guests = [
        Guest(
            vm.id, loads[vm.id], vm.host, {host: 1 + way.mib for host, way in vm.ways.items()},
            vm.tags.intersection(wish.apart),
        )
        for vm in facts.vms
    ]  # fmt: skip
    return Question(wish, facts, names, hosts, guests)


def load(vm: VmFacts, *, measured: bool) -> tuple[int, ...]:
    """Of one that is off nothing but its disks; of one that was not watched for a day all that it is given."""
    given = (vm.cpus, vm.mib) if vm.on else (0, 0)
    used = use(vm) if vm.on else (0, 0)
    return (*(used if measured else ()), *given, disk_mib(vm))


def is_measured(vm: VmFacts) -> bool:
    return vm.use is not None and vm.use.watched >= LEAST_HOURS * HOUR - HOUR / 2


def use(vm: VmFacts) -> tuple[int, int]:
    return (vm.use.milli, vm.use.mib) if vm.use and is_measured(vm) else (vm.cpus * 1000, vm.mib)


def disk_mib(vm: VmFacts) -> int:
    """What would have to be copied, at the most."""
    return max((way.copied_mib for way in vm.ways.values()), default=0)


def limit(host: HostFacts, wish: Wish, margin: int, disk: int, *, measured: bool) -> tuple[int, ...]:
    """What the VMs that are known may take there: of what is measured all but the margin and the host's own; given,
    what is allowed but what others have."""
    cpus = host.cpus * wish.cpu_percent // 100
    mib = host.mib * wish.memory_percent // 100
    if measured:
        kept = (
            max(host.cpus * 10 * (100 - margin) - host.own_milli, 0),
            max(host.mib * (100 - margin) // 100 - host.own_mib, 0),
        )
        return (*kept, max(cpus - host.other_cpus, 0), max(mib - host.own_mib - host.other_mib, 0), disk)
    cpus, mib = cpus * (100 - margin) // 100, mib * (100 - margin) // 100
    return max(cpus - host.other_cpus, 0), max(mib - host.other_mib, 0), disk


def answer(question: Question, back: Mapping[int, int]) -> tuple[dict[int, int], int]:
    """(where the guests are to be, how few hosts no plan can go below, 0 where that is not the question)."""
    wish, hosts, guests = question.wish, question.hosts, question.guests
    if wish.kind == "back":
        return {guest.id: back.get(guest.id, guest.host) for guest in guests}, 0
    if wish.kind == "balance":
        return balanced(hosts, guests, most=wish.most, first=2), 0
    if wish.kind == "evacuate":
        return evacuated(hosts, guests, wish.away), 0
    best = consolidated(hosts, guests, spare=wish.spare)
    return dict(improved(hosts, guests, best.assignment, spare=wish.spare)), best.bound


def told(question: Question, wanted: Mapping[int, int], bound: int) -> Made:
    wish, facts = question.wish, question.facts
    vms = {vm.id: vm for vm in facts.vms}
    names = {host.id: host.name for host in facts.hosts}
    # What cannot go there, as where a plan is taken back, stays and is told.
    possible = [move for move in moves_of(question.guests, wanted) if move.target in vms[move.guest].ways]
    hosts = [replace(host, limit=host.whole) for host in question.hosts] if wish.kind == "back" else question.hosts
    order = ordered(hosts, question.guests, possible, parallel=PARALLEL)
    made = {move.guest: move.target for wave in order.waves for move in wave}
    where = {vm.id: made.get(vm.id, vm.host) for vm in facts.vms}
    used = set(where.values())
    emptied = {vm.host for vm in facts.vms} - used
    moves: list[dict[str, Any]] = []
    for number, wave in enumerate(order.waves, 1):
        for move in wave:
            vm, way = vms[move.guest], vms[move.guest].ways[move.target]
            moves.append(
                {
                    "number": len(moves) + 1, "wave": number, "vm_id": vm.id, "name": vm.name, "source_id": move.source,
                    "to_id": move.target, "pool": way.pool, "bytes": way.mib * MIB,
                    "seconds": EACH_SECONDS + way.mib * MIB // BYTES_A_SECOND,
                    "reason": why(question, move.source, emptied, names),
                }
            )  # fmt: skip
    found: dict[str, Any] = {
        **common(question),
        "hosts": [host_row(question, host, where, emptied) for host in facts.hosts],
        "used": [len({vm.host for vm in facts.vms}), len(used)],
        "bound": bound,
        "survives": survives([host for host in question.hosts if host.id in used], question.guests, where),
        "stuck": stuck(question, where, wanted, order, emptied),
        "moves": len(moves),
        "bytes": sum(move["bytes"] for move in moves),
        "seconds": seconds(moves),
    }
    named = {move["vm_id"] for move in moves} | {one["vm"] for one in found["stuck"]}
    return Made(found, moves, sorted(named | {vm.id for vm in pinned(question)}))


def common(question: Question) -> dict[str, Any]:
    facts = question.facts
    off = [vm for vm in facts.vms if not vm.on]
    unmeasured = [vm for vm in facts.vms if vm.on and not is_measured(vm)] if question.names[0] == "cpu" else []
    return {
        "names": list(question.names),
        "vms": len(facts.vms),
        "pinned": [vm.name for vm in pinned(question)],
        "off": len(off),
        "unmeasured": len(unmeasured),
        "step": facts.step,
        "hours": int(min((host.watched for host in facts.hosts), default=0) // HOUR),
        "left_out": [{"host": pk, "name": name, "why": why} for pk, name, why in facts.left_out],
    }


def pinned(question: Question) -> list[VmFacts]:
    return [vm for vm in question.facts.vms if vm.id in question.wish.pinned]


def host_row(
    question: Question, host: HostFacts, where: Mapping[int, int], emptied: Collection[int]
) -> dict[str, Any]:  # fmt: skip
    """What it carries before and after, its own use included; limit: what is never gone above."""
    one = next(each for each in question.hosts if each.id == host.id)
    own = own_load(question.names, host)
    before = carried(question, {vm.id: vm.host for vm in question.facts.vms}, host.id)
    after = carried(question, where, host.id)
    return {
        "id": host.id, "name": host.name, "cpus": host.cpus, "mib": host.mib,
        "own": own,
        "before": added_up(own, before), "after": added_up(own, after), "limit": added_up(own, list(one.limit)),
        "vms": [sum(vm.host == host.id for vm in question.facts.vms), sum(at == host.id for at in where.values())],
        "emptied": host.id in emptied,
    }  # fmt: skip


def own_load(names: Sequence[str], host: HostFacts) -> list[int]:
    own = {"cpu": host.own_milli, "memory": host.own_mib, "cpus": host.other_cpus, "given": host.other_mib}
    return [own.get(name, 0) for name in names]


def carried(question: Question, where: Mapping[int, int], host: int) -> list[int]:
    there = [guest.load for guest in question.guests if where[guest.id] == host]
    return [sum(column) for column in zip(*there, strict=True)] if there else [0] * len(question.names)


def added_up(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [first + second for first, second in zip(one, other, strict=True)]


def why(question: Question, source: int, emptied: Collection[int], names: Mapping[int, str]) -> dict[str, Any]:
    """The reason of a move: what it does for the host that it leaves."""
    if question.wish.kind == "back":
        return {"code": "back"}
    if source in emptied or question.wish.kind == "evacuate":
        return {"code": "empties", "host": names[source]}
    if question.wish.kind == "balance":
        one = next(each for each in question.hosts if each.id == source)
        load = carried(question, {vm.id: vm.host for vm in question.facts.vms}, source)
        parts = [have / (most or 1) for have, most in zip(load[:2], one.limit[:2], strict=True)]
        return {"code": "evens", "host": names[source], "of": "memory" if parts[1] > parts[0] else "cpu"}
    return {"code": "makes_room", "host": names[source]}


def seconds(moves: Sequence[Mapping[str, Any]]) -> int:
    """Of the whole: wave after wave, in each as long as its busiest host copies."""
    whole = 0
    for wave in sorted({move["wave"] for move in moves}):
        busy: dict[int, int] = {}
        for move in moves:
            if move["wave"] == wave:
                for host in (move["source_id"], move["to_id"]):
                    busy[host] = busy.get(host, 0) + move["bytes"]
        whole += EACH_SECONDS + max(busy.values()) // BYTES_A_SECOND
    return whole


def stuck(
    question: Question, where: Mapping[int, int], wanted: Mapping[int, int], order: Ordered, emptied: Collection[int]
) -> list[dict[str, Any]]:
    """The VMs that cannot go as one would want, each with why: it can go nowhere, or had to wait for another."""
    waits = {move.guest for move in order.left}
    lost = {vm.id for vm in question.facts.vms if wanted.get(vm.id) != vm.host and where[vm.id] == vm.host} - waits
    found = []
    for vm in question.facts.vms:
        code = vm.stays or ("waits" if vm.id in waits else "cannot" if not vm.ways or vm.id in lost else "")
        if question.wish.kind == "evacuate":
            leaves = vm.host in question.wish.away
            code = "" if not leaves or where[vm.id] != vm.host else code or "no_room"
        elif question.wish.kind == "back" and vm.id not in lost | waits:
            code = ""
        if code:
            reasons = [
                {"host": host, "code": reason.code, "params": reason.params, "of_host": reason.of_host}
                for host, reason in list(vm.against.items())[:MOST_REASONS]
            ]
            found.append({"vm": vm.id, "name": vm.name, "host": vm.host, "code": code, "reasons": reasons})
    return found


@dataclass(frozen=True)
class Smaller:
    """What shrinking saves. of: so many VMs are larger than what they do. vms: those of them that it takes, none where
    no host is saved. hosts: so many it would be; question: the one that says so."""

    of: int
    vms: tuple[VmFacts, ...]
    hosts: int
    question: Question


def with_smaller(question: Question, hosts: int) -> Smaller:
    """The fewest of them, those that free most first, with which it is as few hosts as with all. hosts: as they are."""
    advised = [vm for vm in question.facts.vms if vm.wants_cpus or vm.wants_mib]
    advised.sort(key=lambda vm: (-freed_mib(vm), -freed_cpus(vm), vm.id))
    nothing = Smaller(len(advised), (), hosts, question)

    def needs(number: int) -> int:
        asked = as_if_smaller(question, advised[:number])
        return len(consolidated(asked.hosts, asked.guests, spare=question.wish.spare).hosts)

    least = needs(len(advised))
    if least >= hosts:
        return nothing
    low, high = 0, len(advised)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if needs(middle) <= least else (middle, high)
    asked = as_if_smaller(question, advised[:high])
    reached = len(set(answer(asked, {})[0].values()))
    return Smaller(len(advised), tuple(advised[:high]), reached, asked)


def freed_mib(vm: VmFacts) -> int:
    return vm.mib - vm.wants_mib if vm.wants_mib else 0


def freed_cpus(vm: VmFacts) -> int:
    return vm.cpus - vm.wants_cpus if vm.wants_cpus else 0


def as_if_smaller(question: Question, vms: Collection[VmFacts]) -> Question:
    """The same where these have what is advised for them."""
    chosen = {vm.id for vm in vms}
    facts = replace(
        question.facts, vms=tuple(shrunk(vm) if vm.id in chosen else vm for vm in question.facts.vms)
    )  # fmt: skip
    return ask(facts, question.wish)


def shrunk(vm: VmFacts) -> VmFacts:
    """It holds no more than it is given then, and no more goes over the wire."""
    mib = vm.wants_mib or vm.mib
    return replace(
        vm, cpus=vm.wants_cpus or vm.cpus, mib=mib,
        use=replace(vm.use, mib=min(vm.use.mib, mib)) if vm.use else None,
        ways={host: replace(way, mib=max(way.mib - freed_mib(vm), way.copied_mib)) for host, way in vm.ways.items()},
    )  # fmt: skip


def smaller_row(vm: VmFacts) -> dict[str, Any]:
    """What it has and what it is to have: processors, MiB."""
    return {
        "vm": vm.id, "name": vm.name, "cpus": [vm.cpus, vm.wants_cpus or vm.cpus],
        "mib": [vm.mib, vm.wants_mib or vm.mib],
    }  # fmt: skip


def what_if(question: Question) -> Made:
    """A host is lost, VMs are added, a host is added; nothing of it can be done."""
    wish, facts = question.wish, question.facts
    vms = {vm.id: vm for vm in facts.vms}
    hosts, guests = list(question.hosts), list(question.guests)
    shown = list(facts.hosts)
    where = {vm.id: vm.host for vm in facts.vms}
    if wish.more_cpus:
        new = HostFacts(NEW_HOST, "", wish.more_cpus, wish.more_mib, pool_mib=1 << 30)
        measured = question.names[0] == "cpu"
        full = limit(new, wish, wish.margin, new.pool_mib, measured=measured)
        hosts.append(Host(NEW_HOST, full, limit(new, wish, 0, new.pool_mib, measured=measured)))
        shown.append(new)
    found: dict[str, Any] = {}
    named: set[int] = set()
    if wish.lose:
        # What is on that host alone is lost with it: only what others reach can start there.
        reach = {vm.id: [host for host, way in vm.ways.items() if not way.copied_mib] for vm in facts.vms}
        able = [replace(guest, prices=dict.fromkeys(reach[guest.id], 1)) for guest in guests]
        lost = after_loss(hosts, able, where, wish.lose)
        found["lost"] = lost_row(lost, vms, reach, wish.lose)
        named = {one["vm"] for one in found["lost"]["homeless"] + found["lost"]["placed"]}
        gone = set(lost.homeless)
        guests = [guest for guest in guests if guest.id not in gone]
        where = {guest.id: lost.assignment.get(guest.id, where[guest.id]) for guest in guests}
        hosts = [host for host in hosts if host.id != wish.lose]
    if wish.add:
        more = [new_guest(question, -number, hosts) for number in range(1, wish.add + 1)]
        there = added(hosts, guests, where, more)
        counts: dict[int, int] = {}
        for at in there.assignment.values():
            counts[at] = counts.get(at, 0) + 1
        found["added"] = {"asked": wish.add, "fit": len(there.assignment), "on": sorted(counts.items())}
        guests = [*guests, *(one for one in more if one.id in there.assignment)]
        where = {**where, **there.assignment}
    after = replace(question, guests=guests, hosts=hosts)
    rows = []
    for host in shown:
        own = own_load(question.names, host)
        limits = next(each.limit for each in [*question.hosts, *hosts] if each.id == host.id)
        rows.append(
            {
                "id": host.id, "name": host.name, "cpus": host.cpus, "mib": host.mib, "own": own,
                "before": added_up(own, carried(question, {vm.id: vm.host for vm in facts.vms}, host.id)),
                "after": [0] * len(own) if host.id == wish.lose and wish.lose
                else added_up(own, carried(after, where, host.id)),
                "limit": added_up(own, list(limits)),
                "vms": [sum(vm.host == host.id for vm in facts.vms),
                        sum(at == host.id for at in where.values())],
                "emptied": False,
            }
        )  # fmt: skip
    return Made({**common(question), "hosts": rows, **found}, [], sorted(named | {vm.id for vm in pinned(question)}))


def lost_row(
    lost: Lost, vms: Mapping[int, VmFacts], reach: Mapping[int, list[int]], host: int
) -> dict[str, Any]:  # fmt: skip
    homeless = [
        {"vm": pk, "name": vms[pk].name, "code": "no_room" if reach[pk] else "disks" if vms[pk].ways else "cannot"}
        for pk in lost.homeless
    ]
    placed = [{"vm": pk, "name": vms[pk].name, "to": to} for pk, to in sorted(lost.assignment.items())]
    return {"host": host, "placed": placed, "homeless": homeless}


def new_guest(question: Question, pk: int, hosts: Sequence[Host]) -> Guest:
    """One that uses its processors as those here do on the average, and all of its memory."""
    wish = question.wish
    known = [vm for vm in question.facts.vms if vm.on and is_measured(vm)]
    cpus = sum(vm.cpus for vm in known)
    milli = sum(vm.use.milli for vm in known if vm.use) // cpus if cpus else USUAL_MILLI
    used = (wish.add_cpus * milli, wish.add_mib) if question.names[0] == "cpu" else ()
    return Guest(
        pk, (*used, wish.add_cpus, wish.add_mib, 0), -1, {host.id: 1 for host in hosts}
    )  # fmt: skip
