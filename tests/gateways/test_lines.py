"""A serial line in the relay: held once, read by all, typed into by one."""

from __future__ import annotations

import json
import resource
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.conftest import sign_in
from tests.gateways.conftest import LINGER, Person, Stage, eventually
from tests.gateways.test_relay import ended
from vms.gateways.closing import CODES
from vms.gateways.ring import MOST
from vms.models import AuditEvent, Console, Placement, User, VirtualMachine
from vms.permissions import Actor
from vms.services import driving


@pytest.fixture
def serial(vm: VirtualMachine) -> VirtualMachine:
    """The VM with two serial devices."""
    Placement.objects.update(serials=["serial0", "serial1"])
    return VirtualMachine.objects.select_related("placement").get(pk=vm.pk)


@pytest.fixture
def bob(stage: Stage) -> Person:
    user = User.objects.create(username="bob", is_administrator=True)
    return Person(Actor(user, sign_in(user).session.session_key or "", address="127.0.0.2"))


def line(person: Person, vm: VirtualMachine, mode: str = "drive", **wish: object) -> tuple[str, int]:
    return person.ticket(vm, mode, kind="serial", **wish), person.console()


def read(browser: ClientConnection, last: bytes) -> bytes:
    """What comes, up to these bytes."""
    got = b""
    while not got.endswith(last):
        piece = browser.recv(timeout=15)
        got += piece if isinstance(piece, bytes) else b""
    return got


def greeting(browser: ClientConnection) -> dict[str, Any]:
    """The first that comes: which place of which line the next byte has."""
    said = browser.recv(timeout=15)
    assert isinstance(said, str)
    return dict(json.loads(said))


def test_one_device_is_opened_and_everybody_reads_it(
    stage: Stage, person: Person, bob: Person, serial: VirtualMachine
) -> None:
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as first:
        eventually(lambda: bool(stage.devices))
        stage.devices[0].ours.sendall(b"boot\r\n")
        assert read(first, b"boot\r\n") == b"boot\r\n"
        with stage.connect(line(bob, serial)[0], serial.pk, cookie=bob.cookie) as second:
            assert read(second, b"boot\r\n") == b"boot\r\n"
            stage.devices[0].ours.sendall(b"login: ")
            assert (read(first, b": "), read(second, b": ")) == (b"login: ", b"login: ")
    assert (len(stage.devices), stage.forced) == (1, [False])


def test_two_devices_are_two_lines(stage: Stage, person: Person, serial: VirtualMachine) -> None:
    with (
        stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as first,
        stage.connect(line(person, serial, device="serial1")[0], serial.pk, cookie=person.cookie) as second,
    ):
        first.send(b"one")
        second.send(b"two")
        eventually(lambda: len(stage.devices) == 2)
        eventually(lambda: {bytes(device.heard) for device in stage.devices} == {b"one", b"two"})


def test_only_the_drivers_bytes_go_up_and_the_next_driver_is_who_takes_over(
    stage: Stage, person: Person, bob: Person, serial: VirtualMachine
) -> None:
    ticket, alices = line(person, serial)
    with stage.connect(ticket, serial.pk, cookie=person.cookie) as alice:
        alice.send(b"alice\r")
        eventually(lambda: bool(stage.devices))
        stage.devices[0].expect(b"alice\r")
        ticket, bobs = line(bob, serial)
        with stage.connect(ticket, serial.pk, cookie=bob.cookie) as other:
            eventually(lambda: len(stage.relay.consoles) == 2)
            assert Console.objects.get(pk=bobs).mode == "view"
            other.send(b"never\r")
            # Read by the relay, and not only sent: after the take-over it would be his right.
            assert other.ping().wait(30)
            alice.send(b"still\r")
            stage.devices[0].expect(b"still\r")
            driving.take_over(bob.actor, serial, bobs)
            eventually(lambda: typed(stage, other, b"bob\r"))
            alice.send(b"gone\r")
            # By the time of his next word hers would be there.
            time.sleep(0.2)
            eventually(lambda: typed(stage, other, b"again\r"))
            driving.take_over(person.actor, serial, alices)
            eventually(lambda: typed(stage, alice, b"back\r"))
    heard = bytes(stage.devices[0].heard)
    assert b"never" not in heard and b"gone" not in heard
    assert len(stage.devices) == 1
    facts = AuditEvent.objects.filter(action="took:console").order_by("pk").values_list("facts", flat=True)
    assert [fact["driver"] for fact in facts] == ["alice", "bob"]


def typed(stage: Stage, browser: ClientConnection, data: bytes) -> bool:
    """Whether it arrives by now."""
    browser.send(data)
    time.sleep(0.05)
    return bytes(stage.devices[0].heard).endswith(data)


@pytest.mark.parametrize("asks_every", [60.0])
def test_it_does_not_wait_for_the_next_second(
    stage: Stage, person: Person, bob: Person, serial: VirtualMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie),
        stage.connect(line(bob, serial)[0], serial.pk, cookie=bob.cookie) as other,
    ):
        eventually(lambda: len(stage.relay.consoles) == 2)
        asked = threading.Event()
        monkeypatch.setattr(stage.relay.lines, "drive", lambda drivers, asked_at: asked.set())
        driving.take_over(bob.actor, serial, bob.console())
        assert asked.wait(15)
        assert other


@pytest.mark.parametrize("asks_every", [0.05])
def test_who_comes_while_it_is_asked_who_drives_types_from_his_first_byte_on(
    stage: Stage, person: Person, bob: Person, serial: VirtualMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers, drivers = threading.Event(), threading.Semaphore(0), driving.drivers

    def slow(relay: str) -> set[int]:
        found = drivers(relay)
        asked.set()
        answers.acquire(timeout=20)
        return found

    with stage.connect(line(bob, serial, device="serial1")[0], serial.pk, cookie=bob.cookie):
        eventually(lambda: len(stage.devices) == 1)
        monkeypatch.setattr(driving, "drivers", slow)
        assert asked.wait(20)
        asked.clear()
        with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as alice:
            eventually(lambda: len(stage.relay.consoles) == 2)
            answers.release()
            # The next question is asked when the answer was heard, and is not answered.
            assert asked.wait(20)
            alice.send(b"at once\r")
            stage.devices[1].expect(b"at once\r")
            monkeypatch.undo()
            answers.release()


def test_a_watcher_who_asked_to_watch_types_into_nothing(stage: Stage, person: Person, serial: VirtualMachine) -> None:
    with stage.connect(line(person, serial, "view")[0], serial.pk, cookie=person.cookie) as browser:
        eventually(lambda: bool(stage.devices))
        browser.send(b"\x1b[?1;2c")
        with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as driver:
            driver.send(b"yes")
            stage.devices[0].expect(b"yes")
    assert bytes(stage.devices[0].heard) == b"yes"


def test_the_last_of_it_is_there_when_one_comes_back(stage: Stage, person: Person, serial: VirtualMachine) -> None:
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as browser:
        eventually(lambda: bool(stage.devices))
        stage.devices[0].ours.sendall(b"before\r\n")
        first = greeting(browser)
        assert (first["at"], read(browser, b"before\r\n")) == (0, b"before\r\n")
    eventually(lambda: not stage.relay.consoles)
    stage.devices[0].ours.sendall(b"meanwhile\r\n")
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as browser:
        assert greeting(browser) == first
        assert read(browser, b"meanwhile\r\n") == b"before\r\nmeanwhile\r\n"
    assert len(stage.devices) == 1


def test_the_device_is_given_back_a_while_after_the_last_has_left(
    stage: Stage, person: Person, serial: VirtualMachine
) -> None:
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie):
        eventually(lambda: bool(stage.devices))
        time.sleep(LINGER + 0.5)
        stage.devices[0].ours.sendall(b"x")
    stage.devices[0].ours.settimeout(10)
    eventually(lambda: not stage.relay.lines.open_lines()[0].thread.is_alive(), LINGER + 10)
    with pytest.raises(OSError):
        stage.devices[0].ours.sendall(b"x")
        stage.devices[0].ours.sendall(b"x")
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie):
        eventually(lambda: len(stage.devices) == 2)


def test_it_ends_with_the_vm_and_comes_back_with_what_was_there(
    stage: Stage, person: Person, serial: VirtualMachine
) -> None:
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as browser:
        eventually(lambda: bool(stage.relay.consoles))
        stage.devices[0].ours.sendall(b"halted.\r\n")
        stage.devices[0].ours.shutdown(socket.SHUT_RDWR)
        assert read(browser, b"halted.\r\n")
        assert ended(browser) == (CODES["target_closed"], "target_closed")
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as browser:
        eventually(lambda: len(stage.devices) == 2)
        stage.devices[1].ours.sendall(b"boot\r\n")
        assert read(browser, b"boot\r\n") == b"halted.\r\nboot\r\n"


def test_a_device_that_ends_at_once_is_not_asked_for_for_ever(
    stage: Stage, person: Person, serial: VirtualMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[socket.socket] = []

    def ends(console: Console) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.close()
        opened.append(theirs)
        return theirs

    monkeypatch.setattr(stage.relay.lines, "open_device", ends)
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as browser:
        assert ended(browser)[1] == "target_closed"
    assert 1 <= len(opened) <= 3


def test_a_line_that_somebody_outside_holds_is_said_and_taken_only_when_asked(
    stage: Stage, person: Person, serial: VirtualMachine
) -> None:
    stage.no_device = "held_elsewhere"
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as browser:
        assert ended(browser) == (CODES["held_elsewhere"], "held_elsewhere")
    stage.no_device = ""
    with stage.connect(line(person, serial, force=True)[0], serial.pk, cookie=person.cookie):
        eventually(lambda: bool(stage.devices))
    assert stage.forced == [False, True]


def test_the_greeting_tells_where_the_ring_begins(stage: Stage, person: Person, serial: VirtualMachine) -> None:
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as browser:
        name = greeting(browser)["line"]
        text = b"".join(b"%07d\n" % number for number in range(2 * MOST // 8))
        stage.devices[0].ours.sendall(text)
        read(browser, text[-8:])
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as browser:
        # One line more has gone: a late viewer begins where a line begins.
        assert greeting(browser) == {"line": name, "at": MOST + 8}
        assert read(browser, text[-8:]) == text[MOST + 8 :]


def test_who_does_not_read_stops_nobody_costs_nothing_and_goes_on_with_the_last(
    stage: Stage, person: Person, bob: Person, serial: VirtualMachine
) -> None:
    with (
        stage.connect(line(person, serial, "view")[0], serial.pk, cookie=person.cookie, max_queue=1) as slow,
        stage.connect(line(bob, serial)[0], serial.pk, cookie=bob.cookie) as quick,
    ):
        eventually(lambda: len(stage.relay.consoles) == 2)
        device = stage.devices[0].ours
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        text = b"".join(b"%07d\n" % number for number in range(8192))
        for round in range(100):
            device.sendall(text)
            read(quick, text[-8:])
            if round % 10 == 0:
                # Alive, though it takes nothing.
                slow.send(b"x")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24 << 10
        device.sendall(b"the end\n")
        assert read(quick, b"the end\n")
        got = read(slow, b"the end\n")
        assert len(got) < 100 * len(text)
        assert got.endswith(text[-1000:] + b"the end\n")
        assert len(stage.relay.lines.open_lines()[0].ring.kept) == MOST


def test_a_device_that_does_not_read_stops_the_driver(stage: Stage, person: Person, serial: VirtualMachine) -> None:
    stage.listens = False
    with stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie, ping_interval=None) as browser:
        eventually(lambda: bool(stage.devices))
        browser.socket.settimeout(0.5)
        sent = 0
        with pytest.raises((TimeoutError, OSError, ConnectionClosed)):
            while sent < 8 << 20:
                browser.send(bytes(60_000))
                sent += 60_000
                time.sleep(0.01)
        assert sent < 4 << 20


ENDS: dict[str, tuple[str, Callable[[Client], object]]] = {
    "sign out": ("signed_out", lambda client: client.logout()),
    "the right": ("right_gone", lambda client: User.objects.filter(username="alice").update(is_administrator=False)),
}


@pytest.mark.parametrize("what", ENDS)
def test_it_ends_within_two_seconds_and_the_others_stay(
    what: str, stage: Stage, person: Person, bob: Person, serial: VirtualMachine, client_alice: Client
) -> None:
    reason, change = ENDS[what]
    with (
        stage.connect(line(person, serial)[0], serial.pk, cookie=person.cookie) as alice,
        stage.connect(line(bob, serial)[0], serial.pk, cookie=bob.cookie) as other,
    ):
        eventually(lambda: len(stage.relay.consoles) == 2)
        change(client_alice)
        began = time.monotonic()
        assert ended(alice) == (CODES[reason], reason)
        assert time.monotonic() - began < 2
        stage.devices[0].ours.sendall(b"on\n")
        assert read(other, b"on\n") == b"on\n"
