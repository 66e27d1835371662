"""A question that hangs keeps nobody from asking the next."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from vms.errors import HostUnreachable
from vms.virt import Connection, Numbers
from vms.watcher import counting
from vms.watcher.counting import Counted, Counter


class Host:
    """Hangs as often as there are locks in the way."""

    def __init__(self, *hangs: threading.Event) -> None:
        self.hangs = list(hangs)
        self.asked = 0
        self.broken = False

    def numbers(self) -> dict[str, Numbers]:
        self.asked += 1
        if self.broken:
            raise HostUnreachable("it broke")
        if self.hangs:
            self.hangs.pop(0).wait(10)
        return {"vm": Numbers(self.asked, None)}


def ask(counter: Counter, host: Host) -> threading.Thread | None:
    """The thread that asks, None where none does."""
    before = len(counter.asked)
    counter.ask(cast(Connection, host))
    return counter.asked[-1][0] if len(counter.asked) > before or (counter.asked and before == 0) else None


@pytest.fixture
def told() -> list[Counted]:
    return []


def test_what_is_told_is_handed_on_with_how_long_it_took(told: list[Counted]) -> None:
    thread = ask(Counter(told.append), Host())
    assert thread
    thread.join(5)
    [counted] = told
    assert counted.told == {"vm": Numbers(1, None)} and 0 <= counted.took < 5


def test_while_it_may_be_answered_nothing_more_is_asked(told: list[Counted]) -> None:
    hang = threading.Event()
    counter, host = Counter(told.append), Host(hang)
    assert ask(counter, host) and ask(counter, host) is None
    hang.set()


def test_one_that_hangs_is_passed_over_and_its_late_answer_too(
    told: list[Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "PATIENCE", 0.0)
    hangs = [threading.Event() for _ in range(2)]
    counter, host = Counter(told.append), Host(*hangs)
    threads = [ask(counter, host) for _ in range(2)]
    counter.patience = 5.0
    counter.asked = [(thread, since - 60) for thread, since in counter.asked]
    third = ask(counter, host)
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
    counter, host = Counter(told.append), Host(*hangs)
    counter.patience = 0.0
    for _ in range(9):
        counter.ask(cast(Connection, host))
    assert len(counter.asked) == counting.MOST_HANGING
    for hang in hangs:
        hang.set()


def test_a_host_that_does_not_answer_is_nobodys_mistake(told: list[Counted]) -> None:
    host = Host()
    host.broken = True
    thread = ask(Counter(told.append), host)
    assert thread
    thread.join(5)
    assert told == []
