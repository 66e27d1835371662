"""How far a move to another host is, in words, from the figures that its worker puts on its row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.utils.translation import gettext

from vms.kinds.migration import MIGRATE
from vms.models import Operation
from vms.services.capacity_words import rate
from vms.services.placement_words import size
from vms.services.sentences import duration

# What no figure of a host is larger than.
MOST: Final = 2**63


def figures(operation: Operation) -> list[str]:
    """How much of how much, how fast, how fast the guest changes what was sent, how long still; of one that is over how
    long it stood still. [] for another operation, and as long as nothing is known."""
    return list(told(operation)) if operation.kind == MIGRATE.name else []


def told(operation: Operation) -> Iterator[str]:
    done, left = number(operation, "done_bytes"), number(operation, "left_bytes")
    if operation.is_open and done + left:
        yield gettext("{done} of {all}").format(done=size(done), all=size(done + left))
        yield gettext("{rate} sent").format(rate=rate(number(operation, "speed_bytes")))
        if dirty := number(operation, "dirty_bytes"):
            yield gettext("{rate} changed meanwhile").format(rate=rate(dirty))
        if operation.result.get("seconds_left") is not None:
            yield gettext("about {age} left").format(age=duration(number(operation, "seconds_left")))
    if still := number(operation, "downtime_ms"):
        words = gettext("stands still {n} ms at its end") if operation.is_open else gettext("stood still {n} ms")
        yield words.format(n=still)


def is_past_return(operation: Operation) -> bool:
    """Whether it runs there already, before all of its memory has come: there is no way back."""
    return operation.kind == MIGRATE.name and bool(operation.result.get("postcopy"))


def number(operation: Operation, name: str) -> int:
    value = operation.result.get(name)
    return min(max(int(value), 0), MOST) if isinstance(value, int | float) else 0
