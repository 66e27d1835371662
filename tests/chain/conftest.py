"""A sealer with files of its own, and what somebody does who has the database to himself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.conftest import TRIGGERS
from vms.chain import heads, keys
from vms.chain.check import Report, check
from vms.chain.sealer import Sealer
from vms.permissions import Actor
from vms.services import audit

Attack = Callable[..., None]


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    keys.ensure(tmp_path / "keys")
    return Sealer(tmp_path / "keys", tmp_path / "heads")


@pytest.fixture
def six(sealer: Sealer, actor: Actor) -> list[int]:
    """The ids of six sealed rows, in their order; a head is known of each second one."""
    for number in range(6):
        audit.record("kept:password", actor=actor, number=number)
        if number % 2:
            sealer.turn()
    return ids()


def ids() -> list[int]:
    from vms.models import AuditEvent

    return list(AuditEvent.objects.order_by("seq").values_list("pk", flat=True))


@pytest.fixture
def report(sealer: Sealer) -> Callable[[], Report]:
    """What verify_audit would find."""
    return lambda: check(keys.load(sealer.keys_file), heads.read([sealer.heads_file]))


@pytest.fixture
def attack() -> Attack:
    """Run SQL as the owner of the database, who takes the triggers away first and makes them again."""

    def run(*statements: str, values: tuple[Any, ...] = ()) -> None:
        with connection.cursor() as cursor:
            for statement in TRIGGERS.drop_triggers(connection.vendor):
                cursor.execute(statement)
            for statement in statements:
                cursor.execute(statement, values if "%s" in statement else None)
            for statement in TRIGGERS.make_triggers(connection.vendor):
                cursor.execute(statement)

    return run
