"""What of the audit somebody looks for; page, exports and API ask the same function."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from vms.errors import BadParameters
from vms.models import AuditEvent
from vms.permissions import Actor, require
from vms.services.lists import words

PRIVILEGE: Final = "audit.view"
NUMBERED: Final = re.compile("[a-z]+:[0-9]+", re.ASCII)


@dataclass(frozen=True)
class Wish:
    """The filters as they were given: words that stand in a row, an actor's name, an object ("vm:12" or a name), and
    the time from and to which (a day, which counts whole, or an exact time)."""

    q: str = ""
    actor: str = ""
    object: str = ""
    since: str = ""
    until: str = ""

    def __bool__(self) -> bool:
        return any((self.q, self.actor, self.object, self.since, self.until))


def find_events(actor: Actor, wish: Wish) -> QuerySet[AuditEvent]:
    """The rows that fit, newest first. Raises NotAllowed, or BadParameters for what is no time."""
    require(actor, PRIVILEGE)
    events = AuditEvent.objects.all()
    for word in words(wish.q):
        events = events.filter(search__contains=word)
    if wish.actor:
        events = events.filter(user_name=wish.actor.replace("\0", ""))
    if wish.object:
        field = "target" if NUMBERED.fullmatch(wish.object) else "target_name"
        events = events.filter(**{field: wish.object.replace("\0", "")})
    if wish.since:
        events = events.filter(at__gte=moment(wish.since, "from"))
    if wish.until:
        events = events.filter(at__lt=moment(wish.until, "to"))
    return events


def moment(text: str, field: str) -> datetime:
    """The time that the text names; of a day its beginning or, for "to", its end, in the zone of who asks."""
    try:
        day = parse_date(text)
        at = datetime.combine(day, time()) if day else parse_datetime(text)
        if at is None:
            raise BadParameters(field=field)
        if field == "to":
            at += timedelta(days=1) if day else timedelta(microseconds=1)
        return (at if at.tzinfo else timezone.make_aware(at)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadParameters(field=field) from None
