"""Whoever has the database and not the key: every row that he changes, removes, swaps or cuts off is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.chain.conftest import Attack, ids
from vms.chain import heads, keys
from vms.chain.check import Report, check
from vms.chain.sealer import Sealer
from vms.chain.seals import mac_of, written
from vms.models import AuditEvent, User
from vms.permissions import Actor
from vms.services import audit

pytestmark = pytest.mark.django_db

Reports = Callable[[], Report]
COLUMNS = (
    "user_name",
    "token",
    "address",
    "action",
    "target",
    "target_name",
    "facts",
    "search",
    "at",
    "user_id",
    "mac",
)


def test_what_nobody_touched_is_as_it_was_written(six: list[int], report: Reports) -> None:
    found = report()
    assert (found.faults, found.rows, found.first, found.last, found.unsealed) == ([], 6, 1, 6, 0)


def test_nothing_is_as_it_was_written(report: Reports) -> None:
    assert (report().faults, report().rows) == ([], 0)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_changed_row_is_named(column: str, six: list[int], report: Reports, attack: Attack) -> None:
    value: Any = {"facts": '{"number": 7}', "at": "2020-01-01 00:00:00+00:00", "user_id": 999}.get(column, "another")
    attack(f"UPDATE vms_auditevent SET {column} = %s WHERE id = {six[2]}", values=(value,))
    assert report().faults == [f"row 3 (id {six[2]}) was changed"]


def test_a_missing_row_is_named(six: list[int], report: Reports, attack: Attack) -> None:
    attack(f"DELETE FROM vms_auditevent WHERE id = {six[3]}")
    assert report().faults == ["row 4 is missing"]


def test_missing_rows_at_the_beginning_are_named(six: list[int], report: Reports, attack: Attack) -> None:
    attack(f"DELETE FROM vms_auditevent WHERE id IN ({six[0]}, {six[1]})")
    assert report().faults == ["rows 1 to 2 are missing"]


def test_a_gap_that_was_closed_is_named(six: list[int], report: Reports, attack: Attack) -> None:
    attack(f"DELETE FROM vms_auditevent WHERE id = {six[3]}", f"UPDATE vms_auditevent SET seq = 4 WHERE id = {six[4]}")
    assert report().faults == [
        "row 5 is missing", f"row 4 (id {six[4]}) was sealed as row 5: it stands in another's place"
    ]  # fmt: skip


def test_swapped_rows_are_named(six: list[int], report: Reports, attack: Attack) -> None:
    """Each takes its seal along."""
    attack(*(f"UPDATE vms_auditevent SET seq = {seq} WHERE id = {pk}" for pk, seq in
             ((six[1], 99), (six[4], 2), (six[1], 5))))  # fmt: skip
    assert sorted(fault for fault in report().faults if "swapped" in fault) == [
        f"row 2 (id {six[4]}) stands in the place of row 5 (id {six[1]}): they were swapped",
        f"row 5 (id {six[1]}) stands in the place of row 2 (id {six[4]}): they were swapped",
    ]


def test_swapped_contents_are_named(six: list[int], report: Reports, attack: Attack) -> None:
    """The seals stay where they are. (The six differ in these columns alone.)"""
    other = "(SELECT {0} FROM vms_auditevent AS o WHERE o.id = {1})"
    rows = AuditEvent.objects.in_bulk([six[1], six[4]])
    names = ("facts", "search", "at")
    sets = ", ".join(f"{name} = {other.format(name, six[1])}" for name in names)
    kept = [json.dumps(rows[six[4]].facts), rows[six[4]].search, rows[six[4]].at]
    attack(
        f"UPDATE vms_auditevent SET {sets} WHERE id = {six[4]}",
        f"UPDATE vms_auditevent SET {', '.join(f'{name} = %s' for name in names)} WHERE id = {six[1]}",
        values=tuple(kept),
    )
    assert all("they were swapped" in fault for fault in report().faults) and len(report().faults) == 2


def test_a_tail_that_was_cut_off_is_named(six: list[int], report: Reports, attack: Attack) -> None:
    attack(f"DELETE FROM vms_auditevent WHERE id IN ({six[4]}, {six[5]})")
    [fault] = report().faults
    assert fault.startswith("the end was cut off: rows 5 to 6 are missing; the head of 20")


def test_an_emptied_table_is_named(six: list[int], report: Reports, attack: Attack) -> None:
    attack("DELETE FROM vms_auditevent")
    [fault] = report().faults
    assert "rows 1 to 6 are missing" in fault


def test_a_tail_that_grew_again_is_named(
    six: list[int], sealer: Sealer, report: Reports, attack: Attack, actor: Actor
) -> None:  # fmt: skip
    attack(f"DELETE FROM vms_auditevent WHERE id IN ({six[4]}, {six[5]})")
    for _ in range(3):
        audit.record("changed:password", actor=actor)
    Sealer(sealer.keys_file, sealer.heads_file).turn()
    assert [fault.split("(")[0] for fault in report().faults] == ["row 6 "]
    assert "has another seal than the head of" in report().faults[0]


def test_a_head_kept_elsewhere_is_believed(
    six: list[int], sealer: Sealer, tmp_path: Path, attack: Attack
) -> None:  # fmt: skip
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(sealer.heads_file.read_bytes())
    sealer.heads_file.unlink()
    attack(f"DELETE FROM vms_auditevent WHERE id = {six[5]}")
    known = keys.load(sealer.keys_file)
    assert check(known, heads.read([sealer.heads_file])).faults == []
    assert "row 6 is missing" in check(known, heads.read([sealer.heads_file, elsewhere])).faults[0]


def test_a_chain_made_anew_with_another_key_is_not_believed(
    six: list[int], report: Reports, attack: Attack, tmp_path: Path
) -> None:  # fmt: skip
    keys.ensure(tmp_path / "his")
    his = keys.load(tmp_path / "his")
    event = AuditEvent.objects.get(pk=six[0])
    mac = mac_of(his.known[his.present], 1, event.previous, event.pk, written(event))
    attack(f"UPDATE vms_auditevent SET mac = %s, key = '{his.present}' WHERE id = {six[0]}", values=(mac,))
    assert f"row 1 (id {six[0]}) is sealed with the key '{his.present}', which is not here" in report().faults
    attack("UPDATE vms_auditevent SET key = (SELECT key FROM vms_auditevent WHERE seq = 2) WHERE seq = 1")
    assert f"row 1 (id {six[0]}) was changed" in report().faults


def test_an_old_row_under_a_good_seal_does_not_follow(
    six: list[int], sealer: Sealer, report: Reports, attack: Attack, actor: Actor
) -> None:  # fmt: skip
    """He cuts the tail off, has it grow again, and puts a row of the old one back, which was sealed for its place."""
    kept = AuditEvent.objects.filter(seq=6).values().get()
    attack(f"DELETE FROM vms_auditevent WHERE id IN ({six[4]}, {six[5]})")
    for _ in range(2):
        audit.record("changed:password", actor=actor)
    Sealer(sealer.keys_file, sealer.heads_file).turn()
    attack("DELETE FROM vms_auditevent WHERE seq = 6")
    AuditEvent.objects.bulk_create([AuditEvent(**{**kept, "facts": kept["facts"]})])
    attack("UPDATE vms_auditevent SET at = %s WHERE seq = 6", values=(kept["at"],))
    assert f"row 6 (id {six[5]}) does not follow the row before it, which was put there later" in report().faults


def test_what_waits_for_its_seal_is_told_with_its_age(six: list[int], report: Reports, attack: Attack) -> None:
    audit.record("kept:password")
    found = report()
    assert (found.faults, found.unsealed) == ([], 1) and timedelta() <= found.waiting < timedelta(minutes=1)


def test_that_a_user_goes_changes_nothing(six: list[int], alice: User, report: Reports) -> None:
    alice.delete()
    assert report().faults == []
    assert AuditEvent.objects.filter(user_name="alice").count() == 6


def test_the_command_names_what_it_finds_and_fails(
    actor: Actor, attack: Attack, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.STATE.audit_heads.unlink(missing_ok=True)
    for _ in range(3):
        audit.record("kept:password", actor=actor)
    Sealer(settings.ENVIRONMENT.audit_keys, settings.STATE.audit_heads).turn()
    audit.record("kept:password", actor=actor)
    call_command("verify_audit")
    said = capsys.readouterr().out
    assert "As it was written: 3 rows, 1 to 3." in said and "1 rows wait for their seal, the oldest for 0." in said
    long_ago = timezone.now() - timedelta(minutes=5)
    attack("UPDATE vms_auditevent SET at = %s WHERE seq IS NULL", values=(long_ago,))
    with pytest.raises(CommandError):
        call_command("verify_audit")
    assert "no worker seals" in capsys.readouterr().err
    attack("DELETE FROM vms_auditevent WHERE seq = 2")
    with pytest.raises(CommandError) as failed:
        call_command("verify_audit")
    assert failed.value.returncode == 1 and "row 2 is missing" in capsys.readouterr().err
    settings.STATE.audit_heads.unlink()
    with pytest.raises(CommandError):
        call_command("verify_audit")
    assert "No head is known" in capsys.readouterr().err
    assert len(ids()) == 3
