"""What people did: rows that are written once, and the signed marks up to which old ones were taken out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from django.db import connection, models
from django.utils import timezone

from vms.models.users import User


class AppendOnly(TypeError):
    """Something in this program tried to change or to remove what is written once."""


class AuditEvents(models.QuerySet["AuditEvent"]):
    """Rows are added and read; nothing else is offered. The database's own triggers refuse the rest, too."""

    def refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("audit rows are written once")

    update = bulk_update = update_or_create = delete = refuse


class AuditEvent(models.Model):
    """What a person did or was refused; written in the same commit as the change it tells, never changed.

    token is the beginning of the API token that was used. search is what a search looks at, in lower case. A row is
    sealed within a second (vms.chain): seq has no gaps, mac is over seq, previous (the mac of the row before) and
    everything that was written, made with the key of that name. The user's number stays when the user goes.
    """

    at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(User, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    user_name = models.CharField(max_length=150, blank=True)
    token = models.CharField(max_length=16, blank=True)
    address = models.CharField(max_length=45, blank=True)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=60, blank=True)
    target_name = models.CharField(max_length=255, blank=True)
    facts: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    search = models.TextField(blank=True)

    seq = models.PositiveBigIntegerField(null=True, unique=True, editable=False)
    previous = models.CharField(max_length=64, blank=True, editable=False)
    key = models.CharField(max_length=16, blank=True, editable=False)
    mac = models.CharField(max_length=64, blank=True, editable=False)
    sealed_at = models.DateTimeField(null=True, editable=False)

    objects = AuditEvents.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["user_name", "-id"]),
            models.Index(fields=["target", "-id"]),
            models.Index(fields=["action", "-id"]),
            models.Index(fields=["at"]),
            models.Index(fields=["id"], condition=models.Q(seq=None), name="unsealed_audit"),
        ]

    def __str__(self) -> str:
        return f"{self.user_name} {self.action} {self.target_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("audit rows are written once")
        words = (self.user_name, self.action, self.target, self.target_name, self.address, self.token)
        self.search = " ".join((*words, json.dumps(self.facts, ensure_ascii=False))).lower()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("audit rows are written once")


@dataclass(frozen=True)
class Seal:
    """What a row gets when it is sealed."""

    seq: int
    previous: str
    key: str
    mac: str


def put(seals: Mapping[int, Seal]) -> int:
    """How many of these rows, {id: seal}, were not sealed yet and are now; for vms.chain alone. In one stroke, because
    meanwhile nobody else writes to SQLite."""
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE vms_auditevent SET seq = %s, previous = %s, key = %s, mac = %s, sealed_at = %s"
            " WHERE id = %s AND seq IS NULL",
            [(seal.seq, seal.previous, seal.key, seal.mac, now, pk) for pk, seal in seals.items()],
        )
        return int(cursor.rowcount)


class AuditCheckpoint(models.Model):
    """Rows up to through may go, and the chain begins after it: mac is over this row, last is the mac of the row
    through. The triggers let go of no row that lies behind no checkpoint."""

    at = models.DateTimeField()
    through = models.PositiveBigIntegerField(unique=True)
    last = models.CharField(max_length=64)
    key = models.CharField(max_length=16)
    mac = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"through {self.through}"
