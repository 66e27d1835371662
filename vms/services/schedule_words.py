"""Schedules as people read them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_noop as mark

from vms.models import Schedule, ScheduledSnapshot, ScheduleRun
from vms.services.schedule_times import HOUR
from vms.services.schedules import policy
from vms.services.sentences import sentence

WEEKDAYS: Final = (
    mark("Monday"), mark("Tuesday"), mark("Wednesday"), mark("Thursday"), mark("Friday"), mark("Saturday"),
    mark("Sunday"),
)  # fmt: skip
STATES: Final = {
    "waiting": mark("waits for its turn"),
    "asked": mark("being taken"),
    "taken": mark("taken"),
    "failed": mark("failed"),
    "leaving": mark("taken, to be deleted"),
    "deleting": mark("being deleted"),
    "gone": mark("deleted since"),
}


def clock(schedule: Schedule) -> str:
    return f"{schedule.minutes // HOUR:02}:{schedule.minutes % HOUR:02}"


def rhythm(schedule: Schedule) -> str:
    """How often, with its zone: "every day at 02:30 (Europe/Berlin)"."""
    if schedule.every == "hourly":
        return gettext("every hour at minute {minute:02}").format(minute=schedule.minutes)
    at = {"at": clock(schedule), "zone": schedule.zone}
    if schedule.every == "weekly":
        day = gettext(WEEKDAYS[schedule.day])
        return gettext("every {day} at {at} ({zone})").format(day=day, **at)
    if schedule.every == "monthly":
        if schedule.day > 28:
            words = gettext("on day {day} of each month, or its last, at {at} ({zone})")
            return words.format(day=schedule.day, **at)
        return gettext("on day {day} of each month at {at} ({zone})").format(day=schedule.day, **at)
    return gettext("every day at {at} ({zone})").format(**at)


def kept(schedule: Schedule) -> str:
    """What it keeps: "the last 3, of each of 7 days and 4 weeks the latest"."""
    held = policy(schedule)
    parts = [
        (held.hourly, ngettext("{n} hour", "{n} hours", held.hourly)),
        (held.daily, ngettext("{n} day", "{n} days", held.daily)),
        (held.weekly, ngettext("{n} week", "{n} weeks", held.weekly)),
        (held.monthly, ngettext("{n} month", "{n} months", held.monthly)),
    ]
    spans = [words.format(n=n) for n, words in parts if n]
    said = [ngettext("the last one", "the last {n}", held.last).format(n=held.last)] if held.last else []
    if spans:
        listed = spans[0] if len(spans) == 1 else f"{', '.join(spans[:-1])} {gettext('and')} {spans[-1]}"
        said.append(gettext("the latest of each of {spans}").format(spans=listed))
    return f" {gettext('and')} ".join(said)


def by_its_clock(at: datetime) -> str:
    """A time in the zone that it is in: "Fri 27 Nov, 02:30"."""
    return date_format(at, "D j M, H:i")


def why_stopped(schedule: Schedule) -> str:
    """Why it runs no more by itself; "" where it does."""
    return sentence(schedule.stopped_code) if schedule.stopped_code else ""


def why_run(run: ScheduleRun) -> str:
    """What went wrong in it first; "" for nothing."""
    return told(run.error_code, run.error_params)


def why_snapshot(row: ScheduledSnapshot) -> str:
    return sentence(row.error_code, row.error_params) if row.error_code else ""


def told(code: str, params: dict[str, object]) -> str:
    """With the name of the VM before it, where it is of one."""
    if not code:
        return ""
    said = sentence(code, {key: value for key, value in params.items() if key != "vm"})
    return gettext("{name}: {said}").format(name=params["vm"], said=said) if "vm" in params else said


def state_words(row: ScheduledSnapshot) -> str:
    return gettext(STATES[row.state])
