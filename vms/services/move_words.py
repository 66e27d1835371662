"""How far a VM is that moves, in words."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from vms.kinds.migration import MIGRATE
from vms.models import Operation
from vms.services.sentences import duration

UNITS = ("KiB", "MiB", "GiB", "TiB")


def figures(operation: Operation) -> list[tuple[str, str]]:
    """(what, how much), [] for other kinds and before anything is told."""
    told = operation.result
    if operation.kind != MIGRATE.name or "done_bytes" not in told:
        return []
    lines = [(gettext("Came over"), amount(told["done_bytes"]))]
    if operation.is_open:
        lines += [
            (gettext("Still to come"), amount(told["left_bytes"])),
            (gettext("Speed"), gettext("{amount} a second").format(amount=amount(told["speed_bytes"]))),
            (gettext("Its guest writes anew"), gettext("{amount} a second").format(amount=amount(told["dirty_bytes"]))),
            (gettext("Time left"), time_left(told)),
        ]
    if told["downtime_ms"] is not None:
        words = gettext("Stands still at the end for") if operation.is_open else gettext("Stood still for")
        lines.append((words, gettext("{n} ms").format(n=told["downtime_ms"])))
    return lines


def time_left(told: dict[str, Any]) -> str:
    if told["seconds_left"] is None:
        return gettext("unknown: its guest writes faster than it goes")
    return duration(told["seconds_left"])


def amount(number: int) -> str:
    """ "1.5 GiB"; from one KiB on."""
    value, unit = number / 1024, UNITS[0]
    for unit in UNITS:
        if value < 1024 or unit == UNITS[-1]:
            break
        value /= 1024
    return f"{value:.1f} {unit}"


def no_way_back(operation: Operation) -> bool:
    """Whether it runs there already, before all has come."""
    return operation.is_open and bool(operation.result.get("postcopy"))


def line(operation: Operation) -> list[str]:
    """The same of one that goes on, for a line: how much of how much, how fast, how fast its guest writes, how long."""
    told = operation.result
    if operation.kind != MIGRATE.name or not told.get("left_bytes"):
        return []
    done, left = told["done_bytes"], told["left_bytes"]
    parts = [
        gettext("{done} of {all}").format(done=amount(done), all=amount(done + left)),
        gettext("{amount} a second").format(amount=amount(told["speed_bytes"])),
    ]
    if told["dirty_bytes"]:
        parts.append(gettext("{amount} a second written anew").format(amount=amount(told["dirty_bytes"])))
    if told["seconds_left"] is not None:
        parts.append(gettext("about {age} left").format(age=duration(told["seconds_left"])))
    if told["downtime_ms"]:
        parts.append(gettext("stands still at the end for {n} ms").format(n=told["downtime_ms"]))
    return parts
