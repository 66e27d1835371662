"""What holds of every plan, whatever the hosts and guests are."""

from __future__ import annotations

from ctypes import CDLL
from dataclasses import replace
from random import Random

import pytest

from tests.planning.cases import CORES, MEMORY, cut_up, everywhere, host, scattered, triplets
from vms.planning import (
    Assignment,
    Guest,
    Host,
    added,
    after_loss,
    balanced,
    consolidated,
    evacuated,
    fewest,
    improved,
    moves_of,
    ordered,
    survives,
    total,
    unevenness,
)
from vms.planning.values import Ledger, now, price

WORDS = ("db", "web", "cache")


def crowd(seed: int) -> tuple[list[Host], list[Guest]]:
    """Hosts of several sizes; some guests are to be apart, some can go to few hosts or nowhere."""
    random = Random(seed)
    hosts = [
        host(number, random.choice((1600, 3200, 6400)), random.choice((65_536, 131_072, 262_144)))
        for number in range(random.randint(2, 9))
    ]
    ledger, guests = Ledger(hosts, (), {}), []
    for number in range(random.randint(1, 60)):
        load = (random.randint(1, 400), random.choice((512, 2048, 8192, 16_384)))
        apart = frozenset({random.choice(WORDS)}) if random.random() < 0.1 else frozenset[str]()
        guest = Guest(number, load, 0, {}, apart)
        fitting = [one.id for one in hosts if ledger.fits(guest, one.id)]
        if not fitting:
            continue
        reach = [] if random.random() < 0.05 else [one.id for one in hosts if random.random() < 0.8]
        guest = replace(guest, host=random.choice(fitting), prices=dict.fromkeys(reach, load[1]))
        ledger.put(guest, guest.host)
        guests.append(guest)
    return hosts, guests


def holds(hosts: list[Host], guests: list[Guest], assignment: Assignment) -> None:
    """Every guest is where it can be, no host is over its limit, and none that are to be apart are together."""
    assert set(assignment) == {guest.id for guest in guests}
    assert all(guest.can_be_on(assignment[guest.id]) for guest in guests)
    for one in hosts:
        there = [guest for guest in guests if assignment[guest.id] == one.id]
        used = total((guest.load for guest in there), 2)
        assert all(have <= most for have, most in zip(used, one.limit, strict=True))
        words = [word for guest in there for word in guest.apart]
        assert len(words) == len(set(words))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("spare", [False, True])
def test_consolidating_takes_no_more_hosts_and_breaks_nothing(seed: int, spare: bool) -> None:
    hosts, guests = crowd(seed)
    found = consolidated(hosts, guests, spare=spare)
    holds(hosts, guests, found.assignment)
    before = {guest.host for guest in guests}
    assert len(found.hosts) <= len(before)
    assert fewest(hosts, guests, spare=False) <= len(found.hosts)
    if spare and found.hosts != before:
        used = [one for one in hosts if one.id in found.hosts]
        assert survives(used, guests, found.assignment) or survives(hosts, guests, found.assignment)
    assert found == consolidated(hosts, guests, spare=spare)


@pytest.mark.parametrize("seed", range(30))
def test_balancing_is_never_less_even(seed: int) -> None:
    hosts, guests = crowd(seed)
    found = balanced(hosts, guests, most=20)
    holds(hosts, guests, found)
    before = unevenness(Ledger(hosts, guests, now(guests)))
    after = unevenness(Ledger(hosts, guests, found))
    assert after <= before + 1e-9
    assert len(moves_of(guests, found)) <= 20
    assert found == balanced(hosts, guests, most=20)
    if moves_of(guests, found):
        assert after < before


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("parallel", [1, 3])
def test_no_host_is_overfilled_on_the_way(seed: int, parallel: int) -> None:
    """Also where guests change places."""
    hosts, guests = crowd(seed)
    moves = moves_of(guests, consolidated(hosts, guests, spare=False).assignment)
    way = ordered(hosts, guests, moves, parallel=parallel)
    by_id, ledger = {guest.id: guest for guest in guests}, Ledger(hosts, guests, now(guests))
    for wave in way.waves:
        for move in wave:
            assert ledger.fits(by_id[move.guest], move.target)
            ledger.put(by_id[move.guest], move.target)
        ends = [end for move in wave for end in (move.source, move.target)]
        assert max(map(ends.count, ends)) <= parallel
        for move in wave:
            ledger.take(by_id[move.guest], move.source)
    done = [move for wave in way.waves for move in wave]
    assert sorted([*done, *way.left], key=lambda move: move.guest) == sorted(moves, key=lambda move: move.guest)
    for left in way.left:
        assert not ledger.fits(by_id[left.guest], left.target)


def test_two_that_change_places_have_no_room_to_begin() -> None:
    hosts = [host(0, 100, 100, margin=0), host(1, 100, 100, margin=0)]
    guests = [Guest(0, (60, 60), 0, {1: 1}), Guest(1, (60, 60), 1, {0: 1})]
    way = ordered(hosts, guests, moves_of(guests, {0: 1, 1: 0}), parallel=2)
    assert way.waves == () and len(way.left) == 2


@pytest.mark.parametrize(("needed", "seed"), [(20, 0), (20, 1), (40, 2)])
def test_of_hosts_that_can_be_filled_to_the_last_byte_it_needs_a_twentieth_more_at_most(needed: int, seed: int) -> None:
    hosts, guests = cut_up(seed, needed, needed * 3 // 2)
    assert len(consolidated(hosts, guests, spare=False).hosts) <= needed * 1.05
    hosts, guests = triplets(seed, needed)
    assert len(consolidated(hosts, guests, spare=False).hosts) <= needed * 1.05


def test_two_thousand_on_fifty_reach_what_sums_allow() -> None:
    hosts, guests = scattered(1, 2000, 50)
    found = consolidated(hosts, guests, spare=True)
    assert len(found.hosts) == found.bound == 27


def test_four_hosts_that_are_a_third_full_become_two() -> None:
    """Of each 35 percent is used, a tenth is to stay free: with two there is no host to lose, so that takes three."""
    hosts = [host(number) for number in range(4)]
    guests = [
        Guest(10 * one + number, (CORES * 35 // 1000, MEMORY * 35 // 1000), one, everywhere(4, 1))
        for one in range(4)
        for number in range(10)
    ]
    assert len(consolidated(hosts, guests, spare=False).hosts) == 2
    found = consolidated(hosts, guests, spare=True)
    assert len(found.hosts) == 3
    used = [one for one in hosts if one.id in found.hosts]
    assert not after_loss(used, guests, found.assignment, min(found.hosts)).homeless


@pytest.mark.parametrize("spare", [False, True])
def test_the_solver_finds_cheaper_moves_or_keeps_what_is_known(spare: bool) -> None:
    hosts, guests = scattered(3, 24, 4)
    known = consolidated(hosts, guests, spare=spare).assignment
    found = improved(hosts, guests, known, spare=spare)
    holds(hosts, guests, found)
    assert (len(set(found.values())), price(guests, found)) <= (len(set(known.values())), price(guests, known))


def test_the_solver_ends_what_was_needlessly_moved() -> None:
    hosts, guests = scattered(5, 12, 2)
    # All on one of them, that is right; on the one that costs more, it is not.
    dear = {guest.id: max((0, 1), key=lambda one: sum(g.load[1] for g in guests if g.host != one)) for guest in guests}
    found = improved(hosts, guests, dear, spare=False)
    assert price(guests, found) < price(guests, dear)
    holds(hosts, guests, found)


def test_the_solver_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """It would stand in the log of a worker."""
    hosts, guests = scattered(5, 12, 2)
    improved(hosts, guests, now(guests), spare=False)
    CDLL(None).fflush(None)
    assert capfd.readouterr() == ("", "")


def test_what_the_solver_is_not_asked_stays_as_it_is() -> None:
    hosts, guests = scattered(1, 320, 20)
    known = now(guests)
    assert improved(hosts, guests, known, spare=False) is known


@pytest.mark.parametrize("seed", range(20))
def test_hosts_are_emptied_into_the_others_as_far_as_there_is_room(seed: int) -> None:
    hosts, guests = crowd(seed)
    away = {hosts[0].id}
    where = evacuated(hosts, guests, away)
    holds(hosts, guests, where)
    ledger = Ledger(hosts, guests, where)
    for guest in guests:
        assert where[guest.id] == guest.host or guest.host in away, "nobody else moves"
        if where[guest.id] in away:
            others = [one.id for one in hosts if one.id not in away]
            assert not any(guest.can_be_on(one) and ledger.fits(guest, one) for one in others), "who stays had to"
    assert where == evacuated(hosts, list(reversed(guests)), away)


@pytest.mark.parametrize("seed", range(10))
def test_what_is_added_goes_only_where_there_is_room(seed: int) -> None:
    hosts, guests = crowd(seed)
    more = [Guest(-number, (50, 2048), -1, {one.id: 1 for one in hosts}) for number in range(1, 200)]
    found = added(hosts, guests, now(guests), more)
    ledger = Ledger(hosts, [*guests, *more], {**dict.fromkeys((one.id for one in more), -1), **now(guests)})
    for guest in more:
        if guest.id in found.assignment:
            assert ledger.fits(guest, found.assignment[guest.id])
            ledger.put(guest, found.assignment[guest.id])
    assert not any(ledger.fits(more[-1], one.id) for one in hosts) or not found.homeless


@pytest.mark.parametrize("seed", range(10))
def test_only_the_first_resources_are_evened_out_where_one_asks_for_that(seed: int) -> None:
    hosts, guests = crowd(seed)
    where = balanced(hosts, guests, most=20, first=1)
    holds(hosts, guests, where)
    before, after = (Ledger(hosts, guests, one) for one in (now(guests), where))
    assert unevenness(after, 1) <= unevenness(before, 1)
