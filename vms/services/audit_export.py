"""The audit as a file: a few hundred rows at a time, oldest first, so that its length costs no memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db.models import QuerySet

from vms.models import AuditEvent

CHUNK: Final = 500
# A spreadsheet takes a cell that begins so for a formula; an apostrophe before it makes it text.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
COLUMNS: Final = (
    "id", "at", "user", "token", "address", "action", "object", "object_name", "facts", "seq", "previous", "key", "mac",
)  # fmt: skip


def told(event: AuditEvent) -> dict[str, Any]:
    """A row as data; seq and what follows it are null until it is sealed."""
    sealed = event.seq is not None
    return {
        "id": event.pk,
        "at": event.at.isoformat(),
        "user": event.user_name,
        "token": event.token,
        "address": event.address,
        "action": event.action,
        "object": event.target,
        "object_name": event.target_name,
        "facts": event.facts,
        "seq": event.seq,
        "previous": event.previous if sealed else None,
        "key": event.key if sealed else None,
        "mac": event.mac if sealed else None,
    }


def harmless(value: Any) -> str:
    """The value as the text of a cell that no spreadsheet calculates."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULA) else text


def csv_lines(rows: Iterable[Iterable[Any]]) -> str:
    """RFC 4180."""
    text = io.StringIO()
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


async def chunks(events: QuerySet[AuditEvent], still: Callable[[], bool]) -> AsyncIterator[list[dict[str, Any]]]:
    """All rows, while still() says that they may be read; PermissionError in the middle otherwise, which cuts the
    file off in a way that everybody sees."""
    in_order, last = events.order_by("pk"), 0

    def after(last: int) -> list[AuditEvent]:
        if not still():
            raise PermissionError("the right to read the audit is gone")
        return list(in_order.filter(pk__gt=last)[:CHUNK])

    while found := await sync_to_async(after)(last):
        yield [told(event) for event in found]
        last = found[-1].pk


async def as_csv(events: QuerySet[AuditEvent], still: Callable[[], bool]) -> AsyncIterator[str]:
    yield csv_lines([COLUMNS])
    async for rows in chunks(events, still):
        yield csv_lines([row[column] for column in COLUMNS] for row in rows)


async def as_json(events: QuerySet[AuditEvent], still: Callable[[], bool]) -> AsyncIterator[str]:
    """An array, one row a line."""
    between = "[\n"
    async for rows in chunks(events, still):
        yield between + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        between = ",\n"
    yield "[]\n" if between == "[\n" else "\n]\n"
