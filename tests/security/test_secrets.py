"""Secrets pass through and stay nowhere: not in the database, not in Redis, not in the log, not in an answer."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client

from tests.api.conftest import Program
from tests.data.pem import make_pair
from vms import live
from vms.errors import TicketRefused
from vms.models import Host, User, VirtualMachine
from vms.services import certificates, consoles, tokens

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


def test_the_private_key_of_a_host_stays_nowhere(
    alice: User, client_alice: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Sent by the form and by the API, kept and refused, in its own field and in others."""
    caplog.set_level(logging.DEBUG)
    program = Program(tokens.create(alice, scopes=["all", "host.admin"])[1])
    pair, other = make_pair(), make_pair()
    canaries = [line for key in (pair.key, other.key) for line in key.splitlines()[1:-1]]
    canaries += [line for key in (pair.key, other.key) for line in certificates.clean_key(
        key, pair.certificate if key == pair.key else other.certificate).splitlines()[1:-1]]  # fmt: skip
    given = {"name": "t", "transport": "tls", "ca_certificate": pair.certificate, "certificate": pair.certificate}
    said = [
        client_alice.post("/hosts/add/", {**given, "address": "t.example", "private_key": pair.key}),
        client_alice.post(
            "/hosts/add/", {**given, "address": "t.example", "private_key": pair.key}
        ),  # its name is taken
        program.post("/hosts", {**given, "name": "u", "host": "u.example", "private_key": pair.key}),
        program.post("/hosts", {**given, "name": "v", "host": "v.example", "private_key": other.key}),  # not its key
        program.post("/hosts", {**given, "name": "w", "host": other.key, "private_key": other.key, "uri": other.key}),
        program.post("/hosts", {**given, "name": other.key, "host": "x", "private_key": [other.key]}),
        client_alice.post("/hosts/add/", {**given, "address": other.key, "certificate": other.key}),
    ]
    assert [answer.status_code for answer in said] == [302, 200, 201, 422, 422, 422, 200]
    hosts = list(Host.objects.order_by("pk"))
    assert [bool(host.sealed) for host in hosts] == [True, True]
    renewal = {"certificate": other.certificate, "private_key": other.key}
    said += [
        program.send("PATCH", f"/hosts/{hosts[0].pk}", renewal),
        program.send("PATCH", f"/hosts/{hosts[0].pk}", {"private_key": other.key, "port": 0}),
        client_alice.post(f"/hosts/{hosts[1].pk}/edit/", {**given, "name": "", "address": "-x", **renewal}),
        *(client_alice.get(f"/hosts/{host.pk}/{rest}") for host in hosts for rest in ("", "edit/", "remove/")),
        *(program.get(path) for path in ("/hosts", f"/hosts/{hosts[0].pk}", "/operations")),
        *(client_alice.get(path) for path in ("/", "/hosts/", "/activity/")),
    ]
    assert said[7].status_code == 200 and said[8].status_code == 422
    name = str(connection.settings_dict["NAME"])
    kept = {
        "database": " ".join(in_database()),
        "file": b"".join(path.read_bytes() for path in (Path(name), Path(name + "-wal"))).decode(errors="replace"),
        "redis": " ".join(in_redis()),
        "log": caplog.text,
        "answers": " ".join(answer.content.decode() for answer in said),
    }
    for where, text in kept.items():
        assert len(text) > 10 or where in ("log", "redis")
        assert [canary for canary in canaries if canary in text or canary in html.unescape(text)] == [], where


def test_ways_in_stay_nowhere(alice: User, client_alice: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Links, passwords, tokens and a private key in the wrong field: each is told once, or never."""
    caplog.set_level(logging.DEBUG)
    added = client_alice.post("/users/add/", {"name": "carol"}).content.decode()
    invited = client_alice.post("/api/v1/users", {"name": "dave"}, content_type="application/json").json()
    links = [re.findall(r"invitation/#([\w-]{40,})", text)[0] for text in (added, invited["link"])]
    browser = Client(HTTP_X_REAL_IP="192.0.2.1")
    chosen = {"token": links[0], "password1": PASSWORD, "password2": PASSWORD}
    browser.post("/invitation/", {**chosen, "password2": PASSWORD + "x"})
    assert browser.post("/invitation/", chosen).status_code == 302
    wrong = {"oldpassword": PASSWORD + "wrong", "password1": PASSWORD + "new", "password2": PASSWORD + "new"}
    browser.post("/accounts/password/change/", wrong)
    browser.post("/accounts/password/change/", {**wrong, "oldpassword": PASSWORD})
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD + "wrong", "next": "/"})
    made = browser.post("/account/tokens/", {"name": "page", "bundle": "viewer", "days": "30"}).content.decode()
    wish = {"name": "api", "scopes": ["viewer"]}
    told = client_alice.post("/api/v1/tokens", wish, content_type="application/json").json()
    texts = [re.findall(r"kvmweb_[\w-]{40,}", made)[0], told["token"]]
    key = make_pair().key
    refused = browser.post("/account/ssh-keys/", {"key": key, "name": "laptop"})
    refused_too = browser.post("/account/ssh-keys/", {"key": "ssh-ed25519 AAAA", "name": key[:90]})
    pages = [
        *(client.get(path) for client in (browser, client_alice) for path in ("/account/", "/account/tokens/")),
        *(client_alice.get(path) for path in ("/audit/", "/users/", "/audit/export.json", "/audit/export.csv")),
        *(client_alice.get(f"/users/{user.pk}/") for user in User.objects.all()),
        *(client_alice.get(f"/api/v1/{path}") for path in ("users", "tokens", "audit", "sessions", "me")),
        refused,
        refused_too,
    ]
    canaries = [*links, PASSWORD, *texts, *key.splitlines()[1:-1]]
    kept = {
        "database": " ".join(in_database()),
        "redis": " ".join(in_redis()),
        "log": caplog.text,
        "answers": " ".join(content(page) for page in pages),
    }
    assert len(kept["answers"]) > 10_000 and "dave" in kept["answers"] and "laptop" in kept["answers"]
    for where, text in kept.items():
        assert [canary for canary in canaries if canary in text or canary in html.unescape(text)] == [], where


def content(answer: Any) -> str:
    """All of it, also where it is made while it is sent."""
    if not answer.streaming:
        return str(answer.content.decode())

    async def joined() -> bytes:
        return b"".join([part async for part in answer.streaming_content])

    return async_to_sync(joined)().decode()


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
