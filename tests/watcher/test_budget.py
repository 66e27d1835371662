"""A noisy guest is read ever less often, a calm one at once."""

from __future__ import annotations

from vms.watcher.budget import Budget


def test_the_first_event_is_read_at_once() -> None:
    budget = Budget()
    budget.ask("a", 100.0)
    assert budget.ready(100.0) == ["a"]
    assert budget.ready(100.0) == []


def test_a_storm_costs_few_readings_and_its_last_word_is_read() -> None:
    budget = Budget()
    readings = []
    for step in range(6000):
        now = 100 + step / 100
        budget.ask("noisy", now)
        if budget.ready(now):
            readings.append(now)
    assert len(readings) < 15
    assert budget.next() is not None


def test_twice_in_a_second_is_allowed() -> None:
    budget = Budget()
    budget.ask("a", 100.0)
    budget.ready(100.0)
    budget.ask("a", 100.1)
    assert budget.ready(100.2) == []
    assert budget.ready(100.5) == ["a"]


def test_after_a_rest_it_is_read_at_once_again() -> None:
    budget = Budget()
    for now in (100.0, 100.5, 101.5, 103.5):
        budget.ask("a", now)
        budget.ready(now)
    budget.ask("a", 200.0)
    assert budget.ready(200.0) == ["a"]
    budget.ask("a", 200.1)
    assert budget.next() == 200.5


def test_one_vm_does_not_cost_another() -> None:
    budget = Budget()
    for step in range(100):
        budget.ask("noisy", 100 + step / 100)
        budget.ready(100 + step / 100)
    budget.ask("calm", 101.0)
    assert "calm" in budget.ready(101.0)
