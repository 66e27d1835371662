"""Which VM goes where when a host is emptied, by arithmetic alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vms.services.maintenance_plan import (
    BYTES_A_SECOND,
    EACH_SECONDS,
    Item,
    Plan,
    Room,
    Target,
    chosen,
    make_plan,
    whole_seconds,
)

GIB = 1 << 20  # in KiB
B, C = Target(2, "host-b"), Target(3, "host-c")


def item(vm: int, gib: int, *targets: Target, runs: bool = True, offline: tuple[Target, ...] = ()) -> Item:
    return Item(vm, f"vm-{vm}", runs, gib * GIB, targets, offline)


def room(b: int, c: int = 0, pools: dict[int, int] | None = None) -> Room:
    return Room({2: b * GIB, 3: c * GIB}, pools or {})


def went(plan: Plan) -> list[tuple[int, int]]:
    return [(move.vm, move.to) for move in plan.moves]


def test_the_largest_goes_first_to_where_most_is_free() -> None:
    plan = make_plan([item(1, 2, B, C), item(2, 8, B, C), item(3, 4, B, C)], room(10, 9), parallel=2)
    assert went(plan) == [(2, 2), (3, 3), (1, 3)]


def test_no_host_gets_more_than_it_has_and_what_is_over_is_named() -> None:
    plan = make_plan([item(1, 4, B), item(2, 4, B), item(3, 4, B)], room(9), parallel=2)
    assert went(plan) == [(1, 2), (2, 2)]
    [left] = plan.left
    assert (left.vm, left.full, left.choices) == (3, True, ("leave", "shutdown"))


def test_disks_go_along_only_where_they_must_and_there_is_room() -> None:
    copying = replace(B, pool=7, copied_bytes=20 << 30)
    plan = make_plan([item(1, 1, copying, C)], room(99, 1, {7: 100 << 30}), parallel=1)
    assert went(plan) == [(1, 3)], "shared before copied, though there is more memory"
    plan = make_plan([item(1, 1, copying), item(2, 1, copying)], room(99, 1, {7: 30 << 30}), parallel=1)
    assert [(move.vm, move.pool) for move in plan.moves] == [(1, 7)] and plan.left[0].vm == 2


def test_what_is_off_needs_no_memory_and_goes_last() -> None:
    plan = make_plan([item(1, 64, B, runs=False), item(2, 1, B)], room(1), parallel=2)
    assert went(plan) == [(2, 2), (1, 2)]
    plan = make_plan([item(1, 64, runs=False)], room(1), parallel=2)
    assert plan.left[0].choices == ("leave",)


def test_how_long_it_takes() -> None:
    plan = make_plan([item(1, 1, B), item(2, 1, B), item(3, 1, B)], room(9), parallel=2)
    copying = round((1 << 30) / BYTES_A_SECOND)
    assert plan.moves[0].seconds == EACH_SECONDS + copying
    assert plan.seconds == 3 * copying + 2 * EACH_SECONDS, "two beside each other share the network"
    assert whole_seconds([], 2) == 0


def test_the_digest_is_of_what_is_done() -> None:
    items = [item(1, 2, B, C), item(2, 8, B)]
    plan = make_plan(items, room(10, 9), parallel=2)
    assert plan.digest == make_plan(reversed(items), room(10, 9), parallel=1).digest, "the same, whatever the order"
    assert plan.digest == make_plan(items, room(11, 9), parallel=2).digest, "what is free alone is no other plan"
    assert plan.digest != make_plan(items, room(9, 1), parallel=2).digest


def test_of_those_that_stay_each_has_its_choices() -> None:
    plan = make_plan([item(1, 2, offline=(B,)), item(2, 1)], room(4), parallel=2)
    assert [one.choices for one in plan.left] == [("leave", "offline", "shutdown"), ("leave", "shutdown")]
    assert chosen(plan, {}) == ()
    moves = chosen(plan, {1: "offline", 2: "shutdown"})
    assert [(move.steps, move.to) for move in moves] == [(("shutdown", "move", "start"), 2), (("shutdown",), 0)]
    for wrong in ({2: "offline"}, {3: "shutdown"}, {1: "force"}):
        with pytest.raises(ValueError, match=r"offline|choices|force"):
            chosen(plan, wrong)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.sets(st.sampled_from([2, 3]))), max_size=12),
    st.integers(0, 20), st.integers(0, 20),
)  # fmt: skip
def test_nothing_is_overfilled_and_nobody_is_lost(vms: list[tuple[int, bool, set[int]]], b: int, c: int) -> None:
    by = {2: B, 3: C}
    items = [
        item(number, gib, *(by[host] for host in sorted(hosts)), runs=runs)
        for number, (gib, runs, hosts) in enumerate(vms, 1)
    ]
    plan = make_plan(items, room(b, c), parallel=2)
    known = {one.vm: one for one in items}
    for host, free in ((2, b), (3, c)):
        there = [known[move.vm] for move in plan.moves if move.to == host]
        assert sum(one.memory_kib for one in there if one.runs) <= free * GIB
    assert sorted([move.vm for move in plan.moves] + [one.vm for one in plan.left]) == sorted(known)
    for one in plan.left:
        assert not known[one.vm].targets or (known[one.vm].runs and one.full)
