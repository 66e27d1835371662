"""Sealing: a number for each row and no gap, whoever seals at the same time, and whenever he dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from tests.chain.conftest import ids
from vms.chain import keys, seals
from vms.chain.check import Report
from vms.chain.sealer import Sealer
from vms.models import AuditEvent
from vms.models.audit import Seal, put
from vms.permissions import Actor
from vms.services import audit

Reports = Callable[[], Report]

SEALER = """
import sys, time
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
import django
django.setup()
from pathlib import Path
from vms.chain import seals
from vms.chain.sealer import Sealer
from vms.models.audit import put
seals.BATCH = 5
def slowly(found):
    done = 0
    for pk, seal in found.items():
        time.sleep(0.002)
        done += put({pk: seal})
    return done
seals.put = slowly
sealer = Sealer(Path(sys.argv[2]), Path(sys.argv[3]))
while True:
    sealer.turn()
    time.sleep(0.01)
"""


def act(times: int) -> None:
    AuditEvent.objects.bulk_create(
        AuditEvent(action="kept:password", user_name="alice", facts={"n": n}) for n in range(times)
    )


def numbers() -> list[int | None]:
    return list(AuditEvent.objects.exclude(seq=None).order_by("seq").values_list("seq", flat=True))


@pytest.mark.django_db
def test_it_numbers_and_chains(six: list[int]) -> None:
    rows = list(AuditEvent.objects.order_by("seq"))
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row.previous for row in rows] == [seals.NOTHING, *(row.mac for row in rows[:-1])]
    assert all(row.sealed_at for row in rows) and len({row.mac for row in rows}) == 6


@pytest.mark.django_db
def test_a_head_is_told_once_for_each_turn_that_moved_it(six: list[int], sealer: Sealer) -> None:
    sealer.turn()
    lines = [line.split() for line in sealer.heads_file.read_text().splitlines()]
    assert [line[0] for line in lines] == ["2", "4", "6"]
    assert sealer.heads_file.stat().st_mode & 0o777 == 0o600
    again = Sealer(sealer.keys_file, sealer.heads_file)
    again.turn()
    assert len(sealer.heads_file.read_text().splitlines()) == 4  # the first turn tells what a killed one may not have


@pytest.mark.django_db
def test_more_than_a_batch_is_sealed_in_one_turn(
    sealer: Sealer, report: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "BATCH", 10)
    act(35)
    sealer.turn()
    assert numbers() == list(range(1, 36)) and report().faults == []


@pytest.mark.django_db
def test_a_renewed_key_seals_and_the_old_one_proves(
    six: list[int], sealer: Sealer, report: Reports, actor: Actor
) -> None:
    name = keys.renew(sealer.keys_file)
    audit.record("kept:password", actor=actor)
    sealer.turn()
    assert AuditEvent.objects.get(seq=7).key == name != AuditEvent.objects.get(seq=6).key
    assert report().faults == []
    assert sealer.keys_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
def test_the_command_renews_the_key_and_tells_it() -> None:
    before = keys.load(settings.ENVIRONMENT.audit_keys)
    call_command("renew_audit_key")
    after = keys.load(settings.ENVIRONMENT.audit_keys)
    assert before.present != after.present and before.known.items() < after.known.items()
    assert AuditEvent.objects.get().facts == {"key": after.present}


@pytest.mark.django_db
@pytest.mark.parametrize("content", [None, "", "one-word", "name nothex"])
def test_without_a_key_rows_wait_and_the_log_says_so_once_a_minute(
    content: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content)
    sealer = Sealer(tmp_path / "keys", tmp_path / "heads")
    act(1)
    sealer.turn()
    sealer.turn()
    assert numbers() == [] and caplog.text.count("audit rows stay without their seal") == 1


@pytest.mark.django_db
def test_one_that_fails_between_rows_leaves_none_of_its_batch(
    sealer: Sealer, report: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(6)

    def breaks(found: dict[int, Seal]) -> int:
        for pk, seal in found.items():
            if seal.seq == 4:
                raise OSError
            put({pk: seal})
        return len(found)

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(seals, "put", breaks)
        sealer.turn()
    assert numbers() == [] and not sealer.heads_file.exists()
    sealer.turn()
    assert numbers() == [1, 2, 3, 4, 5, 6] and report().faults == []


@pytest.mark.django_db(transaction=True)
def test_several_workers_seal_while_several_people_act(sealer: Sealer, report: Reports) -> None:
    ended = threading.Event()

    def acts() -> None:
        for _ in range(40):
            audit.record("kept:password", address="192.0.2.1")
        connection.close()

    def seal() -> None:
        mine = Sealer(sealer.keys_file, sealer.heads_file)
        while not ended.is_set():
            mine.turn()
        connection.close()

    people = [threading.Thread(target=acts) for _ in range(3)]
    workers = [threading.Thread(target=seal) for _ in range(3)]
    for thread in people + workers:
        thread.start()
    for thread in people:
        thread.join(60)
    ended.set()
    for thread in workers:
        thread.join(60)
    sealer.turn()
    assert numbers() == list(range(1, 121))
    assert report().faults == []


@pytest.mark.django_db(transaction=True)
def test_two_that_reach_for_the_same_rows_at_once(
    sealer: Sealer, report: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read the same head and the same rows: one seals them, the other nothing."""
    act(3)
    known = keys.load(sealer.keys_file)
    chain_end, barrier = seals.head, threading.Barrier(2)
    sealed: list[int] = []

    def together() -> tuple[int, str]:
        # SQLite lets one of them in at a time, so that the other comes after it.
        found = chain_end()
        if connection.vendor == "postgresql":
            barrier.wait(30)
        return found

    def seal() -> None:
        sealed.append(seals.seal_some(known))
        connection.close()

    monkeypatch.setattr(seals, "head", together)
    threads = [threading.Thread(target=seal) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    monkeypatch.undo()
    assert sorted(sealed) == [0, 3] and numbers() == [1, 2, 3]
    assert report().faults == []


@pytest.mark.django_db(transaction=True)
def test_one_that_is_killed_in_the_middle_leaves_a_chain_that_goes_on(sealer: Sealer, report: Reports) -> None:
    act(400)
    name = str(connection.settings_dict["NAME"])
    command = [sys.executable, "-c", SEALER, name, str(sealer.keys_file), str(sealer.heads_file)]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "kvmweb.settings"}
    process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR)
    try:
        until = time.monotonic() + 60
        while not numbers():
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    left = numbers()
    assert 0 < len(left) < 400 and len(left) % 5 == 0 and left == list(range(1, len(left) + 1))
    assert report().faults == []
    sealer.turn()
    assert numbers() == list(range(1, 401)) and report().faults == []
    assert len(ids()) == 400
