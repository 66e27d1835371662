"""Taking old rows out: a signed checkpoint first, behind which the chain begins, and then the rows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from django.db import models, transaction
from django.utils import timezone

from vms.chain import heads
from vms.chain.keys import Keys
from vms.chain.seals import mac_of_checkpoint
from vms.models import AuditCheckpoint, AuditEvent
from vms.services import audit

BATCH = 1000


def prune(before: datetime, keys: Keys, heads_file: Path) -> int:
    """How many rows went: those from before that time, up to the first that is younger or not sealed. One that an
    earlier run gave up and left goes too. Check the chain first: what is gone proves nothing any more."""
    with transaction.atomic():
        through = last_of(before)
        if through:
            checkpoint(through, keys)
            audit.record("pruned:audit", address="manage.py", through=through.seq, before=before.isoformat())
    gone, end = 0, given_up()
    while some := list(AuditEvent.objects.filter(seq__lte=end).values_list("pk", flat=True)[:BATCH]):
        gone += models.QuerySet(AuditEvent).filter(pk__in=some).delete()[0]
    heads.forget(heads_file, end)
    return gone


def given_up() -> int:
    """The last row that a checkpoint lets go of."""
    return AuditCheckpoint.objects.order_by("-through").values_list("through", flat=True).first() or 0


def last_of(before: datetime) -> AuditEvent | None:
    """The last row of the chain's beginning that is older; None where there is none."""
    sealed = AuditEvent.objects.filter(seq__gt=given_up()).order_by("seq")
    younger = sealed.filter(at__gte=before).first()
    older = sealed.filter(seq__lt=younger.seq) if younger else sealed
    return older.last()


def checkpoint(last: AuditEvent, keys: Keys) -> None:
    made = AuditCheckpoint(at=timezone.now(), through=last.seq or 0, last=last.mac, key=keys.present)
    made.mac = mac_of_checkpoint(keys.known[keys.present], made)
    made.save()
