"""Schedules: snapshots that are made by themselves, in the name of who set them.

What is due is begun and brought to its end by workers (vms.services.schedule_runs).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from vms import live
from vms.errors import BadFields, NotAllowed
from vms.models import Schedule, ScheduledSnapshot, ScheduleRun, VirtualMachine
from vms.models.schedules import Every
from vms.permissions import (
    Actor,
    Who,
    get_schedule_or_404,
    held_each,
    require_all,
    visible_hosts,
    visible_schedules,
    visible_vms,
)
from vms.services import audit, snapshot_facts, snapshot_rules, time_zones
from vms.services.retention import Policy
from vms.services.schedule_times import HOUR, When, times_after
from vms.services.snapshot_rules import Reason

# What its owner needs on each VM: to set it, to make a snapshot, and to discard an old one.
NEEDS: Final = ("vm.schedule", "vm.snapshot", "vm.revert")
LONGEST: Final = 60
# One user's.
MOST: Final = 50
MOST_KEPT: Final = 1000
KEEPS: Final = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly")
OF: Final = ("vm", "host", "tag")
VALUES: Final = ("name", *OF, "every", "minutes", "day", "zone", *KEEPS, "memory", "quiesce")
DAY: Final = 24 * HOUR
SHOWN: Final = 3
# There are snapshots of these.
HELD: Final = ("taken", "leaving", "deleting")


def find_schedules(who: Who) -> QuerySet[Schedule]:
    """Those that he sees, by name."""
    return visible_schedules(who)


def when(schedule: Schedule) -> When:
    return When(schedule.every, schedule.minutes, schedule.day, schedule.zone)


def policy(schedule: Schedule) -> Policy:
    return Policy(**{name.removeprefix("keep_"): getattr(schedule, name) for name in KEEPS})


def coming(schedule: Schedule, count: int = SHOWN) -> list[datetime]:
    """When it is due next, in its own zone; nothing while it is off or stopped."""
    if schedule.next_run_at is None:
        return []
    zone = ZoneInfo(schedule.zone)
    first = schedule.next_run_at
    later = islice(times_after(when(schedule), max(first, timezone.now())), count - 1)
    return [at.astimezone(zone) for at in (first, *later)]


def selected(schedule: Schedule, vms: QuerySet[VirtualMachine]) -> QuerySet[VirtualMachine]:
    """Those of the VMs that it is of, whoever may do something with them."""
    if schedule.vm_id:
        return vms.filter(pk=schedule.vm_id)
    return vms.filter(placement__host=schedule.host_id) if schedule.host_id else vms.filter(tags__name=schedule.tag)


def settable(who: Who) -> QuerySet[VirtualMachine]:
    """The VMs with which he may do all that a schedule needs; no templates, nothing in the trash."""
    there = visible_vms(who, NEEDS[0]).filter(templated_at=None, placement__present=True)
    for privilege in NEEDS[1:]:
        there = there.filter(pk__in=visible_vms(who, privilege).order_by().values("pk"))
    return there


def reach(who: Who, schedule: Schedule) -> QuerySet[VirtualMachine]:
    """Those of these that it is of, by name."""
    return selected(schedule, settable(who)).order_by("name", "pk")


def holding(vm: VirtualMachine) -> QuerySet[Schedule]:
    """Those that are of this VM, whosever they are."""
    of = Schedule.objects.filter(vm=vm)
    placement = vm.placement
    if placement:
        of = of | Schedule.objects.filter(host=placement.host_id)
    return (of | Schedule.objects.filter(tag__in=vm.tags.values("name"))).select_related("owner", "vm", "host")


def refusal(schedule: Schedule) -> Reason | None:
    """Why a snapshot as it would take it of its VM is not possible now; None where it is, or it is of several."""
    vm = schedule.vm
    if vm is None or vm.placement is None:
        return None
    machine = snapshot_facts.look(vm).machine
    choice = snapshot_rules.choose(machine, memory=schedule.memory and machine.runs)
    return choice.refusals[0] if choice.refusals else None


def needs_memory(vm: VirtualMachine) -> bool:
    """Whether a snapshot of it as it is now is possible with its memory alone."""
    machine = snapshot_facts.look(vm).machine
    possible = (snapshot_rules.choose(machine, memory=memory).possible for memory in (False, True))
    return list(possible) == [False, True]


def runs_of(schedule: Schedule) -> QuerySet[ScheduleRun]:
    """Its runs with what they made, the latest first."""
    return ScheduleRun.objects.filter(schedule=schedule).prefetch_related("snapshots").order_by("-pk")


def add(actor: Actor, values: Mapping[str, Any]) -> Schedule:
    """A new one, his. values: those of VALUES, vm and host by their numbers. Raises NotAllowed, BadFields by these
    names."""
    if Schedule.objects.filter(owner=actor.user).count() >= MOST:
        raise BadFields({"name": "schedule_many"})
    return store(actor, Schedule(zone="UTC", every=Every.DAILY), values)


def change(actor: Actor, schedule: Schedule, values: Mapping[str, Any]) -> Schedule:
    """Other values, as many as are given; it is his from then on, and runs with his rights. Raises as add does."""
    return store(actor, schedule, values)


def known(schedule: Schedule) -> dict[str, Any]:
    """Its values."""
    return {name: getattr(schedule, f"{name}_id" if name in ("vm", "host") else name) for name in VALUES}


def store(actor: Actor, schedule: Schedule, values: Mapping[str, Any], *, anew: bool = False) -> Schedule:
    """anew: it is switched on, whatever stopped it."""
    new = schedule.pk is None
    was = known(schedule)
    now = {**was, **{name: values[name] for name in VALUES if name in values}}
    if faults := wrong(actor, schedule, now):
        raise BadFields(faults)
    owner = schedule.owner
    for name, value in now.items():
        setattr(schedule, f"{name}_id" if name in ("vm", "host") else name, value)
    check_reach(actor, schedule)
    if not (new or anew) and now == was and owner == actor.user and not schedule.stopped_code:
        return schedule
    schedule.owner = actor.user
    schedule.stopped_code = ""
    schedule.enabled = schedule.enabled or anew
    if schedule.enabled:
        schedule.next_run_at = next(times_after(when(schedule), timezone.now()))
    with transaction.atomic():
        # What became of its runs is the workers'.
        columns = [*VALUES, "owner", "enabled", "stopped_code", "next_run_at"]
        schedule.save(update_fields=None if new else columns)
        facts = facts_of(now) if new else audit.changes(facts_of(was), facts_of(now))
        if not new and owner != actor.user:
            facts["owner"] = actor.user.get_username()
        note(
            "added:schedule" if new else "switched-on:schedule" if anew else "changed:schedule",
            actor,
            schedule,
            **facts,
        )
    return schedule


def facts_of(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in VALUES if name != "name"}


def note(action: str, actor: Actor | None, schedule: Schedule, **facts: Any) -> None:
    """Into the audit, and to the open pages."""
    audit.record(action, actor=actor, target=schedule.vm or schedule.host, schedule=schedule.name, **facts)
    live.announce(names(schedule))


def names(schedule: Schedule) -> list[str]:
    """What is announced of it; who sees it by its VM hears by that."""
    return [f"schedule:{schedule.pk}", *([f"vm:{schedule.vm_id}"] if schedule.vm_id else [])]


def wrong(actor: Actor, schedule: Schedule, values: Mapping[str, Any]) -> dict[str, str]:
    """The code of each value that does not fit."""
    faults: dict[str, str] = {}
    name = values["name"]
    if not (0 < len(name) <= LONGEST and name.isprintable() and name == name.strip()):
        faults["name"] = "schedule_name" if name else "missing"
    elif Schedule.objects.filter(owner=actor.user, name__iexact=name).exclude(pk=schedule.pk).exists():
        faults["name"] = "schedule_taken"
    chosen = [each for each in OF if values[each]]
    if len(chosen) != 1:
        faults["of"] = "schedule_of"
    if values["every"] not in Every.values:
        faults["every"] = "choice"
    if not 0 <= values["minutes"] < (HOUR if values["every"] == "hourly" else DAY):
        faults["minutes"] = "schedule_minute" if values["every"] == "hourly" else "schedule_minutes"
    least, most = {"weekly": (0, 6), "monthly": (1, 31)}.get(values["every"], (0, 31))
    if not least <= values["day"] <= most:
        faults["day"] = "schedule_weekday" if values["every"] == "weekly" else "schedule_day"
    if values["zone"] not in time_zones.names():
        faults["zone"] = "choice"
    faults |= {each: "schedule_keep" for each in KEEPS if not 0 <= values[each] <= MOST_KEPT}
    if not any(values[each] for each in KEEPS):
        faults["keep_last"] = "schedule_keep_none"
    return faults


def check_reach(actor: Actor, schedule: Schedule) -> None:
    """Nothing, or BadFields where there is no such thing for him, NotAllowed where he may not do with it what a
    schedule does."""
    if schedule.vm_id:
        vm = visible_vms(actor).filter(pk=schedule.vm_id).first()
        if vm is None:
            raise BadFields({"vm": "schedule_no_vm"})
        require_all(actor, NEEDS, vm)
        schedule.vm = vm
        return
    if schedule.host_id:
        schedule.host = visible_hosts(actor).filter(pk=schedule.host_id).first()
        if schedule.host is None:
            raise BadFields({"host": "schedule_no_host"})
    if not reach(actor, schedule).exists():
        raise BadFields({"host" if schedule.host_id else "tag": "schedule_reaches_none"})


def may_change(who: Who, schedule: Schedule) -> bool:
    """Whether he could make it his: on a tag or a host only who sees it at all can."""
    if schedule.vm is None:
        return True
    return set(NEEDS) <= held_each(who, NEEDS, [schedule.vm.pk])[schedule.vm.pk]


def switch(actor: Actor, schedule: Schedule, *, on: bool) -> Schedule:
    """Off, it waits; on, it is his who says so, as with any change, and is due at its next time. Off needs no more than
    to see it. Raises NotAllowed, BadFields."""
    if on:
        runs = schedule.enabled and not schedule.stopped_code
        return schedule if runs else store(actor, schedule, {}, anew=True)
    with transaction.atomic():
        if Schedule.objects.filter(pk=schedule.pk, enabled=True).update(enabled=False, next_run_at=None):
            note("switched-off:schedule", actor, schedule)
    schedule.refresh_from_db()
    return schedule


def run_now(actor: Actor, schedule: Schedule) -> Schedule:
    """It is due at once, and then at its next time. Its owner's alone, with whose rights it runs. Raises NotAllowed,
    BadFields."""
    if schedule.owner != actor.user:
        raise NotAllowed(privilege=NEEDS[0])
    check_reach(actor, schedule)
    with transaction.atomic():
        if Schedule.objects.filter(pk=schedule.pk, enabled=True, stopped_code="").update(next_run_at=timezone.now()):
            note("ran:schedule", actor, schedule)
    schedule.refresh_from_db()
    return schedule


def remove(actor: Actor, schedule: Schedule) -> None:
    """It is gone; what it made stays, and is nobody's to thin out. Raises Http404 where somebody was faster."""
    found = get_schedule_or_404(actor, schedule.pk)
    with transaction.atomic():
        note("removed:schedule", actor, found)
        found.delete()


@dataclass(frozen=True)
class Line:
    """A schedule as it is listed. coming: its next times; last: its last run; held: how many snapshots it keeps;
    changes: whether he may change it."""

    schedule: Schedule
    coming: Sequence[datetime]
    last: ScheduleRun | None
    held: int
    changes: bool


def make_lines(who: Who, found: Iterable[Schedule]) -> list[Line]:
    """Three queries more at most."""
    schedules = list(found)
    if not schedules:
        return []
    pks = [each.pk for each in schedules]
    newest = ScheduleRun.objects.filter(schedule__in=pks).order_by().values("schedule").annotate(latest=Max("pk"))
    last = {run.schedule_id: run for run in ScheduleRun.objects.filter(pk__in=newest.values("latest"))}
    taken = ScheduledSnapshot.objects.filter(schedule__in=pks, state__in=HELD).order_by()
    held = dict(taken.values_list("schedule").annotate(Count("pk")))
    vms = {each.vm_id for each in schedules if each.vm_id}
    rights = held_each(who, NEEDS, [pk for pk in vms if pk])
    return [
        Line(
            schedule=each, coming=coming(each), last=last.get(each.pk), held=held.get(each.pk, 0),
            changes=each.vm_id is None or rights[each.vm_id] >= set(NEEDS),
        )
        for each in schedules
    ]  # fmt: skip
