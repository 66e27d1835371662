"""A long copy of a disk under fire, in the place of a migration: it outlives who asked, and is never begun again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from tests.chaos.fire import CASES, HOLDERS, Fire, away
from tests.chaos.holds import unwritable
from tests.chaos.points import claimed, ended, queued, state
from tests.chaos.way import DISK, SIZE
from tests.lab.guests import LabGuest
from tests.lab.machine import eventually
from tests.lab.test_kills import starts

pytestmark = pytest.mark.long


def copied(fire: Fire, name: str) -> LabGuest:
    """A guest that runs, with a disk that holds no zeros, which would be copied in no time."""
    (fire.host.images / f"{name}.raw").write_bytes(secrets.token_bytes(SIZE))
    made = fire.guests.make(name, graphics=None)
    disk = E.disk(
        E.driver(name="qemu", type="raw"),
        E.source(file=f"/var/lib/libvirt/images/{name}.raw"),
        E.target(dev=DISK, bus="virtio"),
        type="file",
        device="disk",
    )
    made.domain.attachDeviceFlags(etree.tostring(disk, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    made.start()
    return made


@pytest.fixture(scope="module")
def guest(fire: Fire) -> Iterator[LabGuest]:
    made = copied(fire, "copied")
    yield made
    clear(fire, made)
    away(made)


def copies(fire: Fire) -> set[Path]:
    """What the host has written beside the disk itself."""
    return set(fire.host.images.glob("mirror-*.raw"))


def clear(fire: Fire, guest: LabGuest) -> None:
    """Nothing is copied, and no copy is left."""
    if guest.domain.blockJobInfo(DISK):
        guest.domain.blockJobAbort(DISK)
    eventually(lambda: not guest.domain.blockJobInfo(DISK), "nothing is copied")
    for path in copies(fire):
        path.unlink()


def part(guest: LabGuest) -> float:
    """How much of the disk is copied."""
    told = guest.domain.blockJobInfo(DISK)
    return told["cur"] / told["end"] if told and told["end"] else 0.0


@contextmanager
def going(fire: Fire, vm: int, guest: LabGuest) -> Iterator[int]:
    """The host copies, and the row says how far it is."""
    operation = fire.dashboard.ask(vm, "mirror")
    query = "SELECT progress FROM vms_operation WHERE id = ?"
    eventually(lambda: fire.dashboard.query(query, operation)[0][0], "its progress is told", every=0.01)
    assert 0 < part(guest) < 1
    yield operation


@contextmanager
def unseen(fire: Fire, vm: int, guest: LabGuest) -> Iterator[int]:
    """All is copied, and the row cannot say so yet."""
    with going(fire, vm, guest) as operation, ExitStack() as hold:
        eventually(lambda: part(guest) > 0.7, "most of it is copied", every=0.02)
        hold.enter_context(unwritable(fire.dashboard))
        eventually(lambda: part(guest) == 1, "all is copied", every=0.02)
        assert state(fire, operation) == "running"
        yield operation


@contextmanager
def reached(fire: Fire, guest: LabGuest, point: str) -> Iterator[int]:
    """A copy is asked for and stands at the point."""
    vm = fire.dashboard.vm(guest.uuid)
    ways = {
        "queued": lambda: queued(fire, vm, "mirror"),
        "claimed": lambda: claimed(fire, vm, "mirror"),
        "asked": lambda: going(fire, vm, guest),
        "done": lambda: unseen(fire, vm, guest),
        "ended": lambda: ended(fire, vm, "mirror"),
    }
    with ways[point]() as operation:
        yield operation


@pytest.mark.parametrize(("point", "name"), CASES)
def test_it_is_copied_once_or_not_at_all(fire: Fire, guest: LabGuest, point: str, name: str) -> None:
    fire.make_ready(name)
    clear(fire, guest)
    eventually(lambda: fire.state(guest) == "running", "it is shown running", within=60)
    before, runs = fire.ear.copies[guest.uuid], starts(fire.host, guest.name)
    with reached(fire, guest, point) as operation:
        fire.kill(name)
    fire.recover(name)
    seconds, outcome = fire.until_true(guest), fire.outcome(operation)
    done = fire.ear.copies[guest.uuid] - before
    if point == "claimed" and name in HOLDERS and outcome == "failed":
        assert (done, copies(fire)) == (0, set())
    else:
        assert (outcome, done) == ("succeeded", 1)
        [copy] = copies(fire)
        assert copy.read_bytes() == (fire.host.images / "copied.raw").read_bytes()
    guest.wait_for_count()
    assert (len(guest.boots()), starts(fire.host, guest.name)) == (1, runs)
    fire.note("a long copy", point, name, outcome, seconds)
