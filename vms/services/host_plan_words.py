"""What is said of a plan: its question in one line, what it saves, the reason of each move, and why some stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext, ngettext

from vms.kinds.words import mark
from vms.models import HostPlan, PlannedMove
from vms.services.capacity_words import size
from vms.services.host_plan_wishes import Wish
from vms.services.maintenance_words import reason
from vms.services.sentences import duration, move_reason, sentence

KINDS: Final = {
    "consolidate": mark("Fewer hosts"),
    "balance": mark("Even out"),
    "evacuate": mark("Empty hosts"),
    "whatif": mark("What if"),
    "back": mark("Back to before"),
}
STATES: Final = {
    "computing": mark("being worked out"),
    "refused": mark("could not be worked out"),
    "ready": mark("ready to be read"),
    "running": mark("under way"),
    "paused": mark("paused"),
    "stopping": mark("ending"),
    "done": mark("done"),
    "stopped": mark("ended before all was done"),
    "failed": mark("not all of it was done"),
}
REASONS: Final = {
    "empties": mark("empties {host}"),
    "makes_room": mark("makes room on {host}"),
    "evens": mark("evens out {host}'s {of}"),
    "back": mark("goes back to where it was"),
}
RESOURCES: Final = {"cpu": mark("CPU"), "memory": mark("memory")}
STUCK: Final = {
    "pinned": mark("It is to stay where it is, as you asked."),
    "no_right": mark("You may not move it."),
    "cannot": mark("It can go to none of the others."),
    "waits": mark("It would have to wait for another that waits for it: there is no room to change places."),
    "no_room": mark("There is no room for it on the others."),
    "disks": mark("Its disks are on that host alone, and lost with it."),
}
LEFT_OUT: Final = {
    "silent": mark("is not answering and takes no part"),
    "maintenance": mark("is in maintenance and takes no part"),
    "unread": mark("has not been read yet and takes no part"),
}
# So many VMs that stay are named.
MOST_NAMES: Final = 10
PERCENTILES: Final = {"mean": mark("on the average"), "p95": mark("in 95 of 100 spans at most")}


def kind_word(kind: str) -> str:
    return gettext(KINDS[kind])


def state_word(state: str) -> str:
    return gettext(STATES[state])


def reason_word(told: Mapping[str, Any]) -> str:
    of = gettext(RESOURCES.get(str(told.get("of")), ""))
    return gettext(REASONS[str(told.get("code"))]).format(host=told.get("host", ""), of=of)


def stuck_word(code: str) -> str:
    return gettext(STUCK[code])


def against_word(told: Mapping[str, Any], vm: str, host: str) -> str:
    """Why it can't go to that host."""
    return move_reason(str(told["code"]), {**told["params"], **told["of_host"]}, vm=vm, host=host, here="")


def left_out_word(why: str) -> str:
    return gettext(LEFT_OUT[why])


def move_failure(row: PlannedMove) -> str:
    """Why it could not be made, "" where nothing kept it."""
    return reason(row.error_code, row.error_params) if row.error_code else ""


def failure(plan: HostPlan) -> str:
    """Why it was not worked out or not done as a whole, "" where nothing was in the way."""
    doing = plan.operation if plan.approved_at else plan.computing
    return sentence(doing.error_code, doing.error_params) if doing and doing.error_code else ""


def result(plan: HostPlan) -> str:
    """In one line what it comes to."""
    found = plan.found
    if plan.kind == "whatif" or not found:
        return ""
    moves = found["moves"]
    parts = []
    if plan.kind == "consolidate":
        before, after = found["used"]
        if after < before:
            parts.append(
                gettext("{after} hosts instead of {before}").format(after=after, before=before)
                if after > 1
                else gettext("1 host instead of {before}").format(before=before)
            )
        else:
            parts.append(ngettext("it takes the {n} host", "it takes all {n} hosts", before).format(n=before))
        if found["bound"] >= after:
            parts.append(gettext("no plan needs fewer"))
        else:
            parts.append(gettext("no plan needs fewer than {n}").format(n=found["bound"]))
    parts.append(ngettext("{n} move", "{n} moves", moves).format(n=moves) if moves else gettext("nothing to move"))
    if moves:
        parts.append(gettext("about {takes}").format(takes=duration(found["seconds"])))
    return ", ".join(parts)


def smaller(plan: HostPlan) -> str:
    """What smaller VMs save, "" where nobody asked."""
    told = plan.found.get("smaller")
    if not told:
        return ""
    if not told["of"]:
        return gettext("None of the VMs is larger than what it does, as far as that is known.")
    if not told["vms"]:
        return ngettext(
            "{n} VM is larger than what it does; shrinking it saves no host.",
            "{n} VMs are larger than what they do; shrinking them saves no host.",
            told["of"],
        ).format(n=told["of"])
    n = len(told["vms"])
    if Wish.from_json(plan.asked).shrunk:
        return ngettext(
            "It is planned as if {n} VM were smaller.", "It is planned as if {n} VMs were smaller.", n
        ).format(n=n)  # fmt: skip
    after = ngettext("{n} host", "{n} hosts", told["hosts"]).format(n=told["hosts"])
    return ngettext(
        "After shrinking this VM: {after} instead of {before}.",
        "After shrinking these {n} VMs: {after} instead of {before}.",
        n,
    ).format(n=n, after=after, before=plan.found["used"][1])


def shrink_word(told: Mapping[str, Any]) -> str:
    """From what to what one is to be shrunk."""
    cpus, mib = told["cpus"], told["mib"]
    parts = []
    if cpus[0] != cpus[1]:
        parts.append(gettext("Processors: {has} → {wants}").format(has=cpus[0], wants=cpus[1]))
    if mib[0] != mib[1]:
        has, wants = (size(each << 20) for each in mib)
        parts.append(gettext("Memory: {has} → {wants}").format(has=has, wants=wants))
    return ", ".join(parts)


def basis(plan: HostPlan) -> str:
    """What it rests on, and the limits that it keeps."""
    wish, found = Wish.from_json(plan.asked), plan.found
    if found and "cpu" not in found["names"]:
        first = gettext("By what VMs are given alone")
    else:
        days = wish.window / 24
        time = (
            ngettext("{n} hour", "{n} hours", wish.window).format(n=wish.window)
            if days < 2
            else gettext("{n} days").format(n=round(days))
        )
        first = gettext("By what was used over the last {time}, {measure}").format(
            time=time, measure=gettext(PERCENTILES[wish.percentile])
        )
    limits = gettext(
        "{margin} % of each host stay free; at most {cpus} processors are given for each that there is, and {memory} % "
        "of the memory"
    ).format(margin=wish.margin, cpus=f"{wish.cpu_percent / 100:.1f}".removesuffix(".0"), memory=wish.memory_percent)
    parts = [first, limits]
    if wish.kind == "consolidate":
        parts.append(gettext("any one host may be lost") if wish.spare else gettext("no host may be lost"))
    if wish.shrunk and found.get("smaller", {}).get("vms"):
        parts.append(gettext("as if VMs that are too large had been shrunk"))
    if wish.apart:
        parts.append(gettext("never two of {tags} on one host").format(tags=", ".join(wish.apart)))
    if pinned := found.get("pinned"):
        names = ", ".join(pinned[:MOST_NAMES])
        more = gettext("{names} and {n} more").format(names=names, n=len(pinned) - MOST_NAMES)
        parts.append(gettext("{names} stay").format(names=more if len(pinned) > MOST_NAMES else names))
    if wish.pinned_tags:
        parts.append(gettext("{tags} stay").format(tags=", ".join(wish.pinned_tags)))
    return "; ".join(parts) + "."
