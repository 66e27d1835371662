"""A noisy guest is read ever less often, a calm one at once."""

from __future__ import annotations

from vms.watcher.budget import Budget


def test_the_first_event_is_read_at_once() -> None:
    budget = Budget()
    budget.ask("a", 100.0)
    assert budget.ready(100.0) == ["a"]
    assert budget.ready(100.0) == []


def test_a_storm_costs_one_reading_a_second_and_its_last_word_is_read() -> None:
    budget = Budget()
    readings = []
    for step in range(6000):
        now = 100 + step / 100
        budget.ask("noisy", now)
        if budget.ready(now):
            readings.append(now)
    assert len(readings) <= 80
    assert len([at for at in readings if at > 150]) <= 11
    assert budget.next() is not None


def test_what_a_person_does_in_a_row_is_read_at_once() -> None:
    budget = Budget()
    for step in range(20):
        budget.ask("a", 100 + step)
        assert budget.ready(100 + step) == ["a"]


def test_events_of_one_moment_are_one_reading() -> None:
    budget = Budget()
    budget.ask("a", 100.0)
    budget.ready(100.0)
    budget.ask("a", 100.05)
    assert budget.ready(100.06) == []
    assert budget.ready(100.1) == ["a"]


def test_after_a_rest_it_is_read_at_once_again() -> None:
    budget = Budget()
    for step in range(100):
        budget.ask("a", 100 + step / 10)
        budget.ready(100 + step / 10)
    budget.ask("a", 200.0)
    assert budget.ready(200.0) == ["a"]


def test_one_vm_does_not_cost_another() -> None:
    budget = Budget()
    for step in range(100):
        budget.ask("noisy", 100 + step / 100)
        budget.ready(100 + step / 100)
    budget.ask("calm", 101.0)
    assert "calm" in budget.ready(101.0)
