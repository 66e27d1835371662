"""Where an operation stands when the blow falls; what "asked" and "done" are is each flow's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.fire import Fire
from tests.chaos.holds import idle
from tests.lab.machine import eventually
from tests.lab.test_kills import held, row


@contextmanager
def queued(fire: Fire, vm: int, verb: str) -> Iterator[int]:
    """The row is written and nobody has claimed it."""
    with idle(fire.dashboard, fire.dashboard.pid("worker")):
        operation = fire.dashboard.ask(vm, verb)
        assert state(fire, operation) == "queued"
        yield operation


@contextmanager
def claimed(fire: Fire, vm: int, verb: str) -> Iterator[int]:
    """A worker has it, and the host, which stands still, has not told how things are before it."""
    with held(fire.host):
        operation = fire.dashboard.ask(vm, verb)
        eventually(lambda: state(fire, operation) == "running", "it is claimed", every=0.01)
        yield operation


@contextmanager
def ended(fire: Fire, vm: int, verb: str) -> Iterator[int]:
    """All is told."""
    operation = fire.dashboard.ask(vm, verb)
    eventually(lambda: state(fire, operation) == "succeeded", "it has ended", every=0.001)
    yield operation


def state(fire: Fire, operation: int) -> str:
    return row(fire.dashboard, operation)[0]
