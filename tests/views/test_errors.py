"""What no view answered still says what happened."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from pathlib import Path

import pytest
from allauth.usersessions.models import UserSession
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from tests.api.conftest import Program, problem
from vms.models import User, VirtualMachine
from vms.services import tokens

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def program(alice: User) -> Program:
    return Program(tokens.create(alice)[1])


def test_signing_in_while_redis_is_away_says_not_now(alice: User, settings: Settings, tmp_path: Path) -> None:
    caches = deepcopy(settings.CACHES)
    caches["default"]["LOCATION"] = f"unix://{tmp_path}/nobody.sock"
    settings.CACHES = caches
    answer = Client(HTTP_X_REAL_IP="127.0.0.1", raise_request_exception=False).post(
        "/accounts/login/", {"login": "alice", "password": "correct horse battery"}
    )
    assert answer.status_code == 503
    assert b"does not answer (Redis)" in answer.content


def failing(why: str, name: str) -> Callable[..., object]:
    """What a database does that cannot write."""

    def execute(execute: object, sql: str, params: object, many: bool, context: object) -> object:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            error = sqlite3.OperationalError(why)
            error.sqlite_errorname = name
            raise OperationalError(why) from error
        return execute(sql, params, many, context)  # type: ignore[operator]

    return execute


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("why", "name", "status", "said", "code"),
    [
        ("database or disk is full", "SQLITE_FULL", 507, "disk is full", "disk_full"),
        ("database is locked", "SQLITE_BUSY", 503, "its database", "unavailable"),
    ],
)
def test_a_database_that_cannot_write_is_said_and_read_on(
    client_alice: Client, program: Program, vm: VirtualMachine, why: str, name: str, status: int, said: str, code: str
) -> None:
    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(minutes=5))
    with connection.execute_wrapper(failing(why, name)):
        for path in ("/", "/vms/", f"/vms/{vm.pk}/"):
            assert client_alice.get(path).status_code == 200
        assert program.get("/vms").status_code == 200
        client_alice.raise_request_exception = False
        page = client_alice.post(f"/vms/{vm.pk}/pause/")
        assert page.status_code == status
        assert said in page.content.decode()
        problem(program.post(f"/vms/{vm.pk}/pause"), status, code)
