"""A start under fire: it boots once or not at all, and what is said of it is what is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.chaos.fire import CASES, HOLDERS, Fire, away
from tests.chaos.holds import unwritable
from tests.chaos.points import claimed, ended, queued, state
from tests.lab.guests import LabGuest
from tests.lab.machine import eventually
from tests.lab.test_kills import asked, held, starts

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def guest(fire: Fire) -> Iterator[LabGuest]:
    made = fire.guests.make("started", graphics=None)
    yield made
    away(made)


@contextmanager
def in_the_call(fire: Fire, vm: int, guest: LabGuest) -> Iterator[int]:
    """The host is asked, and stands still with the question or on the way to it."""
    operation = fire.dashboard.ask(vm, "start")
    eventually(lambda: asked(fire.dashboard, operation), "the host is asked", every=0.001)
    with held(fire.host):
        yield operation


@contextmanager
def unseen(fire: Fire, vm: int, guest: LabGuest) -> Iterator[int]:
    """It runs, and its row cannot say so yet."""
    before = starts(fire.host, guest.name)
    operation = fire.dashboard.ask(vm, "start")
    eventually(lambda: starts(fire.host, guest.name) > before, "QEMU is started", every=0.001)
    with unwritable(fire.dashboard):
        eventually(guest.is_running, "it runs", every=0.01)
        assert state(fire, operation) == "running"
        yield operation


@contextmanager
def reached(fire: Fire, guest: LabGuest, point: str) -> Iterator[int]:
    """A start is asked for and stands at the point."""
    vm = fire.dashboard.vm(guest.uuid)
    ways = {
        "queued": lambda: queued(fire, vm, "start"),
        "claimed": lambda: claimed(fire, vm, "start"),
        "asked": lambda: in_the_call(fire, vm, guest),
        "done": lambda: unseen(fire, vm, guest),
        "ended": lambda: ended(fire, vm, "start"),
    }
    with ways[point]() as operation:
        yield operation


@pytest.mark.parametrize(("point", "name"), CASES)
def test_it_boots_once_or_not_at_all(fire: Fire, guest: LabGuest, point: str, name: str) -> None:
    fire.make_ready(name)
    away(guest)
    eventually(lambda: fire.state(guest) == "shut_off", "it is shown off", within=60)
    before, boots, resets = starts(fire.host, guest.name), len(guest.boots()), fire.ear.resets[guest.uuid]
    with reached(fire, guest, point) as operation:
        fire.kill(name)
    fire.recover(name)
    outcome, seconds = fire.outcome(operation), fire.until_true(guest)
    runs = starts(fire.host, guest.name) - before
    # The supervisor's death asks the worker to end, and that has ten seconds for what it is at.
    if outcome == "failed" and name in HOLDERS and point in ("claimed", "asked"):
        assert runs == 0
    else:
        assert (outcome, runs) == ("succeeded", 1)
    if runs and name in HOLDERS:
        guest.wait_for_boot(boots + 1)
    assert len(guest.boots()) - boots <= runs
    assert fire.ear.resets[guest.uuid] == resets
    fire.note("a start", point, name, outcome, seconds)
