"""Screens are taken beside all else: once in a while for whoever looks, and now and then for the case of a crash."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import pytest
from django.utils import timezone
from PIL import Image

from tests.conftest import make_vm
from tests.fakehost import FakeHost, info
from tests.watcher.conftest import eventually
from vms import live
from vms.errors import BadScreen, HostRefused
from vms.inventory import Row, Term, Writer, row
from vms.inventory.pictures import made_anew
from vms.models import Host, LastScreen, Lease, Placement, VirtualMachine
from vms.watcher import line, screens
from vms.watcher.screens import Screens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


def picture(colour: tuple[int, int, int]) -> bytes:
    made = BytesIO()
    Image.new("RGB", (64, 40), colour).save(made, "PNG")
    return made.getvalue()


RED, BLUE = picture((200, 0, 0)), picture((0, 0, 200))


def colour(png: bytes) -> object:
    return Image.open(BytesIO(png), formats=("PNG",)).convert("RGB").getpixel((1, 1))


class Stage:
    def __init__(self, host: Host) -> None:
        self.fake = FakeHost()
        self.host = host
        until = timezone.now() + Lease.LENGTH
        Lease.objects.update_or_create(host=host, defaults={"watcher": "w", "epoch": 3, "until": until})
        self.term = Term(host, "w", 3)
        self.writer = Writer()
        self.writer.start()
        self.screens = Screens(self.term, self.writer)

    def add(self, name: str, data: bytes = RED) -> tuple[str, VirtualMachine]:
        made = self.fake.add(info(name, "running"))
        vm = make_vm(self.host, name, "running")
        Placement.objects.filter(current_of=vm).update(uuid=made.uuid, run_id=1)
        self.fake.screens[made.uuid] = data
        return made.uuid, vm

    def known(self, **changes: object) -> dict[str, Row]:
        """Its VMs as read; changes: of all of them."""
        return {
            uuid: row(replace(told, **changes), {})  # type: ignore[arg-type]
            for uuid, told in self.fake.domains.items()
        }

    def taken(self) -> int:
        return self.fake.calls.count("screenshot")

    def rests(self, uuid: str) -> bool:
        return not self.screens.turns[uuid].waiting


@pytest.fixture
def stage(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(line, "IDLE", 0.2)
    made = Stage(host)
    monkeypatch.setattr(line, "open_connection", made.fake.open)
    yield made
    made.screens.stop()
    made.writer.stop()
    eventually(lambda: made.screens.line.threads == 0)


def test_however_many_look_one_is_taken_once_in_a_while(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "APART", 0.3)
    uuid, vm = stage.add("web-01")
    for _ in range(20):
        stage.screens.ask([uuid])
    eventually(lambda: live.picture(vm.pk))
    told = live.picture(vm.pk)
    assert told is not None and colour(told) == (200, 0, 0)
    eventually(lambda: stage.rests(uuid))
    stage.screens.ask([uuid])
    assert stage.taken() == 1
    stage.fake.screens[uuid] = BLUE
    before = live.pictures([vm.pk])[vm.pk][0]
    time.sleep(0.35)
    stage.screens.ask([uuid])
    eventually(lambda: live.pictures([vm.pk])[vm.pk][0] != before)
    assert stage.taken() == 2


def test_what_looks_as_before_is_not_made_anew(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "APART", 0.0)
    made: list[bytes] = []

    def counted(data: bytes) -> bytes:
        made.append(data)
        return made_anew(data)

    monkeypatch.setattr(screens, "made_anew", counted)
    uuid, _ = stage.add("web-01")
    for number in (1, 2, 3):
        stage.screens.ask([uuid])
        eventually(lambda number=number: stage.taken() == number and stage.rests(uuid))  # type: ignore[misc]
    assert len(made) == 1


@pytest.mark.parametrize(
    ("breaks", "code"), [(HostRefused("no"), "host_refused"), (BadScreen("no"), "bad_screen")]
)  # fmt: skip
def test_one_that_cannot_be_taken_says_why_and_is_asked_less_often(
    stage: Stage, breaks: HostRefused | BadScreen, code: str
) -> None:
    uuid, vm = stage.add("web-01")
    stage.fake.fail["screenshot"] = breaks
    stage.screens.ask([uuid])
    eventually(lambda: stage.screens.turns[uuid].failures == 1)
    assert live.pictures([vm.pk])[vm.pk][2] == code
    assert stage.screens.turns[uuid].due - time.monotonic() == pytest.approx(screens.AGAIN, abs=2)


def test_one_that_hangs_is_freed_and_keeps_no_other_waiting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "LONGEST", 0.3)
    uuid, vm = stage.add("stuck")
    stage.fake.hang.add("screenshot")
    stage.screens.ask([uuid])
    eventually(lambda: stage.screens.turns[uuid].failures == 1)
    assert live.pictures([vm.pk])[vm.pk][2] == "timed_out"
    stage.fake.hang.clear()
    other, second = stage.add("well")
    stage.screens.ask([other])
    eventually(lambda: live.picture(second.pk))


def test_while_nobody_looks_one_is_taken_now_and_then(stage: Stage) -> None:
    first, _ = stage.add("web-01")
    second, _ = stage.add("web-02")
    stage.screens.plan(stage.known())
    assert stage.taken() == 0
    for number in (1, 2):
        stage.screens.round_at = 0.0
        stage.screens.plan(stage.known())
        eventually(lambda number=number: len(stage.screens.kept) == number)  # type: ignore[misc]
        eventually(lambda: all(not turn.waiting for turn in stage.screens.turns.values()))
    assert stage.screens.kept.keys() == {first, second}
    # Each was taken within the last minute.
    for turn in stage.screens.turns.values():
        turn.due = 0.0
    stage.screens.round_at = 0.0
    stage.screens.plan(stage.known())
    assert stage.taken() == 2


def test_the_last_one_of_what_ended_badly_is_kept_once(stage: Stage) -> None:
    uuid, vm = stage.add("web-01")
    stage.screens.ask([uuid])
    eventually(lambda: uuid in stage.screens.kept)
    for _ in range(3):
        stage.screens.plan(stage.known(state="shut_off", state_reason="crashed", run_id=None))
    eventually(lambda: LastScreen.objects.filter(vm=vm).exists())
    kept = LastScreen.objects.get(vm=vm)
    assert (colour(bytes(kept.png)), kept.run_id, stage.screens.kept) == ((200, 0, 0), 1, {})


@pytest.mark.parametrize("reason", ["shutdown", "destroyed", ""])
def test_nothing_is_kept_of_what_ended_otherwise(stage: Stage, reason: str) -> None:
    uuid, _ = stage.add("web-01")
    stage.screens.ask([uuid])
    eventually(lambda: uuid in stage.screens.kept)
    stage.screens.plan(stage.known(state="shut_off", state_reason=reason, run_id=None))
    stage.screens.plan(stage.known(state="shut_off", state_reason="crashed", run_id=None))
    time.sleep(0.2)
    assert (stage.screens.kept, LastScreen.objects.exists()) == ({}, False)


def test_of_one_that_stands_still_after_its_crash_the_screen_is_taken_then(stage: Stage) -> None:
    uuid, vm = stage.add("web-01")
    stage.screens.ask([uuid])
    eventually(lambda: uuid in stage.screens.kept and stage.rests(uuid))
    stage.fake.screens[uuid] = BLUE
    stage.screens.turns[uuid].due = 0.0
    for _ in range(3):
        stage.screens.plan(stage.known(state="crashed", state_reason="panicked"))
    eventually(lambda: LastScreen.objects.filter(vm=vm).exists() and stage.taken() == 2)
    eventually(lambda: colour(bytes(LastScreen.objects.get(vm=vm).png)) == (0, 0, 200))
    # Who looks at it from now on writes nothing.
    stage.screens.turns[uuid].due = 0.0
    stage.screens.ask([uuid])
    eventually(lambda: stage.taken() == 3)
    stage.screens.plan(stage.known(state="crashed", state_reason="panicked"))
    assert stage.screens.kept == {}


def test_one_that_was_taken_just_before_the_crash_is_taken_again_in_a_moment(stage: Stage) -> None:
    uuid, vm = stage.add("web-01")
    stage.screens.ask([uuid])
    eventually(lambda: uuid in stage.screens.kept and stage.rests(uuid))
    stage.fake.screens[uuid] = BLUE
    crashed = stage.known(state="crashed", state_reason="panicked")
    stage.screens.plan(crashed)
    eventually(lambda: LastScreen.objects.filter(vm=vm).exists())
    assert stage.taken() == 1 and colour(bytes(LastScreen.objects.get(vm=vm).png)) == (200, 0, 0)
    stage.screens.turns[uuid].due = 0.0
    stage.screens.plan(crashed)
    eventually(lambda: colour(bytes(LastScreen.objects.get(vm=vm).png)) == (0, 0, 200))


def test_what_is_kept_of_a_host_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "MOST_KEPT", 3000)
    for number in range(6):
        uuid, _ = stage.add(f"web-{number}")
        stage.screens.ask([uuid])
        eventually(lambda uuid=uuid: uuid in stage.screens.kept)  # type: ignore[misc]
    assert sum(len(shot.png) for shot in stage.screens.kept.values()) <= 3000
    assert uuid in stage.screens.kept
