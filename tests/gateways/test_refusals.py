"""Before the 101: each refused request differs from an accepted one in one property."""

from __future__ import annotations

import logging
import socket
import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, sign_in
from tests.gateways.conftest import HOST, Person, Stage, eventually
from vms import live
from vms.models import ApiToken, AuditEvent, Console, Host, User, VirtualMachine
from vms.permissions import Actor
from vms.services import consoles


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Any:
    """The reasons of refusals in the log."""
    caplog.set_level(logging.INFO)

    def reasons() -> list[str]:
        lines = [record.getMessage() for record in caplog.records]
        return [line.partition("reason=")[2].split()[0] for line in lines if "reason=" in line]

    return reasons


def test_the_accepted_one(stage: Stage, person: Person, vm: VirtualMachine, caplog: pytest.LogCaptureFixture) -> None:
    for ours in ("vms", "websockify"):
        caplog.set_level(logging.DEBUG, logger=ours)
    ticket = person.ticket(vm)
    assert stage.status(ticket, vm.pk, cookie=person.cookie) == 101
    assert caplog.text and ticket not in caplog.text
    assert Console.objects.get().opened_at


def test_used_twice(stage: Stage, person: Person, vm: VirtualMachine, said: Any) -> None:
    ticket = person.ticket(vm)
    assert stage.status(ticket, vm.pk, cookie=person.cookie) == 101
    assert stage.status(ticket, vm.pk, cookie=person.cookie) == 403
    assert said() == ["used"]


def test_late(stage: Stage, person: Person, vm: VirtualMachine, said: Any) -> None:
    ticket = person.ticket(vm)
    live.connection().pexpire(consoles.ticket_key(ticket), 1)
    time.sleep(0.05)
    assert stage.status(ticket, vm.pk, cookie=person.cookie) == 403
    assert said() == ["late"]


def test_by_another_session_of_the_same_person(
    stage: Stage, person: Person, vm: VirtualMachine, alice: User, said: Any
) -> None:
    other = sign_in(alice).session.session_key or ""
    ticket = person.ticket(vm)
    assert stage.status(ticket, vm.pk, cookie=other) == 403
    assert stage.status(ticket, vm.pk) == 403
    assert said() == ["other_session", "other_session"]
    assert stage.status(ticket, vm.pk, cookie=person.cookie) == 101


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://localhost:8001", "http://localhost", "null", "http://localhost:8000.evil.example",
     "file://localhost:8000", "http://user@localhost:8000"],
)  # fmt: skip
def test_from_a_foreign_page(stage: Stage, person: Person, vm: VirtualMachine, origin: str, said: Any) -> None:
    ticket = person.ticket(vm)
    assert stage.status(ticket, vm.pk, cookie=person.cookie, origin=origin) == 403
    assert said() == ["foreign_origin"]
    assert stage.status(ticket, vm.pk, cookie=person.cookie) == 101


def test_under_a_name_that_is_not_ours(stage: Stage, person: Person, vm: VirtualMachine, said: Any) -> None:
    ticket = person.ticket(vm)
    evil = {"host": "evil.example:8000", "origin": "http://evil.example:8000"}
    assert stage.status(ticket, vm.pk, cookie=person.cookie, **evil) == 403
    assert said() == ["foreign_origin"]


def test_through_a_tunnel_on_another_port(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    tunnel = {"host": "127.0.0.1:9999", "origin": "http://127.0.0.1:9999"}
    assert stage.status(person.ticket(vm), vm.pk, cookie=person.cookie, **tunnel) == 101


def test_without_an_origin(stage: Stage, person: Person, vm: VirtualMachine, alice: User, said: Any) -> None:
    assert stage.status(person.ticket(vm), vm.pk, cookie=person.cookie, origin=None) == 403
    assert said() == ["no_origin"]
    row = ApiToken.objects.create(
        user=alice, prefix="p", token_hash="0" * 64, scopes=" all ", expires_at=timezone.now() + timedelta(days=1)
    )
    _, scripted = consoles.issue(Actor(alice, token=row), vm)
    assert stage.status(scripted, vm.pk, origin=None) == 101


def test_after_sign_out(stage: Stage, person: Person, vm: VirtualMachine, client_alice: Client, said: Any) -> None:
    ticket = person.ticket(vm)
    client_alice.logout()
    assert not Session.objects.exists()
    assert stage.status(ticket, vm.pk, cookie=person.cookie) == 403
    assert said() == ["signed_out"]


@pytest.mark.parametrize("fields", [{"is_active": False}, {"is_administrator": False}])
def test_after_the_right_was_taken_away(
    stage: Stage, person: Person, vm: VirtualMachine, fields: dict[str, bool], said: Any
) -> None:
    ticket = person.ticket(vm)
    User.objects.update(**fields)
    assert stage.status(ticket, vm.pk, cookie=person.cookie) == 403
    assert said() == ["right_gone"]
    assert AuditEvent.objects.get(action="refused:console").facts["reason"] == "right_gone"


def test_for_another_vm(stage: Stage, person: Person, vm: VirtualMachine, host: Host, said: Any) -> None:
    other = make_vm(host, "other")
    assert stage.status(person.ticket(vm), other.pk, cookie=person.cookie) == 403
    assert said() == ["other_vm"]


def test_when_the_relay_is_full(
    stage: Stage, person: Person, vm: VirtualMachine, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = person.ticket(vm)
    monkeypatch.setattr(stage.relay, "has_room", lambda: False)
    assert stage.status(ticket, vm.pk, cookie=person.cookie) == 503
    assert said() == ["relay_full"]


def raw(stage: Stage, request: bytes) -> bytes:
    """What the relay answers to these bytes."""
    with socket.socket(socket.AF_UNIX) as browser:
        browser.settimeout(15)
        browser.connect(str(stage.path))
        browser.sendall(request)
        answer = b""
        while data := browser.recv(65536):
            answer += data
        return answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_no_other_request(stage: Stage, person: Person, vm: VirtualMachine, method: str) -> None:
    answer = raw(
        stage, f"{method} /console/{vm.pk}?ticket={person.ticket(vm)} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize(
    "path", ["/", "/console/", "/console/1", "/console/x?ticket=", "/console/1?ticket=../..", "/console/1?ticket=&a=b",
             "/console/٣?ticket=" + "a" * 43, "/console/1?ticket=" + "a" * 44],
)  # fmt: skip
def test_no_other_path(stage: Stage, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nOrigin: http://{HOST}\r\n\r\n"
    assert raw(stage, request.encode()).startswith(b"HTTP/1.1 404 ")


def test_a_second_origin_does_not_help(stage: Stage, person: Person, vm: VirtualMachine, said: Any) -> None:
    request = (
        f"GET /console/{vm.pk}?ticket={person.ticket(vm)} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\n"
        f"Origin: http://{HOST}\r\nOrigin: http://evil.example\r\n\r\n"
    )
    assert raw(stage, request.encode()).startswith(b"HTTP/1.1 403 ")
    assert said() == ["foreign_origin"]


def test_a_handshake_that_drips_ends(stage: Stage) -> None:
    with socket.socket(socket.AF_UNIX) as browser:
        browser.settimeout(15)
        browser.connect(str(stage.path))
        began = time.monotonic()
        try:
            while time.monotonic() < began + 10:
                browser.sendall(b"G")
                time.sleep(0.1)
        except BrokenPipeError:
            pass
        assert 1.5 < time.monotonic() - began < 8
    eventually(lambda: not stage.relay.handshakes)


def test_a_broken_handshake_leaves_no_open_row(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    request = (
        f"GET /console/{vm.pk}?ticket={person.ticket(vm)} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\n"
        f"Origin: http://{HOST}\r\nCookie: {settings.SESSION_COOKIE_NAME}={person.cookie}\r\n\r\n"
    )
    assert raw(stage, request.encode()).startswith(b"HTTP/1.1 400 ")
    assert Console.objects.get().close_reason == "browser_left"
