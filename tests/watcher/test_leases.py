"""One watcher speaks for a host, and a dead one's word ends at once."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from vms.models import Host, Lease
from vms.watcher import leases

pytestmark = pytest.mark.django_db
OTHER = "elsewhere 1 1"


def test_the_first_takes_it_and_the_second_does_not(host: Host) -> None:
    term = leases.take(host, "here 1 1", "here")
    assert term and term.epoch == 1
    assert leases.take(host, OTHER, "elsewhere") is None
    assert leases.renew([term]) == {host.pk}


def test_an_expired_one_is_taken_with_a_new_epoch(host: Host) -> None:
    old = leases.take(host, OTHER, "elsewhere")
    Lease.objects.update(until="2020-01-01T00:00Z")
    new = leases.take(host, "here 1 1", "here")
    assert old and new and new.epoch == old.epoch + 1
    assert leases.renew([old]) == set()
    assert leases.renew([new]) == {host.pk}


def test_one_from_before_the_clock_was_set_back_is_taken(host: Host) -> None:
    old = leases.take(host, OTHER, "elsewhere")
    Lease.objects.update(until=timezone.now() + timedelta(hours=1))
    assert leases.overdue([host.pk]) == {host.pk}
    new = leases.take(host, "here 1 1", "here")
    assert old and new and new.epoch == old.epoch + 1
    assert leases.renew([old]) == set()


def test_a_dead_process_of_this_node_is_not_waited_for(host: Host) -> None:
    child = subprocess.Popen(["sleep", "60"])
    holder = f"here {child.pid} {leases.started(child.pid)}"
    assert leases.take(host, holder, "here")
    assert leases.take(host, leases.name("here"), "here") is None
    child.kill()
    child.wait()
    assert leases.take(host, leases.name("here"), "here")


def test_a_dead_process_number_of_another_node_says_nothing(host: Host) -> None:
    assert leases.take(host, "elsewhere 999999999 1", "elsewhere")
    assert leases.take(host, leases.name("here"), "here") is None


def test_what_is_given_back_is_free(host: Host) -> None:
    term = leases.take(host, f"elsewhere {os.getpid()} 1", "elsewhere")
    assert term
    leases.release(term)
    assert leases.take(host, "here 1 1", "here")


@pytest.mark.parametrize(("hosts", "watchers", "each"), [(1, 1, 1), (1, 2, 1), (5, 2, 3), (100, 3, 34), (0, 2, 0)])
def test_each_watcher_takes_its_share_and_none_is_left(hosts: int, watchers: int, each: int) -> None:
    assert leases.share(hosts, watchers) == each
    assert each * watchers >= hosts


def test_a_host_that_nobody_watches_is_overdue(host: Host) -> None:
    assert leases.take(host, OTHER, "elsewhere")
    other = Host.objects.create(name="host-b")
    assert leases.take(other, OTHER, "elsewhere")
    both = {host.pk, other.pk}
    assert leases.overdue(both) == set()
    Lease.objects.filter(host=host).update(until="2020-01-01T00:00Z")
    assert leases.overdue(both) == {host.pk}
    assert leases.overdue({other.pk}) == set()


def test_a_hundred_leases_are_renewed_in_one_stroke_and_a_lost_one_is_not(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    hosts = [Host.objects.create(name=f"host-{number}") for number in range(100)]
    terms = [term for host in hosts if (term := leases.take(host, "here 1 1", "here"))]
    Lease.objects.update(until="2020-01-01T00:00Z")
    with django_assert_num_queries(3):  # the UPDATE, and a savepoint around it
        assert leases.renew(terms) == {host.pk for host in hosts}
    assert not Lease.objects.filter(until__lt="2021-01-01T00:00Z").exists()
    lost, released = terms[10], terms[20]
    Lease.objects.filter(host=lost.host).update(until="2020-01-01T00:00Z")
    assert leases.take(lost.host, OTHER, "elsewhere")
    leases.release(released)
    Lease.objects.filter(host__in=(lost.host, released.host)).update(until="2020-01-01T00:00Z")
    assert leases.renew(terms) == {host.pk for host in hosts} - {lost.host.pk, released.host.pk}
    assert Lease.objects.filter(until__lt="2021-01-01T00:00Z").count() == 2
    assert leases.renew([]) == set()
