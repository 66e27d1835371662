"""Advice as people read it: what, why by which numbers over which window, and what it saves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from vms.kinds.words import mark
from vms.metrics.tiers import DAY
from vms.models import Snapshot, Volume
from vms.services.advice import UNTOUCHED, Item
from vms.services.advice_rules import PERCENTILE, WINDOW, hours
from vms.services.capacity_words import rate, size

# What is too small hurts somebody, so it stands first.
SMALL: Final = "small"
TITLES: Final[dict[str, str]] = {
    SMALL: mark("Too small for what they do"),
    "idle": mark("Idle"),
    "cpus": mark("More processors than they need"),
    "memory": mark("More memory than they need"),
    "disk": mark("Volumes that no VM has"),
    "iso": mark("Installation media that no VM has"),
    "snapshot": mark("Snapshots that were kept for long"),
}
DOES: Final = {
    "idle": mark("Shut down"), "disk": mark("Delete…"), "iso": mark("Delete…"), "snapshot": mark("Delete…"),
}  # fmt: skip
# A week, in days.
DAYS: Final = WINDOW // DAY
KIB: Final = 1024
MIB: Final = 1 << 20


@dataclass(frozen=True)
class Line:
    """A piece of advice in words. do: the word on its button; way: where that leads, "" where it is not his to do;
    post: whether it is done there at once. takes_back: how it is undone."""

    item: Item
    name: str
    address: str
    what: str
    why: str
    saving: str
    do: str
    way: str
    post: bool
    takes_back: str


def line(item: Item) -> Line:
    return Line(
        item=item,
        name=name(item),
        address=address(item),
        what=what(item),
        why=why(item),
        saving=saving([item]),
        do=gettext(DOES.get(item.kind, mark("Change…"))),
        way=way(item) if item.may else "",
        post=item.kind == "idle",
        takes_back=takes_back(item),
    )


def name(item: Item) -> str:
    """With the pool or the VM that it is in before it."""
    if item.snapshot and item.vm:
        return f"{item.vm.name} / {item.snapshot.name}"
    return f"{item.pool.name} / {item.thing.name}" if item.pool else item.thing.name


def address(item: Item) -> str:
    if item.snapshot and item.vm:
        return reverse("vm-snapshot", args=[item.vm.pk, item.snapshot.name])
    return reverse("vm" if item.vm else "volume", args=[item.thing.pk])


def what(item: Item) -> str:
    """What is advised, without the name."""
    if item.snapshot:
        return gettext("Delete it if nobody goes back to it any more.")
    if item.kind == "idle":
        return gettext("It does next to nothing. Shut it down while nobody needs it.")
    if item.kind == "cpus":
        return gettext("Processors: {has} → {wants}").format(has=item.has, wants=item.wants)
    if item.kind == "memory":
        return gettext("Memory: {has} → {wants}").format(has=size(item.has * KIB), wants=size(item.wants * KIB))
    if is_found(item):
        return gettext("Look what it is; if nothing needs it, delete it.")
    return gettext("Delete it if nobody needs it.")


def is_found(item: Item) -> bool:
    return item.volume is not None and item.volume.origin in (Volume.Origin.FOUND, Volume.Origin.VOUCHED)


def why(item: Item) -> str:
    if item.snapshot:
        return why_of_snapshot(item.snapshot)
    return why_of_volume(item) if item.volume else why_of_vm(item)


def why_of_snapshot(snapshot: Snapshot) -> str:
    """How old it is; what it takes is known of its memory at most."""
    taken = snapshot.taken_at
    days = (timezone.now() - taken).days if taken else 0
    text = ngettext(
        "It was taken {n} day ago by its host's clock, and no schedule keeps it.",
        "It was taken {n} days ago by its host's clock, and no schedule keeps it.", days,
    ).format(n=days)  # fmt: skip
    if snapshot.has_memory:
        more = gettext("Its memory takes up to {size}; what its disks take nobody tells.")
        return f"{text} {more.format(size=size(snapshot.memory_bytes))}"
    return f"{text} {gettext('What its disks take nobody tells; it grows with each change since.')}"


def why_of_vm(item: Item) -> str:
    """The numbers, with window and percentile, and for how long of the window it was watched."""
    told = item.told
    if told is None:
        return ""
    window = gettext("Of the last {days} days it ran and was watched for {hours} hours.").format(
        days=DAYS, hours=hours(told.watched)
    )
    percent = {"percentile": PERCENTILE, "days": DAYS}
    if item.kind == "idle":
        text = gettext(
            "In {percentile} of 100 spans of three hours its processors were at most {cpu} % in use, its disks did at "
            "most {disk} and its network cards {network}."
        ).format(**percent, cpu=percent_word(told.cpu), disk=rate(told.disk), network=rate(told.network))
    elif item.kind == "cpus" and item.needs_more:
        text = gettext(
            "On the average of three hours its processors are up to {cpu} % in use ({percentile}th percentile)."
        ).format(**percent, cpu=percent_word(told.cpu))
    elif item.kind == "cpus":
        text = gettext(
            "In {percentile} of 100 spans of three hours even the highest sample was at most {cpu} % of its processors."
        ).format(**percent, cpu=percent_word(told.cpu_high))
    elif item.needs_more:
        text = gettext(
            "On the average of three hours its guest uses up to {memory} ({percentile}th percentile) and swaps up to "
            "{swap}."
        ).format(**percent, memory=size(told.memory or 0), swap=rate(told.swap))
    else:
        text = gettext(
            "In {percentile} of 100 spans of three hours even the highest that its guest used was at most {memory}, "
            "without its cache, which would be smaller then."
        ).format(**percent, memory=size(told.memory_high or 0))
    return f"{text} {window}"


def percent_word(value: float | None) -> str:
    return f"{value or 0:.1f}" if (value or 0) < 10 else f"{value:.0f}"


def why_of_volume(item: Item) -> str:
    """What is known of it; of what was not made here that is less."""
    days = UNTOUCHED[item.kind].days
    if item.kind == "iso":
        text = ngettext(
            "No VM has it in a drive, and it has lain there unchanged for {n} day.",
            "No VM has it in a drive, and it has lain there unchanged for {n} days.", days,
        ).format(n=days)  # fmt: skip
        image = getattr(item.volume, "image_copy", None)
        if image is not None and image.published:
            text = f"{text} {gettext('It is offered to others.')}"
    else:
        text = ngettext(
            "No VM that the dashboard knows has it, nothing lies over it, and nobody has written to it for {n} day.",
            "No VM that the dashboard knows has it, nothing lies over it, and nobody has written to it for {n} days.",
            days,
        ).format(n=days)
    if is_found(item):
        more = gettext(
            "It was not made here: what else uses it on its host, such as another program, the dashboard does not know."
        )
        return f"{text} {more}"
    return text


def saving(items: Iterable[Item]) -> str:
    """What that frees, or takes where it is more; "" for nothing."""
    several = list(items)
    cpus = sum(one.saves_cpus for one in several)
    kib = sum(one.saves_kib for one in several)
    stored = sum(one.saves_bytes for one in several)
    frees = amounts(max(cpus, 0), max(kib, 0), max(stored, 0))
    takes = amounts(max(-cpus, 0), max(-kib, 0), 0)
    words = [gettext("frees {amounts}").format(amounts=frees)] if frees else []
    words += [gettext("takes {amounts} more").format(amounts=takes)] if takes else []
    return ", ".join(words)


def amounts(cpus: int, kib: int, stored: int) -> str:
    words = [ngettext("{n} processor", "{n} processors", cpus).format(n=cpus)] if cpus else []
    words += [gettext("{size} of memory").format(size=size(kib * KIB))] if kib else []
    words += [gettext("{size} of storage").format(size=size(stored))] if stored >= MIB else []
    return ", ".join(words)


def total(items: Iterable[Item]) -> str:
    """What all that saves something would free together."""
    return saving(one for one in items if not one.needs_more)


def way(item: Item) -> str:
    """Where it is asked for: the same forms and questions as anywhere else, filled in."""
    if item.snapshot and item.vm:
        return reverse("vm-snapshot-delete", args=[item.vm.pk, item.snapshot.name])
    if item.volume:
        return reverse("volume-delete", args=[item.volume.pk])
    if item.kind == "idle":
        return reverse("vm-shutdown", args=[item.thing.pk])
    wish = {"cpus": item.wants} if item.kind == "cpus" else {"memory": item.wants // KIB}
    part = "cpu" if item.kind == "cpus" else "memory"
    return f"{reverse('vm-hardware', args=[item.thing.pk])}?{urlencode({'part': part, **wish, 'apply': 'next'})}"


def takes_back(item: Item) -> str:
    if item.volume or item.snapshot:
        return gettext("This cannot be undone.")
    if item.kind == "idle":
        return gettext("Start it again whenever it is needed.")
    return gettext("It applies at its next start; an earlier version of its definition brings back what it had.")


def group(item: Item) -> str:
    """Under which of TITLES it stands."""
    return SMALL if item.needs_more else item.kind
