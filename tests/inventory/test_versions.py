"""What a host says of a definition becomes its history, and what waits for the next start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakehost import info
from vms import live
from vms.inventory import Reading, Term, row
from vms.inventory import writer as room
from vms.models import Document, Host, Lease, Placement, Version, VirtualMachine
from vms.services import history, pending
from vms.virt import DomainInfo

pytestmark = pytest.mark.django_db
RUNS = Path(__file__).parents[1] / "libvirtxml" / "golden" / "runs"


@pytest.fixture
def term(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Term]:
    monkeypatch.setattr(live, "announce", lambda several: None)
    Lease.objects.create(host=host, watcher="w", epoch=3, until="2030-01-01T00:00Z")
    yield Term(host, "w", 3)


def see(term: Term, made: DomainInfo, *, complete: bool = False) -> None:
    room.write(Reading(term, [row(made, {})], complete=complete))


def runs(name: str, run: int = 1) -> DomainInfo:
    """A VM as libvirt tells it while it runs."""
    texts = {which: (RUNS / f"{name}-{which}.xml").read_text() for which in ("run", "next")}
    made = info(name, "running", "716fb538-6ddf-4483-9b49-9e2b4213907e")
    return replace(made, live_xml=texts["run"], next_boot_xml=texts["next"], run_id=run)


def off(made: DomainInfo) -> DomainInfo:
    return replace(made, state="shut_off", run_id=None, live_xml="")


def edited(made: DomainInfo, was: str, now: str) -> DomainInfo:
    assert was in made.next_boot_xml
    return replace(made, next_boot_xml=made.next_boot_xml.replace(was, now, 1))


def waits() -> list[str]:
    placement = Placement.objects.get()
    found = [wait.change.place for wait in pending.waits(placement, Document.objects.get())]
    assert placement.waiting == len(found)
    return found


def test_what_waits_is_counted_as_it_changes(term: Term) -> None:
    made = runs("rich")
    see(term, made, complete=True)
    assert waits() == []
    more = edited(made, "<title>Rich", "<title>Richer")
    see(term, more)
    assert waits() == ["title"]
    see(term, off(more))
    assert waits() == []


def test_less_memory_counts_where_the_beginning_of_the_run_was_seen(term: Term) -> None:
    made = runs("tuned")
    less = edited(made, "<currentMemory unit='KiB'>131072", "<currentMemory unit='KiB'>65536")
    see(term, made, complete=True)
    see(term, less)
    assert waits() == [], "nobody knows what it began with"
    see(term, off(made))
    see(term, runs("tuned", run=2))
    assert waits() == []
    see(term, replace(less, run_id=2))
    assert waits() == ["memory"]
    see(term, replace(less, run_id=3))
    assert waits() == [], "it began anew with less"


def test_each_definition_becomes_a_version(term: Term) -> None:
    made = runs("rich")
    see(term, made, complete=True)
    see(term, edited(made, "<title>Rich", "<title>Richer"))
    see(term, edited(made, "<title>Rich", "<title>Richer"))
    see(term, made)
    vm = VirtualMachine.objects.get()
    told = [(version.number, history.through(version)) for version in history.versions(vm)]
    outside = "outside the dashboard"
    assert told == [(3, outside), (2, outside), (1, "there when the dashboard first saw it")]
    assert "Richer" in Version.objects.get(number=2).xml


def test_a_password_is_in_no_version(term: Term) -> None:
    made = edited(runs("rich"), "<graphics type='vnc'", "<graphics type='vnc' passwd='canary'")
    see(term, made, complete=True)
    assert "canary" not in "".join(Version.objects.values_list("xml", flat=True))


def test_one_that_its_host_does_not_keep_has_no_history(term: Term) -> None:
    see(term, replace(runs("rich"), next_boot_xml="", persistent=False), complete=True)
    assert not Version.objects.exists() and waits() == []


def test_it_stays_when_the_vm_goes(term: Term) -> None:
    see(term, runs("rich"), complete=True)
    vm = VirtualMachine.objects.get()
    room.write(Reading(term, [], complete=True))
    assert Version.objects.filter(vm=vm).count() == 1
