"""What went wrong in a VM by itself: when, why as far as its host tells, and what stood on its screen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from vms.models import Happening, LastScreen, VirtualMachine
from vms.services.freshness import placed
from vms.services.sentences import action_word, disk_reason

PANICS: Final = ("panicked", "crash_loaded")
CODES: Final = (*PANICS, "watchdog_fired", "disk_failed")
# How long it is told of a VM that has gone on since.
TOLD_FOR: Final = timedelta(hours=24)
# Between what a host tells of a crash and the state that comes of it lie moments.
BESIDE: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class Trouble:
    """what: panicked, qemu_ended, watchdog_fired or disk_failed. stands: it is off, or stands still, for that. action,
    why: words. screen: when what is kept of its screen was taken, None where nothing is."""

    what: str
    at: datetime
    stands: bool
    action: str = ""
    disk: str = ""
    why: str = ""
    screen: datetime | None = None


def trouble(vm: VirtualMachine) -> Trouble | None:
    """What went wrong last, while that explains its state, and for a day after; two queries at most."""
    placement = placed(vm)
    since = placement.state_since or timezone.now()
    standing = stands_for(placement.state, placement.state_reason) if placement.present else ""
    found = Happening.objects.filter(vm=vm, code__in=CODES).order_by("-id").first()
    if found is not None and standing and not (since - BESIDE <= found.at <= since + BESIDE):
        found = None
    if found is not None and not standing and found.at < timezone.now() - TOLD_FOR:
        found = None
    if found is None and not standing:
        return None
    at, params = (found.at, found.params) if found else (since, {})
    what = as_told(found.code) if found else standing
    return Trouble(what, at, bool(standing), **words(what, params), screen=screen_of(vm, at, what))


def stands_for(state: str, reason: str) -> str:
    """What state and reason tell by themselves, "" where nothing went wrong."""
    if state == "crashed":
        return "panicked" if reason in ("panicked", "") else "qemu_ended"
    if state == "shut_off" and reason == "crashed":
        return "qemu_ended"
    return {"ioerror": "disk_failed", "watchdog": "watchdog_fired"}.get(reason, "") if state == "paused" else ""


def as_told(code: str) -> str:
    return "panicked" if code in PANICS else code


def words(what: str, params: dict[str, Any]) -> dict[str, str]:
    """The parts of the sentence that hang on what was told."""
    told = {"action": action_word(str(params["action"]))} if params.get("action") else {}
    if what == "disk_failed":
        told |= {"disk": str(params.get("disk", "")), "why": disk_reason(str(params.get("why", "")))}
    return told


def screen_of(vm: VirtualMachine, at: datetime, what: str) -> datetime | None:
    """When the picture of that crash was taken."""
    if what not in ("panicked", "qemu_ended"):
        return None
    taken = LastScreen.objects.filter(vm=vm).values_list("taken_at", flat=True).first()
    return taken if taken is not None and abs(taken - at) < TOLD_FOR else None
