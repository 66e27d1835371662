"""An open console: what passes, what ends it, and what it costs when one side stands still."""

from __future__ import annotations

import resource
import socket
import threading
import time
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.gateways.conftest import Person, Stage, eventually
from tests.gateways.test_rfb import ALLOWED, FORBIDDEN, HELLO, KEY, POINTER, SHARED, UPDATE
from vms import live
from vms.gateways.closing import CODES
from vms.gateways.relay import Relay
from vms.models import ApiToken, Console, User, VirtualMachine
from vms.permissions import Actor
from vms.services import consoles, tokens


def say_in_pieces(browser: ClientConnection, data: bytes, size: int = 3) -> None:
    for at in range(0, len(data), size):
        browser.send(data[at : at + size])


def ended(browser: ClientConnection) -> tuple[int, str]:
    """The close code and word."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            browser.recv(timeout=15)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def test_a_viewer_types_into_nothing_and_the_same_bytes_with_a_drivers_ticket_arrive(
    stage: Stage, person: Person, vm: VirtualMachine
) -> None:
    data = HELLO + b"\x00" + b"".join(FORBIDDEN) + b"".join(ALLOWED)
    with stage.connect(person.ticket(vm, "view"), vm.pk, cookie=person.cookie) as browser:
        say_in_pieces(browser, data)
        eventually(lambda: len(stage.screens) == 1)
        stage.screens[0].expect(ALLOWED[-1])
        assert bytes(stage.screens[0].heard) == HELLO + SHARED + b"".join(ALLOWED)
    with stage.connect(person.ticket(vm, "drive"), vm.pk, cookie=person.cookie) as browser:
        say_in_pieces(browser, data)
        eventually(lambda: len(stage.screens) == 2)
        stage.screens[1].expect(ALLOWED[-1])
        assert bytes(stage.screens[1].heard) == HELLO + SHARED + b"".join(FORBIDDEN) + b"".join(ALLOWED)


def test_a_browser_shakes_hands_with_the_relay_where_that_has_done_so_with_the_screen(
    stage: Stage, person: Person, vm: VirtualMachine
) -> None:
    stage.greeted = True
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        # One step at a time: noVNC reads no further than it has answered.
        for words, answer in ((b"RFB 003.008\n", b"RFB 003.008\n"), (b"\x01\x01", b"\x01"), (bytes(4), b"\x00")):
            assert browser.recv(timeout=15) == words
            browser.send(answer)
        browser.send(KEY)
        stage.screens[0].expect(KEY)
        assert bytes(stage.screens[0].heard) == SHARED + KEY


def test_a_console_that_is_closed_from_elsewhere_ends_at_once_and_the_one_beside_it_stays(
    stage: Stage, person: Person, vm: VirtualMachine
) -> None:
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        eventually(lambda: len(stage.relay.consoles) == 1)
        closed = Console.objects.get()
        with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as other:
            eventually(lambda: len(stage.relay.consoles) == 2)
            consoles.dismiss(person.actor, closed)
            assert ended(browser) == (CODES["dismissed"], "dismissed")
            eventually(lambda: Console.objects.get(pk=closed.pk).close_reason == "dismissed")
            say_in_pieces(other, HELLO + SHARED + KEY)
            stage.screens[1].expect(KEY)


def test_the_picture_arrives_whole(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    picture = bytes(range(256)) * 20_000
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        eventually(lambda: bool(stage.screens))
        threading.Thread(target=stage.screens[0].ours.sendall, args=(picture,)).start()
        got = b""
        while len(got) < len(picture):
            got += browser.recv(timeout=15, decode=False)
    assert got == picture


@pytest.mark.parametrize(
    ("what", "expected"),
    [("sign out", "signed_out"), ("disable", "right_gone"), ("take the right", "right_gone"), ("delete", "vm_gone")],
)
def test_an_open_console_ends_within_two_seconds(
    stage: Stage, person: Person, vm: VirtualMachine, client_alice: Client, what: str, expected: str
) -> None:
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        eventually(lambda: bool(stage.relay.consoles))
        time.sleep(0.5)
        assert stage.relay.consoles
        if what == "sign out":
            client_alice.logout()
        elif what == "delete":
            VirtualMachine.objects.update(deleted_at=timezone.now())
        else:
            User.objects.update(**{"is_active" if what == "disable" else "is_administrator": False})
        began = time.monotonic()
        assert ended(browser) == (CODES[expected], expected)
        assert time.monotonic() - began < 2
    eventually(lambda: Console.objects.get().close_reason == expected)


@pytest.mark.parametrize(
    ("fields", "expected"), [({"revoked_at": timezone.now()}, "token_ended"), ({"scopes": " viewer "}, "right_gone")]
)
def test_a_console_by_a_token_ends_with_it_and_with_its_scope(
    stage: Stage, alice: User, vm: VirtualMachine, fields: dict[str, object], expected: str
) -> None:
    token, _ = tokens.create(alice, scopes=["operator"])
    _, ticket = consoles.issue(Actor(alice, token=token), vm)
    with stage.connect(ticket, vm.pk, origin=None) as program:
        eventually(lambda: bool(stage.screens))
        say_in_pieces(program, HELLO + SHARED + KEY)
        stage.screens[0].expect(KEY)
        ApiToken.objects.filter(pk=token.pk).update(**fields)
        assert ended(program) == (CODES[expected], expected)
    eventually(lambda: Console.objects.get().close_reason == expected)


def test_a_screen_that_ends_is_said_so(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        eventually(lambda: bool(stage.screens))
        stage.screens[0].ours.shutdown(socket.SHUT_RDWR)
        assert ended(browser) == (CODES["target_closed"], "target_closed")
    eventually(lambda: Console.objects.get().close_reason == "target_closed")


def test_a_browser_that_leaves_frees_the_screen(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie):
        eventually(lambda: bool(stage.relay.consoles))
    eventually(lambda: not stage.relay.consoles)
    eventually(lambda: Console.objects.get().close_reason == "browser_left")


def test_it_is_open_until_its_row_says_how_it_ended(
    stage: Stage, person: Person, vm: VirtualMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a relay which ends waits for the rows."""
    noting, note, real = threading.Event(), threading.Event(), consoles.closed

    def slowly(console: int, reason: str) -> None:
        noting.set()
        note.wait(15)
        real(console, reason)

    monkeypatch.setattr(consoles, "closed", slowly)
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        eventually(lambda: bool(stage.relay.consoles))
        stage.relay.end_all("relay_ends")
        assert ended(browser) == (CODES["relay_ends"], "relay_ends")
    assert noting.wait(15) and stage.relay.consoles
    note.set()
    eventually(lambda: not stage.relay.consoles)
    assert Console.objects.get().close_reason == "relay_ends"


def test_a_browser_that_leaves_holds_no_button(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    with stage.connect(person.ticket(vm, "drive"), vm.pk, cookie=person.cookie) as browser:
        browser.send(HELLO + SHARED + POINTER)
        eventually(lambda: len(stage.screens) == 1)
        stage.screens[0].expect(POINTER)
    stage.screens[0].expect(POINTER + b"\x05\x00" + POINTER[2:])


def test_what_is_no_rfb_ends_it(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        browser.send(HELLO + SHARED + b"\x07")
        assert ended(browser)[1] == "bad_stream"


def test_a_text_frame_ends_it(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        browser.send("words")
        assert ended(browser)[0] == 1003


@pytest.mark.parametrize("fragmented", [False, True])
def test_a_frame_past_the_limit_ends_it(stage: Stage, person: Person, vm: VirtualMachine, fragmented: bool) -> None:
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        big = [bytes(1 << 19)] * 3 if fragmented else bytes((1 << 20) + 1)
        with pytest.raises(ConnectionClosed) as closed:
            browser.send(big)
            browser.recv(timeout=15)
        assert closed.value.rcvd is None or closed.value.rcvd.code == CODES["too_big"]
    eventually(lambda: Console.objects.get().close_reason == "too_big")


def test_a_browser_that_does_not_read_costs_nothing_and_is_left(
    stage: Stage, person: Person, vm: VirtualMachine
) -> None:
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie, max_queue=1) as browser:
        eventually(lambda: bool(stage.relay.consoles))
        screen = stage.screens[0].ours
        screen.settimeout(0.5)
        before, sent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
        with pytest.raises((TimeoutError, OSError)):
            while sent < 1 << 30:
                sent += screen.send(bytes(1 << 16))
        assert sent < 8 << 20
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10
        eventually(lambda: not stage.relay.consoles, 15)
        assert browser.state
    eventually(lambda: Console.objects.get().close_reason == "no_pong")


def test_a_screen_that_does_not_read_stops_the_browser(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    stage.listens = False
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie, ping_interval=None) as browser:
        eventually(lambda: bool(stage.relay.consoles))
        browser.socket.settimeout(0.5)
        browser.send(HELLO + SHARED)
        sent = 0
        with pytest.raises((TimeoutError, OSError, ConnectionClosed)):
            while sent < 4 << 20:
                browser.send(UPDATE * 6000)
                sent += 60_000
                # Slowly, so that a relay that reads on would have the time for it.
                time.sleep(0.01)
        assert sent < 2 << 20


def test_a_quiet_console_with_pongs_stays(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        time.sleep(6)
        browser.send(HELLO + SHARED + KEY)
        stage.screens[0].expect(KEY)


def test_it_answers_a_ping(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        assert browser.ping().wait(2)


def test_typing_keeps_the_session_awake_and_looking_does_not(stage: Stage, person: Person, vm: VirtualMachine) -> None:
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        before = timezone.now() - timedelta(hours=1)
        UserSession.objects.update(last_seen_at=before)
        browser.send(HELLO + SHARED + UPDATE)
        time.sleep(0.6)
        assert UserSession.objects.get().last_seen_at == before
        browser.send(KEY)
        eventually(lambda: UserSession.objects.get().last_seen_at > before)


def test_a_redis_that_hangs_keeps_no_console_open(
    stage: Stage, person: Person, vm: VirtualMachine, client_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, over = threading.Event(), threading.Event()

    def hang(*words: object) -> bool:
        hangs.set()
        return over.wait(30)

    monkeypatch.setattr(live, "hurried", hang)
    live.connection().rpush(live.key("hurry", stage.relay.name), 1)
    assert hangs.wait(10)
    with stage.connect(person.ticket(vm), vm.pk, cookie=person.cookie) as browser:
        eventually(lambda: bool(stage.relay.consoles))
        client_alice.logout()
        began = time.monotonic()
        assert ended(browser)[1] == "signed_out"
        assert time.monotonic() - began < 2
    over.set()


def test_it_says_that_it_is_there(stage: Stage) -> None:
    eventually(lambda: live.connection().ttl(live.key("ready", "console")) > 0)


def test_two_relays_do_not_share_a_socket(stage: Stage) -> None:
    with pytest.raises(OSError, match="another relay"):
        Relay(stage.path, name="second", open_screen=stage.open_screen, lines=stage.relay.lines)
