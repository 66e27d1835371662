"""Sealing: each row gets the next number and an HMAC over that number, the seal before it, and all that it tells."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC
from typing import Any, Final

from django.db import IntegrityError, transaction

from vms.chain.keys import Keys
from vms.models import AuditCheckpoint, AuditEvent
from vms.models.audit import Seal, put

BATCH: Final = 500
# What the first row follows.
NOTHING: Final = "0" * 64


class Overtaken(Exception):
    """Another worker has sealed these rows meanwhile."""


def written(event: AuditEvent) -> dict[str, Any]:
    """What was written when it happened, without the row's own number."""
    return {
        "at": event.at.astimezone(UTC).isoformat(),
        "user": event.user_id,
        "user_name": event.user_name,
        "token": event.token,
        "address": event.address,
        "action": event.action,
        "target": event.target,
        "target_name": event.target_name,
        "facts": event.facts,
        "search": event.search,
    }


def hmac_of(key: bytes, what: str, **content: Any) -> str:
    """HMAC-SHA256 of the content's one canonical form: JSON with sorted names, without spaces, in ASCII."""
    text = json.dumps({"what": what, **content}, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def mac_of(key: bytes, seq: int | None, previous: str, pk: int, content: dict[str, Any]) -> str:
    """The seal of a row in that place of the chain."""
    return hmac_of(key, "event", seq=seq, previous=previous, id=pk, content=content)


def mac_of_checkpoint(key: bytes, checkpoint: AuditCheckpoint) -> str:
    at = checkpoint.at.astimezone(UTC).isoformat()
    return hmac_of(key, "checkpoint", through=checkpoint.through, last=checkpoint.last, at=at)


def head() -> tuple[int, str]:
    """(number, seal) of the row that was sealed last; (0, NOTHING) before the first."""
    row = AuditEvent.objects.exclude(seq=None).order_by("-seq").values_list("seq", "mac").first()
    # Behind the newest checkpoint there may be no row.
    checkpoint = AuditCheckpoint.objects.order_by("-through").values_list("through", "last").first()
    return max((each[0] or 0, each[1]) for each in (row, checkpoint, (0, NOTHING)) if each)


def seal_some(keys: Keys) -> int:
    """How many of the oldest rows without a seal have one now: all of a batch, or none where another worker was
    first. However many workers try, a number is given once, because it is unique and a row takes one once."""
    try:
        with transaction.atomic():
            seq, previous = head()
            events = list(AuditEvent.objects.filter(seq=None).order_by("pk")[:BATCH])
            found: dict[int, Seal] = {}
            for event in events:
                seq += 1
                mac = mac_of(keys.known[keys.present], seq, previous, event.pk, written(event))
                found[event.pk] = Seal(seq, previous, keys.present, mac)
                previous = mac
            if found and put(found) != len(found):
                raise Overtaken
    except (Overtaken, IntegrityError):
        return 0
    return len(events)
