"""A key typed in a console under fire: it arrives once or not at all, and is not held by a hand that has gone."""

from __future__ import annotations

import http.client
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.sync.client import connect

from tests.chaos.fire import NAMES, Fire, away
from tests.chaos.keyboard import listen, strokes
from tests.lab.guests import LabGuest
from tests.lab.machine import eventually
from tests.lab.test_console import SHIFT, Screen, key

pytestmark = pytest.mark.long

POINTS = ("wanted", "opened", "down", "sent", "up")
CASES = [(point, name) for point in POINTS for name in NAMES]
# Through these the bytes go: with them the console ends, without any other it stays open.
WAY = ("console", "front", "supervisor")
LEFT_SHIFT, K, LEFT_BUTTON = 42, 37, 272
DOWN = key(SHIFT, True) + key(ord("K"), True)
UP = key(ord("K"), False) + key(SHIFT, False)
LOST = (OSError, http.client.HTTPException, ConnectionClosed, InvalidHandshake, InvalidMessage, TimeoutError)


class Desk:
    """Somebody at a console page: asks for a ticket, opens the screen, and does so again when it is lost."""

    def __init__(self, fire: Fire, vm: int) -> None:
        self.fire = fire
        self.vm = vm
        self.stack = ExitStack()
        self.address = ""
        self.screen: Screen | None = None

    def want(self) -> bool:
        """Whether there is a ticket now."""
        try:
            answer = self.fire.dashboard.post(f"/vms/{self.vm}/console", {"kind": "vnc", "mode": "drive"})
        except LOST:
            return False
        if answer.status == 200:
            self.address = self.fire.dashboard.url.replace("http", "ws") + answer.body["url"]
        return answer.status == 200

    def open(self) -> bool:
        """Whether the ticket leads to a screen."""
        try:
            self.screen = Screen(self.stack.enter_context(connect(self.address, compression=None, max_size=None)))
        except (*LOST, AssertionError):
            self.screen = None
        return self.screen is not None

    def type(self, data: bytes) -> bool:
        """Whether it could be sent at all; nothing is kept for later."""
        try:
            assert self.screen
            self.screen.send(data)
            return self.screen.is_drawn()
        except LOST:
            return False

    def lost(self) -> bool:
        return not self.type(b"")

    def come_back(self) -> None:
        """As the page does: a new ticket, a new socket, and nothing of what was typed before."""
        eventually(lambda: self.want() and self.open(), "the screen is there again", within=90, every=0.5)


@pytest.fixture(scope="module")
def guest(fire: Fire) -> Iterator[LabGuest]:
    made = fire.guests.make("typed", shell=True, start=True)
    listen(made)
    yield made
    away(made)


@pytest.fixture
def desk(fire: Fire, guest: LabGuest) -> Iterator[Desk]:
    made = Desk(fire, fire.dashboard.vm(guest.uuid))
    yield made
    made.stack.close()


STROKE = [(LEFT_SHIFT, 1), (K, 1), (K, 0), (LEFT_SHIFT, 0)]


@pytest.mark.parametrize(("point", "name"), CASES)
def test_a_key_arrives_once_and_is_let_go(fire: Fire, guest: LabGuest, desk: Desk, point: str, name: str) -> None:
    fire.make_ready(name)
    eventually(lambda: fire.state(guest) == "running", "it is shown running", within=60)
    before = len(strokes(guest))

    def heard() -> list[tuple[int, int]]:
        return strokes(guest)[before:]

    assert desk.want()
    if point != "wanted":
        assert desk.open()
    if point in ("down", "up"):
        assert desk.type(DOWN)
        eventually(lambda: heard() == STROKE[:2], "the keys are down")
    if point == "up":
        assert desk.type(UP)
        eventually(lambda: heard() == STROKE, "the keys are up")
    if point == "sent":
        assert desk.screen
        desk.screen.send(DOWN + UP)
    fire.kill(name)
    fire.recover(name)
    seconds = fire.until_true(guest)
    if point == "wanted":
        if not desk.open():
            desk.come_back()
    else:
        assert desk.lost() == (name in WAY)
        if name in WAY:
            desk.come_back()
        elif point == "down":
            assert desk.type(UP)
    if point in ("wanted", "opened"):
        assert desk.type(DOWN + UP)
    if point == "sent" and name in WAY:
        # What was on its way is lost or has arrived; nobody says it again.
        eventually(lambda: not held(heard()), "what is down comes up again")
    else:
        eventually(lambda: len(heard()) >= 4, "it has arrived, and what is down comes up again")
    guest.wait_for_count()
    found = heard()
    assert not held(found)
    assert set(found) <= set(STROKE)
    assert len(found) == len(set(found))
    assert len(found) == 4 or (point == "sent" and name in WAY)
    assert len(guest.boots()) == 1
    fire.note("a typed key", point, name, "once" if (K, 1) in found else "lost", seconds)


def held(found: list[tuple[int, int]]) -> set[int]:
    """The keys that are down after all that."""
    down: set[int] = set()
    for code, value in found:
        (down.add if value else down.discard)(code)
    return down


def test_a_mouse_button_is_let_go_when_the_way_breaks(fire: Fire, guest: LabGuest, desk: Desk) -> None:
    """QEMU does that for keys alone. Where the relay itself dies nobody can: then the next click does."""
    fire.make_ready("front")
    before = len(strokes(guest))
    assert desk.want() and desk.open()
    assert desk.type(pressed(100, True))
    eventually(lambda: strokes(guest)[before:] == [(LEFT_BUTTON, 1)], "the button is down")
    fire.kill("front")
    eventually(lambda: strokes(guest)[before:] == [(LEFT_BUTTON, 1), (LEFT_BUTTON, 0)], "the button is up")


def pressed(place: int, down: bool) -> bytes:
    """The pointer there, with its left button down or up."""
    return struct.pack(">BBHH", 5, down, place, place)
