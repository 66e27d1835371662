"""Secrets pass through and stay nowhere: not in the database, not in Redis, not in the log, not in an answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client

from tests.api.conftest import Program
from vms import live
from vms.errors import TicketRefused
from vms.models import User, VirtualMachine
from vms.services import consoles, tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

PASSWORD = "canary-password-7f3a"


def in_database() -> Iterator[str]:
    """Every value of every table, as the file holds it."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                yield from (str(value) for value in row)


def in_redis() -> Iterator[str]:
    """Every key and every value."""
    redis: Any = live.connection()
    for key in redis.keys("*"):
        yield str(key)
        read = {b"string": redis.get, b"list": lambda k: redis.lrange(k, 0, -1), b"hash": redis.hgetall,
                b"set": redis.smembers, b"zset": lambda k: redis.zrange(k, 0, -1)}[redis.type(key)]  # fmt: skip
        yield str(read(key))


def test_canaries_stay_nowhere(vm: VirtualMachine, alice: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    alice.set_password(PASSWORD)
    alice.save()
    token = tokens.create(alice)[1]
    browser = Client(HTTP_X_REAL_IP="192.0.2.1")
    browser.post("/accounts/login/", {"login": "alice", "password": PASSWORD})
    browser.post("/accounts/login/", {"login": "alice", "password": PASSWORD + "wrong"})
    session = str(browser.session.session_key)
    program = Program(token)
    answer = program.post(f"/vms/{vm.pk}/console", {"mode": "drive"}).json()
    program.post(f"/vms/{vm.pk}/pause")
    Program(token + "wrong").get("/vms")
    browser.get(f"/console/{vm.pk}?ticket={answer['ticket']}")
    browser.get("/internal/session", headers={"X-Kvmweb-Ticket": answer["ticket"]})
    with pytest.raises(TicketRefused):  # which is logged and audited
        consoles.redeem(answer["ticket"], vm=vm.pk + 1, session_key="", has_origin=False, relay="tests")
    pages = [browser.get(path).content.decode() for path in ("/", "/vms/", f"/vms/{vm.pk}/", "/activity/")]
    api = [str(program.get(path).json()) for path in ("/vms", "/operations", "/hosts", "/openapi.json")]
    kept = {
        "database": list(in_database()),
        "redis": list(in_redis()),
        "log": [caplog.text],
        "pages": pages,
        "api": api,
    }
    assert len(kept["database"]) > 50 and kept["redis"] and "console refused" in caplog.text
    for where, texts in kept.items():
        for canary in (PASSWORD, token, answer["ticket"], settings.SECRET_KEY):
            assert not any(canary in text for text in texts), f"{canary} in {where}"
        if where not in ("database", "pages"):  # whom a session belongs to is what the database is for
            assert not any(session in text for text in texts), f"the session in {where}"


def test_the_database_file_holds_no_canary_either(alice: User) -> None:
    """Deleted and overwritten values would stay in free pages and in the write-ahead log."""
    token = tokens.create(alice, name="in-the-file")[1]
    name = str(connection.settings_dict["NAME"])
    content = b"".join(path.read_bytes() for path in (Path(name), Path(name + "-wal")))
    assert b"in-the-file" in content and token.encode() not in content


def test_a_whole_token_given_to_the_command_that_ends_it_is_not_told_on(
    alice: User, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tokens.create(alice)[1]
    call_command("revoke_token", "alice", text)  # somebody pastes all of it
    said = capsys.readouterr()
    assert text not in said.out + said.err and not any(text in value for value in in_database())
