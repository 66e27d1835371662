"""Whether the audit is what was written: every row's seal, the chain without a gap, and every head that is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import permutations

from django.utils import timezone

from vms.chain.heads import Head
from vms.chain.keys import Keys
from vms.chain.seals import NOTHING, mac_of, mac_of_checkpoint, written
from vms.models import AuditCheckpoint, AuditEvent

# Among so many bad rows it is looked for which one stands in the place of which.
COMPARED = 50


@dataclass
class Report:
    """What was found. unsealed: how many rows wait for their seal, the oldest for so long. behind: rows that a
    checkpoint has given up and that are still there."""

    rows: int = 0
    first: int = 0
    last: int = 0
    faults: list[str] = field(default_factory=list)
    unsealed: int = 0
    waiting: timedelta = timedelta()
    behind: int = 0


def check(keys: Keys, heads: Iterable[Head]) -> Report:
    """Read everything once, in the order of the chain. The heads are read before the rows: those that come meanwhile
    are behind them."""
    report = Report()
    begin, previous = beginning(keys, report)
    report.behind = AuditEvent.objects.filter(seq__lte=begin).count()
    of_seq: dict[int, list[Head]] = {}
    for head in heads:
        if head.seq > begin:
            of_seq.setdefault(head.seq, []).append(head)
    report.first, last = begin + 1, begin
    bad: list[AuditEvent] = []
    missing: list[int] = []
    # None: unknown, because the row before is bad or not there.
    follows: str | None = previous
    for event in AuditEvent.objects.filter(seq__gt=begin).order_by("seq").iterator(1000):
        seq = event.seq or 0
        if seq != last + 1:
            report.faults.append(absent(last + 1, seq - 1))
            missing += range(last + 1, min(seq, last + 1 + COMPARED))
            follows = None
        fault = of_row(event, keys)
        if fault:
            bad.append(event)
            if len(bad) > COMPARED:
                report.faults.append(fault)
            follows = None
        else:
            if follows not in (None, event.previous):
                report.faults.append(f"row {name(event)} does not follow the row before it, which was put there later")
            follows = event.mac
        for head in of_seq.pop(seq, []):
            if not fault and head.mac != event.mac:
                report.faults.append(f"row {name(event)} has another seal than the head of {head.at} names")
        report.rows, last = report.rows + 1, seq
    report.last = last
    report.faults += of_bad(bad[:COMPARED], missing, keys)
    if of_seq:
        furthest = max((head for each in of_seq.values() for head in each), key=lambda head: head.seq)
        if furthest.seq > last:
            cut = absent(last + 1, furthest.seq)
            report.faults.append(f"the end was cut off: {cut}; the head of {furthest.at} names them")
    oldest = AuditEvent.objects.filter(seq=None).order_by("at").first()
    if oldest:
        report.unsealed = AuditEvent.objects.filter(seq=None).count()
        report.waiting = timezone.now() - oldest.at
    return report


def name(event: AuditEvent) -> str:
    """How a fault names a row: its place in the chain, its number in the table."""
    return f"{event.seq} (id {event.pk})"


def absent(first: int, last: int) -> str:
    return f"row {first} is missing" if first == last else f"rows {first} to {last} are missing"


def beginning(keys: Keys, report: Report) -> tuple[int, str]:
    """The row, and its seal, after which the chain is read: that of the newest checkpoint which is ours."""
    for checkpoint in AuditCheckpoint.objects.order_by("-through"):
        key = keys.known.get(checkpoint.key)
        if key and mac_of_checkpoint(key, checkpoint) == checkpoint.mac:
            return checkpoint.through, checkpoint.last
        report.faults.append(f"checkpoint {checkpoint.through} was not made by this dashboard, or was changed")
    return 0, NOTHING


def of_row(event: AuditEvent, keys: Keys) -> str:
    """What is wrong with the row by itself, "" for nothing."""
    key = keys.known.get(event.key)
    if key is None:
        return f"row {name(event)} is sealed with the key {event.key!r}, which is not here"
    if mac_of(key, event.seq, event.previous, event.pk, written(event)) != event.mac:
        return f"row {name(event)} was changed"
    return ""


def of_bad(bad: list[AuditEvent], missing: list[int], keys: Keys) -> list[str]:
    """The faults of rows that are bad by themselves: changed ones, and such that stand in another's place."""
    moved: dict[int, str] = {}
    for one, other in permutations(bad, 2):
        if belongs(one, other, keys):
            moved[one.pk] = f"row {name(one)} stands in the place of row {name(other)}: they were swapped"
    for event in bad:
        key = keys.known.get(event.key)
        for seq in missing if key and event.pk not in moved else []:
            if key and mac_of(key, seq, event.previous, event.pk, written(event)) == event.mac:
                moved[event.pk] = f"row {name(event)} was sealed as row {seq}: it stands in another's place"
    return [moved.get(event.pk) or of_row(event, keys) for event in bad]


def belongs(one: AuditEvent, other: AuditEvent, keys: Keys) -> bool:
    """Whether one is what the other's place held: it brought its seal along, or stands under the other's, with or
    without its own number in the table."""
    with_seal, under_seal = keys.known.get(one.key), keys.known.get(other.key)
    brought = with_seal and mac_of(with_seal, other.seq, one.previous, one.pk, written(one)) == one.mac
    under = under_seal and other.mac in (
        mac_of(under_seal, other.seq, other.previous, pk, written(one)) for pk in (one.pk, other.pk)
    )
    return bool(brought or under)
