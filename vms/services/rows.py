"""What a row of the VM list shows, as plain values: fifty of them must cost nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext, ngettext

from vms import live
from vms.kinds import MENU
from vms.models import OPEN_STATES, Operation, Placement, Tag, VirtualMachine
from vms.permissions import Who, held_each, is_administrator, seen_hosts
from vms.services.abilities import lacking_verbs
from vms.services.freshness import freshness, placed, shown_state
from vms.services.sentences import duration, going_on, kind_title, state_word
from vms.services.twins import find_twins, twin_text

# In KiB.
TENTH_OF_GIB = (1 << 20) // 10
ALIVE = ("running", "paused", "shutting_down")


@dataclass(frozen=True)
class Row:
    """state is libvirt's word for the menu, on a silent host its last one, shown names the glyph, word is what is
    read; waiting is how many changes wait for its next start, "" for none, waits the words for it; pk is text, because
    a number would be localized seven times a row. host is "" for who may not see it; lacks: the menu's verbs that this
    VM does not offer him."""

    pk: str
    name: str
    title: str
    tags: tuple[str, ...]
    state: str
    shown: str
    word: str
    note: str
    waiting: str
    waits: str
    twin: str
    host: str
    cpu: str
    memory: str
    address: str
    lacks: str

    def __getitem__(self, name: str) -> object:
        """What a template looks for first: a TypeError each time would be a fifth of a row."""
        return getattr(self, name)


@dataclass(frozen=True)
class Use:
    """Present use, as text; empty where nothing is known."""

    cpu: str = ""
    memory: str = ""


def present_numbers(vms: Sequence[VirtualMachine]) -> dict[int, dict[str, float]]:
    """{vm id: live.numbers() of it} for those that run and were sampled in the last half minute."""
    placements = {str(vm.placement.pk): vm for vm in vms if vm.placement and vm.placement.state in ALIVE}
    hosts = {vm.placement.host_id for vm in placements.values() if vm.placement}
    found = live.numbers(sorted(hosts)) if hosts else {}
    return {vm.pk: found[pk] for pk, vm in placements.items() if pk in found}


def present_use(vms: Sequence[VirtualMachine]) -> dict[int, Use]:
    """{vm id: what it uses now} for those that run and were sampled in the last half minute."""
    found = present_numbers(vms)
    return {vm.pk: use_text(vm, found[vm.pk]) for vm in vms if vm.pk in found}


def use_text(vm: VirtualMachine, numbers: dict[str, float]) -> Use:
    most = vm.placement.memory_kib if vm.placement else 0
    used = numbers.get("memory_kib")
    # Without a balloon driver it is what QEMU's process holds, and that has memory of its own beside the VM's.
    used = min(used, most) if used is not None else None
    return Use(
        cpu=gettext("{n} %").format(n=round(100 * numbers["cpu"])) if "cpu" in numbers else "",
        memory=share_of(used, most) if used is not None else "",
    )


def share_of(used: float, most: float) -> str:
    """Of a small VM in MiB, where tenths of a GiB would say nothing, and what is less than such a tenth too."""
    if most < 1 << 20:
        return gettext("{used} of {most} MiB").format(used=round(used / 1024), most=round(most / 1024))
    if 0 < used < TENTH_OF_GIB:
        return gettext("{used} MiB of {most} GiB").format(used=round(used / 1024), most=gib(most))
    return gettext("{used} of {most} GiB").format(used=gib(used), most=gib(most))


def gib(kib: float) -> str:
    return f"{kib / (1 << 20):.1f}".removesuffix(".0")


def make_rows(vms: Sequence[VirtualMachine], who: Who) -> list[Row]:
    """Their rows in the same order; three queries and one question to Redis for all, for who is no administrator two
    more queries."""
    tags: defaultdict[int, list[str]] = defaultdict(list)
    for vm, tag in Tag.objects.filter(vm__in=[vm.pk for vm in vms]).order_by("pk").values_list("vm", "name"):
        tags[vm].append(tag)
    open_ones = Operation.objects.filter(vm__in=[vm.pk for vm in vms], state__in=OPEN_STATES).order_by("pk")
    working = {vm: (kind, until) for vm, kind, until in open_ones.values_list("vm_id", "kind", "waits_until")}
    use = present_use(vms)
    twins = find_twins(who, vms)
    others = [twin.host for found in twins.values() for twin in found]
    seen = seen_hosts(who, [*others, *(vm.placement.host for vm in vms if vm.placement)])
    refused = refused_verbs(vms, who)
    return [
        make_row(
            vm,
            *working.get(vm.pk, ("", None)),
            use.get(vm.pk, Use()),
            seen,
            refused.get(vm.pk, ""),
            twins.get(vm.pk, []),
            tags[vm.pk],
        )
        for vm in vms
        if vm.placement
    ]


def refused_verbs(vms: Sequence[VirtualMachine], who: Who) -> dict[int, str]:
    """{vm: the menu's verbs for which he has no right there}."""
    if is_administrator(who):
        return {}
    needed = {privilege for kind in MENU for privilege in kind.privileges}
    rights = held_each(who, needed, [vm.pk for vm in vms])
    return {
        vm: " ".join(sorted(kind.verb for kind in MENU if not set(kind.privileges) <= names))
        for vm, names in rights.items()
    }


def waits_text(number: int) -> str:
    return ngettext("{n} change waits for its next start", "{n} changes wait for its next start", number).format(
        n=number
    )


def make_row(
    vm: VirtualMachine,
    kind: str,
    waits_until: datetime | None,
    use: Use,
    seen: frozenset[int],
    refused: str,
    twins: Sequence[Placement],
    tags: Sequence[str],
) -> Row:
    placement = placed(vm)
    fresh = freshness(placement.host)
    use = use if fresh == "live" else Use()
    shown = shown_state(placement, fresh)
    word = gettext("was {state}").format(state=state_word(placement.state)) if shown == "silent" else state_word(shown)
    note = ""
    if kind and waits_until and fresh != "live":
        note = gettext("“{title}” waits").format(title=kind_title(kind))
    elif kind:
        note = f"{going_on(kind)}…"
    elif fresh == "alone":
        note = gettext("left alone")
    elif fresh in ("silent", "old") and placement.host.heard_at:
        seconds = int((timezone.now() - placement.host.heard_at).total_seconds())
        note = gettext("{age} ago").format(age=duration(seconds))
    elif shown not in ("gone", "new") and not placement.persistent:
        note = gettext("not kept after it stops")
    waiting = placement.waiting if placement.run_id is not None and shown != "gone" else 0
    return Row(
        pk=str(vm.pk),
        name=placement.name,
        title=placement.title,
        tags=tuple(tags),
        state=placement.state if shown not in ("gone", "new") and fresh != "alone" else shown,
        shown=shown,
        word=word,
        note=note,
        waiting=str(waiting) if waiting else "",
        waits=waits_text(waiting) if waiting else "",
        twin=twin_text(vm, twins[0], seen) if twins else "",
        host=placement.host.name if placement.host_id in seen else "",
        cpu=use.cpu,
        memory=use.memory,
        address=placement.addresses[0] if placement.addresses else "",
        lacks=f"{lacking_verbs(placement.host.driver)} {refused}".strip(),
    )
