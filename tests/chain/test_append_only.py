"""Rows are written once: neither this program nor a statement of somebody else's changes one or takes one out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone

from tests.chain.conftest import Attack
from vms.chain import keys
from vms.chain.check import check
from vms.chain.heads import read
from vms.chain.prune import prune
from vms.chain.sealer import Sealer
from vms.models import AuditCheckpoint, AuditEvent
from vms.models.audit import AppendOnly, Seal, put
from vms.permissions import Actor
from vms.services import audit

pytestmark = pytest.mark.django_db


def refused(statement: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        return "written once" in str(error) or "stay" in str(error)
    return False


def test_this_program_offers_no_way(six: list[int]) -> None:
    event = AuditEvent.objects.get(pk=six[0])
    event.action = "another"
    with pytest.raises(AppendOnly):
        event.save()
    with pytest.raises(AppendOnly):
        event.delete()
    rows: Any = AuditEvent.objects.all()
    for way in (rows.update, rows.delete, rows.update_or_create):
        with pytest.raises(AppendOnly):
            way()
    with pytest.raises(AppendOnly):
        rows.bulk_update([event], ["action"])


@pytest.mark.parametrize(
    "column",
    ["id", "at", "user_id", "user_name", "token", "address", "action", "target", "target_name", "facts", "search"],
)
def test_the_database_changes_nothing_of_a_row_that_is_not_sealed(column: str) -> None:
    audit.record("kept:password")
    value = {"id": "999", "at": "'2020-01-01 00:00:00+00:00'", "user_id": "999", "facts": """'{"a": 1}'"""}
    assert refused(f"UPDATE vms_auditevent SET seq = 1, {column} = {value.get(column, repr('x'))}")
    assert refused("UPDATE vms_auditevent SET key = 'x'") and refused("DELETE FROM vms_auditevent")


def test_the_database_changes_nothing_of_a_sealed_row(six: list[int]) -> None:
    for column in ("seq = 7", "mac = 'x'", "previous = 'x'", "key = 'x'", "sealed_at = NULL", "action = 'x'"):
        assert refused(f"UPDATE vms_auditevent SET {column} WHERE id = {six[5]}"), column
    assert refused("UPDATE vms_auditevent SET seq = NULL") and refused(f"DELETE FROM vms_auditevent WHERE id={six[0]}")
    if connection.vendor == "postgresql":
        assert refused("TRUNCATE vms_auditevent") and refused("TRUNCATE vms_auditcheckpoint")


def test_a_row_is_sealed_once(six: list[int]) -> None:
    audit.record("kept:password")
    event = AuditEvent.objects.get(seq=None)
    assert put({event.pk: Seal(7, "p", "k", "m")}) == 1
    assert put({event.pk: Seal(8, "p", "k", "m")}) == 0


def aged(attack: Attack, days: int) -> None:
    """Nothing of six is younger than that."""
    attack("UPDATE vms_auditevent SET at = %s", values=(timezone.now() - timedelta(days=days),))


@pytest.fixture
def old(sealer: Sealer, actor: Actor, attack: Attack) -> Sealer:
    """Three rows of last month, three of today, all sealed."""
    for number in range(3):
        audit.record("kept:password", actor=actor, number=number)
    aged(attack, 30)
    sealer.turn()
    for number in range(3):
        audit.record("kept:password", actor=actor, number=number)
    sealer.turn()
    return sealer


def test_old_rows_go_behind_a_checkpoint_and_the_chain_holds(old: Sealer, actor: Actor) -> None:
    known = keys.load(old.keys_file)
    assert prune(timezone.now() - timedelta(days=7), known, old.heads_file) == 3
    made = AuditCheckpoint.objects.get()
    assert made.through == 3 and AuditEvent.objects.filter(seq__lte=3).count() == 0
    told = AuditEvent.objects.get(action="pruned:audit")
    assert told.facts["through"] == 3 and told.seq is None
    old.turn()
    report = check(known, read([old.heads_file]))
    assert (report.faults, report.first, report.last, report.behind) == ([], 4, 7, 0)
    assert prune(timezone.now() - timedelta(days=7), known, old.heads_file) == 0
    assert AuditCheckpoint.objects.count() == 1


def test_all_rows_may_go_and_the_numbers_go_on(old: Sealer, actor: Actor) -> None:
    known = keys.load(old.keys_file)
    assert prune(timezone.now() + timedelta(days=1), known, old.heads_file) == 6
    old.turn()
    assert AuditEvent.objects.get().seq == 7
    assert check(known, read([old.heads_file])).faults == []


def test_what_an_interrupted_run_left_goes_with_the_next(old: Sealer, monkeypatch: pytest.MonkeyPatch) -> None:
    known = keys.load(old.keys_file)

    def breaks(*args: Any, **kwargs: Any) -> Any:
        raise OSError

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(models.QuerySet, "delete", breaks)
        prune(timezone.now() - timedelta(days=7), known, old.heads_file)
    report = check(known, read([old.heads_file]))
    assert (report.faults, report.behind) == ([], 3)
    assert prune(timezone.now() - timedelta(days=7), known, old.heads_file) == 3


def test_a_checkpoint_is_written_once(old: Sealer) -> None:
    prune(timezone.now() - timedelta(days=7), keys.load(old.keys_file), old.heads_file)
    assert refused("UPDATE vms_auditcheckpoint SET through = 6") and refused("DELETE FROM vms_auditcheckpoint")


def test_a_checkpoint_of_somebody_else_proves_nothing(old: Sealer) -> None:
    """It lets the database let go of rows; that they are missing is found."""
    known = keys.load(old.keys_file)
    at = timezone.now()
    AuditCheckpoint.objects.create(at=at, through=2, last="0" * 64, key=known.present, mac="0" * 64)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM vms_auditevent WHERE seq <= 2")
    assert check(known, read([old.heads_file])).faults == [
        "checkpoint 2 was not made by this dashboard, or was changed", "rows 1 to 2 are missing"
    ]  # fmt: skip


def test_a_checkpoint_that_is_taken_away_is_missed(old: Sealer, attack: Attack) -> None:
    known = keys.load(old.keys_file)
    prune(timezone.now() - timedelta(days=7), known, old.heads_file)
    attack("DELETE FROM vms_auditcheckpoint")
    assert "rows 1 to 3 are missing" in check(known, read([old.heads_file])).faults
