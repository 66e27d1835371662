"""A question that hangs keeps nobody from asking the next."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from vms.errors import HostUnreachable
from vms.virt import Connection, Numbers
from vms.watcher import counting
from vms.watcher.counting import Counted, Counter


class Host:
    """Hangs as often as there are locks in the way. wires: the connections to it, in the order they were opened."""

    def __init__(self, *hangs: threading.Event) -> None:
        self.hangs = list(hangs)
        self.asked = 0
        self.broken = False
        self.wires: list[Wire] = []

    def reach(self) -> Connection:
        self.wires.append(Wire(self))
        return cast(Connection, self.wires[-1])


class Wire:
    """One connection; two threads may not be in it at once."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.taken = threading.Lock()
        self.closed = False

    def numbers(self) -> dict[str, Numbers]:
        assert self.taken.acquire(blocking=False)
        with closing_lock(self.taken):
            self.host.asked += 1
            if self.host.broken:
                raise HostUnreachable("it broke")
            number = self.host.asked
            if self.host.hangs:
                self.host.hangs.pop(0).wait(10)
            return {"vm": Numbers(number, None)}

    def alive(self) -> bool:
        return not self.closed and not self.host.broken

    def close(self) -> None:
        self.closed = True


@contextmanager
def closing_lock(lock: threading.Lock) -> Iterator[None]:
    try:
        yield
    finally:
        lock.release()


def counter_of(host: Host, told: list[Counted]) -> Counter:
    return Counter(host.reach, told.append)


def ask(counter: Counter) -> threading.Thread | None:
    """The thread that asks, None where none does."""
    before = [thread for thread, _ in counter.asked]
    counter.ask()
    new = [thread for thread, _ in counter.asked if thread not in before]
    return new[0] if new else None


@pytest.fixture
def told() -> list[Counted]:
    return []


def test_what_is_told_is_handed_on_with_how_long_it_took(told: list[Counted]) -> None:
    thread = ask(counter_of(Host(), told))
    assert thread
    thread.join(5)
    [counted] = told
    assert counted.told == {"vm": Numbers(1, None)} and 0 <= counted.took < 5


def test_while_it_may_be_answered_nothing_more_is_asked(told: list[Counted]) -> None:
    hang = threading.Event()
    counter = counter_of(Host(hang), told)
    assert ask(counter) and ask(counter) is None
    hang.set()


def test_one_that_hangs_is_passed_over_and_its_late_answer_too(
    told: list[Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "PATIENCE", 0.0)
    hangs = [threading.Event() for _ in range(2)]
    counter = counter_of(Host(*hangs), told)
    threads = [ask(counter) for _ in range(2)]
    counter.patience = 5.0
    counter.asked = [(thread, since - 60) for thread, since in counter.asked]
    third = ask(counter)
    assert third
    third.join(5)
    assert [counted.told["vm"].cpu_ns for counted in told] == [3]
    counter.patience = 0.0
    for hang in hangs:
        hang.set()
    for thread in threads:
        assert thread
        thread.join(5)
    assert len(told) == 1


def test_no_more_than_a_few_hang(told: list[Counted]) -> None:
    hangs = [threading.Event() for _ in range(9)]
    counter = counter_of(Host(*hangs), told)
    counter.patience = 0.0
    for _ in range(9):
        counter.ask()
    assert len(counter.asked) == counting.MOST_HANGING
    for hang in hangs:
        hang.set()


def test_a_host_that_does_not_answer_is_nobodys_mistake(told: list[Counted]) -> None:
    host = Host()
    host.broken = True
    thread = ask(counter_of(host, told))
    assert thread
    thread.join(5)
    assert told == []


def test_one_connection_is_kept_for_all_questions(told: list[Counted]) -> None:
    host = Host()
    counter = counter_of(host, told)
    for _ in range(3):
        thread = ask(counter)
        assert thread
        thread.join(5)
    assert len(told) == 3 and len(host.wires) == 1 and not host.wires[0].closed
    counter.close()
    assert host.wires[0].closed


def test_who_asks_beside_one_that_hangs_has_a_connection_of_his_own(
    told: list[Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "PATIENCE", 0.0)
    hang = threading.Event()
    host = Host(hang)
    counter = counter_of(host, told)
    stuck = ask(counter)
    assert stuck
    other = ask(counter)
    assert other
    other.join(5)
    assert len(host.wires) == 2 and not any(wire.closed for wire in host.wires)
    hang.set()
    stuck.join(5)
    # One is enough for the next question.
    assert [wire.closed for wire in host.wires].count(False) == 1


def test_one_that_hangs_while_all_are_closed_keeps_nothing_open(told: list[Counted]) -> None:
    hang = threading.Event()
    host = Host(hang)
    counter = counter_of(host, told)
    stuck = ask(counter)
    assert stuck
    while not host.asked:
        pass
    counter.close()
    hang.set()
    stuck.join(5)
    assert host.wires[0].closed and counter.idle is None
