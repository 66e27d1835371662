"""A reset under fire: the guest boots at most once more, it is unknown where nobody can tell, and never repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import libvirt
import pytest

from tests.chaos.fire import CASES, HOLDERS, Fire, away
from tests.chaos.holds import qemu, stopped, unwritable
from tests.chaos.points import claimed, ended, queued, state
from tests.lab.guests import LabGuest
from tests.lab.machine import eventually
from tests.lab.test_kills import asked, starts

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def guest(fire: Fire) -> Iterator[LabGuest]:
    made = fire.guests.make("reset", graphics=None, start=True)
    yield made
    away(made)


@contextmanager
def in_the_call(fire: Fire, vm: int, guest: LabGuest) -> Iterator[int]:
    """libvirtd is asked and has a question to QEMU, which stands still."""

    def occupied() -> bool:
        return bool(guest.domain.controlInfo()[0] == libvirt.VIR_DOMAIN_CONTROL_OCCUPIED)

    with stopped(qemu(guest)):
        operation = fire.dashboard.ask(vm, "reset")
        eventually(lambda: asked(fire.dashboard, operation) and occupied(), "QEMU is told", every=0.01)
        yield operation


@contextmanager
def unseen(fire: Fire, vm: int, guest: LabGuest) -> Iterator[int]:
    """It is reset, and its row cannot say so yet."""
    before = fire.ear.resets[guest.uuid]
    with ExitStack() as hold:
        with in_the_call(fire, vm, guest) as operation:
            hold.enter_context(unwritable(fire.dashboard))
        eventually(lambda: fire.ear.resets[guest.uuid] > before, "it is reset", every=0.01)
        assert state(fire, operation) == "running"
        yield operation


@contextmanager
def reached(fire: Fire, guest: LabGuest, point: str) -> Iterator[int]:
    """A reset is asked for and stands at the point."""
    vm = fire.dashboard.vm(guest.uuid)
    ways = {
        "queued": lambda: queued(fire, vm, "reset"),
        "claimed": lambda: claimed(fire, vm, "reset"),
        "asked": lambda: in_the_call(fire, vm, guest),
        "done": lambda: unseen(fire, vm, guest),
        "ended": lambda: ended(fire, vm, "reset"),
    }
    with ways[point]() as operation:
        yield operation


@pytest.mark.parametrize(("point", "name"), CASES)
def test_it_is_reset_once_or_not_at_all(fire: Fire, guest: LabGuest, point: str, name: str) -> None:
    fire.make_ready(name)
    eventually(lambda: fire.state(guest) == "running", "it is shown running", within=60)
    runs, boots, before = starts(fire.host, guest.name), len(guest.boots()), fire.ear.resets[guest.uuid]
    with reached(fire, guest, point) as operation:
        fire.kill(name)
    fire.recover(name)
    outcome, seconds = fire.outcome(operation), fire.until_true(guest)
    resets = fire.ear.resets[guest.uuid] - before
    lost = name in HOLDERS
    if point in ("asked", "done") and lost and outcome == "unknown":
        # QEMU may be busy with another question when its worker dies.
        assert resets == 1 or (point == "asked" and resets == 0)
    elif point == "claimed" and lost:
        assert (outcome, resets) in (("failed", 0), ("succeeded", 1))
    else:
        # The supervisor's death asks the worker to end, and that has ten seconds for what it is at.
        assert name != "worker" or point not in ("asked", "done")
        assert (outcome, resets) == ("succeeded", 1)
    if resets and name in HOLDERS:
        guest.wait_for_boot(boots + 1)
    assert len(guest.boots()) - boots <= resets
    assert starts(fire.host, guest.name) == runs
    fire.note("a reset", point, name, outcome, seconds)
