"""What a host says becomes rows: only what changed, only under the lease, and told by name."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from tests.fakehost import FACTS, info
from tests.grants import grant
from vms import live
from vms.errors import HostKeyChanged, HostUnreachable
from vms.inventory import Reading, Row, Term, placements, row
from vms.inventory import hosts as inventory_hosts
from vms.inventory import networks as inventory_networks
from vms.inventory import writer as room
from vms.inventory.terms import held
from vms.models import Document, Happening, Host, Lease, Network, Placement, User, VirtualMachine
from vms.virt import DomainInfo, NetworkInfo

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names that were announced."""
    names: list[str] = []
    monkeypatch.setattr(live, "announce", lambda several: names.extend(sorted(several)))
    yield names


@pytest.fixture
def term(host: Host, told: list[str]) -> Term:
    Lease.objects.create(host=host, watcher="w", epoch=3, until="2030-01-01T00:00Z")
    return Term(host, "w", 3)


def see(term: Term, *infos: DomainInfo, leases: dict[str, tuple[str, ...]] | None = None, **options: object) -> None:
    """The host says so."""
    rows: list[Row] = [row(made, leases or {}) for made in infos]
    room.write(Reading(term, rows, **options))  # type: ignore[arg-type]


def test_another_run_in_the_same_state_has_lasted_since_it_began(term: Term) -> None:
    made = info("web-01", "running")
    see(term, made, complete=True)
    Placement.objects.update(state_since="2020-01-01T00:00Z")
    see(term, made)
    assert Placement.objects.get().state_since == datetime(2020, 1, 1, tzinfo=UTC)
    see(term, replace(made, run_id=7))
    since = Placement.objects.get().state_since
    assert since and since.year > 2020


def test_a_vm_that_a_cd_installs_starts_anew_once(term: Term) -> None:
    made = info("web-01", "running")
    see(term, replace(made, run_id=None, state="shut_off"), complete=True)

    def since() -> datetime | None:
        return VirtualMachine.objects.get().restarted_at

    see(term, made)
    see(term, made, rebooted=frozenset({made.uuid}))
    assert since() is None, "nothing is to be asked of one that no CD installs"
    VirtualMachine.objects.update(installs_from="p/debian.iso")
    see(term, replace(made, autostart=True))
    assert since() is None
    see(term, made, rebooted=frozenset({made.uuid}))
    first = since()
    assert first is not None
    see(term, made, rebooted=frozenset({made.uuid}))
    assert since() == first
    for ended in ({"run_id": None, "state": "shut_off"}, {"run_id": 2}):
        VirtualMachine.objects.update(restarted_at=None)
        see(term, made)
        VirtualMachine.objects.update(restarted_at=None)
        see(term, replace(made, **ended))
        assert since() is not None, "a run that has ended"


def test_a_vm_becomes_identity_placement_and_masked_document(term: Term) -> None:
    made = info("web-01", "running")
    see(term, replace(made, live_xml=made.live_xml.replace("'spice'", "'vnc' passwd='hunter2'")), complete=True)
    vm = VirtualMachine.objects.get()
    placement = vm.placement
    assert placement
    assert (vm.name, placement.state, placement.run_id, placement.vcpus, placement.memory_kib) == (
        "web-01", "running", 1, 2, 1024,
    )  # fmt: skip
    assert placement.graphics == ["vnc"]
    assert placement.search == f"web-01 {made.uuid} 52:54:00:00:00:01"
    document = placement.document
    assert "hunter2" not in document.live
    assert document.facts["interfaces"][0]["source"] == "default"
    assert not Happening.objects.exists()


def test_the_same_word_again_writes_nothing(term: Term, told: list[str]) -> None:
    made = info()
    see(term, made, complete=True)
    before = Placement.objects.values().get()
    told.clear()
    see(term, made, complete=True)
    assert Placement.objects.values().get() == before
    assert told == []


def test_a_new_state_is_written_told_and_remembered(term: Term, told: list[str]) -> None:
    made = info(state="running")
    see(term, made, complete=True)
    since = Placement.objects.get().state_since
    told.clear()
    see(term, replace(made, state="paused", state_reason="user"))
    placement = Placement.objects.get()
    assert (placement.state, placement.state_reason) == ("paused", "user")
    assert since and placement.state_since and placement.state_since > since
    assert told == [f"vm:{placement.vm_id}"]
    happening = Happening.objects.get()
    assert (happening.code, happening.params) == (
        "state", {"state": "paused", "was": "running", "by": "", "reason": "user"},
    )  # fmt: skip


def test_addresses_come_from_leases_and_are_found_by_search(term: Term) -> None:
    made = info(state="running")
    see(term, made, leases={"52:54:00:00:00:01": ("192.168.122.7",)})
    placement = Placement.objects.get()
    assert placement.addresses == ["192.168.122.7"]
    assert "192.168.122.7" in placement.search
    see(term, replace(made, state="shut_off", run_id=None), leases={"52:54:00:00:00:01": ("192.168.122.7",)})
    assert Placement.objects.get().addresses == []


def test_one_that_vanishes_keeps_its_row_and_is_gone(term: Term, told: list[str]) -> None:
    one, two = info("one"), info("two", "running")
    see(term, one, two, complete=True)
    told.clear()
    see(term, one, complete=True)
    gone = Placement.objects.get(name="two")
    assert (gone.present, gone.state, gone.run_id) == (False, "unknown", None)
    assert gone.gone_at
    assert VirtualMachine.objects.filter(name="two", placement=gone).exists()
    assert Happening.objects.get().code == "gone"
    assert set(told) == {f"vm:{gone.vm_id}", "vms:*"}


def test_one_that_comes_back_is_the_same_vm(term: Term) -> None:
    made = info()
    see(term, made)
    see(term, missing=frozenset({made.uuid}))
    see(term, made)
    placement = Placement.objects.get()
    assert (placement.present, placement.gone_at) == (True, None)
    assert [happening.code for happening in Happening.objects.order_by("pk")] == ["gone", "appeared"]


def test_one_that_is_new_later_appears(term: Term) -> None:
    see(term, info("one"), complete=True)
    see(term, info("two"))
    assert Happening.objects.get().code == "appeared"


def test_a_new_name_follows(term: Term) -> None:
    made = info("old")
    see(term, made)
    see(term, replace(made, name="new"))
    assert VirtualMachine.objects.get().name == "new"
    assert Happening.objects.get().params == {"was": "old"}


def test_a_reboot_is_remembered_once(term: Term) -> None:
    made = info(state="running")
    see(term, made)
    see(term, made, rebooted=frozenset({made.uuid}))
    see(term, made)
    assert [happening.code for happening in Happening.objects.all()] == ["rebooted"]


def test_a_watcher_that_lost_its_lease_writes_nothing(term: Term) -> None:
    Lease.objects.update(epoch=4)
    ended: list[bool] = []
    see(term, info(), done=ended.append)
    assert not Placement.objects.exists()
    assert ended == [False]


def test_many_rows_are_many_transactions(term: Term, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def count(terms: Iterable[Term]) -> set[int]:
        asked.append(1)
        return held(terms)

    monkeypatch.setattr(room, "held", count)
    monkeypatch.setattr(room, "MOST_SECONDS", 0)
    monkeypatch.setattr(room, "MOST_ROWS", 4)
    monkeypatch.setattr(room, "MOST_NEW", 2)
    made = [info(f"vm-{number}") for number in range(10)]
    see(term, *made, complete=True)
    assert Placement.objects.count() == 10
    assert len(asked) == 5
    asked.clear()
    see(term, *[replace(one, state="running", run_id=1) for one in made], complete=True)
    assert Placement.objects.filter(state="running").count() == 10
    assert len(asked) == 10


def test_what_is_no_news_takes_no_lock(term: Term, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    made = [info(f"vm-{number}") for number in range(30)]
    see(term, *made, complete=True)
    with django_assert_num_queries(2):  # what is known, what is gone
        see(term, *made, complete=True)


def test_many_new_ones_are_made_in_as_many_queries_as_one(
    term: Term, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    see(term, info("first"), complete=True)
    for number in (1, room.MOST_NEW):
        made = [info(f"of-{number}-{each}") for each in range(number)]
        # first, known; savepoint, lease, elsewhere, VMs, placements, documents, the VMs' placements, happenings,
        # what other hosts say of their UUIDs
        with django_assert_num_queries(13):
            see(term, *made)
    assert Happening.objects.filter(code="appeared").count() == 1 + room.MOST_NEW
    assert all(vm.placement and vm.placement.name == vm.name for vm in VirtualMachine.objects.all())


def tasks(*readings: Reading) -> list[room.Task]:
    return [room.task_of(reading) for reading in readings]


def test_hosts_are_stored_side_by_side_and_each_in_its_order(term: Term, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_SECONDS", 0)
    monkeypatch.setattr(room, "MOST_NEW", 1)
    other = elsewhere(term.host)
    changes = info("changes")
    many = [row(info(f"vm-{number}"), {}) for number in range(5)] + [row(changes, {})]
    later = row(replace(changes, state="running", run_id=1), {})
    ended: list[str] = []
    waiting = tasks(
        Reading(term, many, complete=True, done=lambda stored: ended.append("many")),
        Reading(term, [later], done=lambda stored: ended.append("later")),
        Reading(other, [row(info("there"), {})], done=lambda stored: ended.append("there")),
    )
    while waiting:
        room.turn(waiting)
    assert ended == ["there", "many", "later"]
    assert Placement.objects.get(name="changes").state == "running"


def test_what_somebody_may_look_at_goes_before_a_whole_host(term: Term, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_SECONDS", 0)
    other = elsewhere(term.host)
    waiting = tasks(
        Reading(term, [row(info("one-of-all"), {})], complete=True),
        Reading(other, [row(info(f"event-{number}"), {}) for number in range(30)]),
    )
    room.turn(waiting)
    assert all(placement.name.startswith("event-") for placement in Placement.objects.all())
    while waiting:
        room.turn(waiting)
    assert Placement.objects.count() == 31


def test_what_one_host_says_does_not_spoil_what_another_does(
    term: Term, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = elsewhere(term.host)
    real = placements.create

    def fail(host: Host, rows: list[Row], **options: bool) -> set[str]:
        names: set[str] = real(host, rows, **options)
        if host == other.host:
            raise ValueError("no such thing can be stored")
        return names

    monkeypatch.setattr(placements, "create", fail)
    ended: list[tuple[str, bool]] = []
    waiting = tasks(
        Reading(term, [row(info("here"), {})], done=lambda stored: ended.append(("here", stored))),
        Reading(other, [row(info("there"), {})], done=lambda stored: ended.append(("there", stored))),
    )
    while waiting:
        room.turn(waiting)
    assert sorted(ended) == [("here", True), ("there", False)]
    assert Placement.objects.get().name == "here"
    assert "host-b: could not store" in caplog.text


def test_the_writer_stores_what_was_handed_in_before_it_ends(term: Term, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[bool] = []
    writer = room.Writer()
    monkeypatch.setattr(connection, "close", lambda: None)
    for number in range(3):
        writer.read(Reading(term, [row(info(f"vm-{number}"), {})], done=done.append))
    writer.heard(term)
    writer.queue.put(None)
    writer.run()
    assert done == [True, True, True] and Placement.objects.count() == 3
    assert Host.objects.get(pk=term.host.pk).heard_at


def test_what_a_host_says_is_cut_to_measure(term: Term) -> None:
    made = info()
    long = made.next_boot_xml.replace("<memory>", f"<title>{'t' * 999}</title><memory>").replace(">2<", ">9999999999<")
    see(term, replace(made, name="n" * 999, next_boot_xml=long))
    placement = Placement.objects.get()
    assert (len(placement.name), len(placement.title), placement.vcpus) == (255, 255, 2**31 - 1)


def test_a_document_that_is_not_taken_leaves_the_rest(term: Term) -> None:
    see(term, info(next_boot_xml="<!DOCTYPE domain [<!ENTITY a 'b'>]><domain/>"))
    assert Document.objects.get().next_boot == ""
    assert Placement.objects.get().name == "web-01"


def elsewhere(host: Host) -> Term:
    other = Host.objects.create(name="host-b", node="node-a")
    Lease.objects.create(host=other, watcher="w", epoch=1, until="2030-01-01T00:00Z")
    return Term(other, "w", 1)


def test_a_uuid_on_a_second_host_is_a_vm_of_its_own(term: Term) -> None:
    made = info(state="running")
    see(term, made)
    see(elsewhere(term.host), made)
    assert VirtualMachine.objects.count() == 2


@pytest.mark.parametrize("left", ["gone", "migrated"])
def test_a_uuid_that_left_the_first_host_is_the_same_vm(term: Term, left: str) -> None:
    made = info(state="running")
    see(term, made)
    if left == "gone":
        see(term, missing=frozenset({made.uuid}))
    else:
        see(term, replace(made, state="shut_off", run_id=None, state_reason="migrated"))
    other = elsewhere(term.host)
    see(other, made)
    vm = VirtualMachine.objects.get()
    assert vm.placement and vm.placement.host == other.host
    assert vm.placements.count() == 2


@pytest.mark.parametrize("left", ["gone", "migrated"])
def test_one_that_came_before_it_had_left_is_the_same_vm(term: Term, left: str) -> None:
    made = info(state="running")
    see(term, made)
    first = VirtualMachine.objects.get()
    other = elsewhere(term.host)
    see(other, replace(made, state="paused", state_reason="migration"))
    see(other, replace(made, state_reason="migrated"))
    assert VirtualMachine.objects.count() == 2
    if left == "gone":
        see(term, missing=frozenset({made.uuid}))
    else:
        see(term, replace(made, state="shut_off", run_id=None, state_reason="migrated"))
    vm = VirtualMachine.objects.get()
    assert vm.placement and vm.placement.host == other.host
    assert vm == first and vm.placements.count() == 2


@pytest.mark.parametrize("held", ["", "grant"])
def test_a_copy_that_somebody_has_or_that_did_not_come_by_migration_stays_itself(
    term: Term, held: str, mallory: User
) -> None:
    made = info(state="running")
    see(term, made)
    see(elsewhere(term.host), replace(made, state_reason="migrated" if held else "booted"))
    if held:
        grant(mallory, "viewer", VirtualMachine.objects.order_by("pk")[1])
    see(term, replace(made, state="shut_off", run_id=None, state_reason="migrated"))
    assert VirtualMachine.objects.count() == 2


def test_a_vm_deleted_here_does_not_come_back_with_its_rights(term: Term) -> None:
    made = info()
    see(term, made)
    old = VirtualMachine.objects.get()
    VirtualMachine.objects.update(deleted_at="2026-01-01T00:00Z")
    see(term, made)
    placement = Placement.objects.get(uuid=uuid.UUID(made.uuid))
    assert placement.vm_id != old.pk
    assert placement.vm.deleted_at is None
    assert placement.vm.placement == placement


def test_a_host_falls_silent_once_and_is_heard_again_once(host: Host) -> None:
    assert inventory_hosts.silent(host, HostUnreachable("broke")) == {f"host:{host.pk}", "vms:*"}
    assert inventory_hosts.silent(host, HostUnreachable("broke")) == set()
    host.refresh_from_db()
    assert (host.error_code, host.error_details) == ("host_unreachable", "broke")
    assert inventory_hosts.heard(host) == {f"host:{host.pk}", "vms:*"}
    before = Host.objects.get().heard_at
    assert inventory_hosts.heard(host) == set()
    now = Host.objects.get().heard_at
    assert before and now and now >= before
    assert [happening.code for happening in Happening.objects.order_by("pk")] == ["host_silent", "host_heard"]


def test_facts_are_stored_when_they_change(host: Host) -> None:
    assert inventory_hosts.facts(host, inventory_hosts.as_stored(FACTS, ["pool_defined"])) == {f"host:{host.pk}"}
    assert inventory_hosts.facts(host, inventory_hosts.as_stored(FACTS, ["pool_defined"])) == set()
    host.refresh_from_db()
    assert host.facts["missing"] == ["pool_defined"]


def test_networks_have_rows_that_stay(host: Host) -> None:
    def told(**things: Any) -> None:
        inventory_networks.keep(host, inventory_networks.as_stored(things["networks"]))

    first = str(uuid.UUID(int=1))
    told(networks=(NetworkInfo(first, "lan", True, True),))
    kept = Network.objects.get(name="lan")
    told(networks=())
    assert not Network.objects.filter(present=True).exists()
    told(networks=(NetworkInfo(first, "wan", True, True),))
    kept.refresh_from_db()
    assert (kept.name, kept.present) == ("wan", True)


def test_another_reason_of_silence_is_told_with_what_it_names(host: Host) -> None:
    changed = HostKeyChanged("", accepted="SHA256:a", fingerprint="SHA256:b", kind="ED25519")
    assert inventory_hosts.silent(host, HostUnreachable("no route"))
    assert inventory_hosts.silent(host, changed)
    assert inventory_hosts.silent(host, changed) == set()
    host.refresh_from_db()
    assert (host.error_code, host.error_params["fingerprint"]) == ("host_key_changed", "SHA256:b")
    inventory_hosts.heard(host)
    host.refresh_from_db()
    assert (host.error_code, host.error_params) == ("", {})


def test_an_exposed_screen_is_marked_while_it_runs(term: Term) -> None:
    made = info(state="running")
    assert "listen" not in made.live_xml
    network = made.live_xml.replace("<graphics type='spice'/>", "<graphics type='vnc' listen='0.0.0.0'>"
                                    "<listen type='address' address='0.0.0.0'/></graphics>")  # fmt: skip
    for text, open_screens, marked in (
        (made.live_xml, ("spice",), "no_password"),
        (network, ("vnc",), "network no_password"),
        (network, (), "network"),
        ("", (), ""),
    ):
        see(term, replace(made, live_xml=text, open_screens=open_screens), complete=True)
        assert Placement.objects.get().exposed == marked
