"""A watched host: events, looks, silence; on a host that exists in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.db import connections
from django.utils import timezone

from tests.fakehost import FakeConnection, FakeHost, info
from tests.watcher.conftest import eventually
from vms import live
from vms.inventory import Term, Writer
from vms.models import Document, Happening, Host, Lease, Placement, StoragePool, Volume
from vms.virt import (
    DevicesChanged,
    Disconnected,
    DomainBroke,
    DomainChanged,
    DomainRebooted,
    Event,
    PoolChanged,
    PoolInfo,
)
from vms.watcher import Watcher, process, reader
from vms.watcher import host as watching
from vms.watcher.budget import Budget

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


class Stage:
    """The fake host and what it tells by itself."""

    def __init__(self) -> None:
        self.host = FakeHost()
        self.tell: Callable[[Event], None] = lambda event: None

    @contextmanager
    def watch(self, connection: FakeConnection, on_event: Callable[[Event], None]) -> Iterator[None]:
        self.tell = on_event
        yield


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()
    monkeypatch.setattr(watching, "connect", made.host.connect)
    # What counts is apart from what watches.
    monkeypatch.setattr(reader, "open_connection", lambda spec: FakeConnection(made.host))
    monkeypatch.setattr(watching, "watch", made.watch)
    monkeypatch.setattr(watching, "SWEEP", 0.5)
    monkeypatch.setattr(process, "TURN", 0.1)
    return made


@pytest.fixture
def watcher(stage: Stage, host: Host) -> Iterator[Watcher]:
    """Running, for the node of the test's host."""
    made = Watcher(node=host.node)

    def run() -> None:
        made.run()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield made
    made.stop()
    thread.join()


def state(name: str) -> str | None:
    return Placement.objects.filter(name=name).values_list("state", flat=True).first()


def test_it_reads_all_then_what_events_name(stage: Stage, watcher: Watcher) -> None:
    made = stage.host.add(info("web-01"))
    eventually(lambda: stage.host.opened)
    stage.tell(DomainChanged(made.uuid))
    eventually(lambda: state("web-01") == "shut_off")
    stage.host.set_state(made.uuid, "running")
    stage.tell(DomainChanged(made.uuid))
    eventually(lambda: state("web-01") == "running")
    del stage.host.domains[made.uuid]
    stage.tell(DomainChanged(made.uuid))
    eventually(lambda: Placement.objects.filter(present=False).exists())


def test_a_look_is_answered_when_it_is_stored(stage: Stage, watcher: Watcher, host: Host) -> None:
    made = stage.host.add(info("web-01"))
    eventually(lambda: state("web-01"))
    stage.host.set_state(made.uuid, "running")
    vm = Placement.objects.get().vm_id
    assert live.look(host.pk, f"vm:{vm}")
    assert state("web-01") == "running"


def test_what_a_host_is_made_of_is_not_read_with_each_look(
    stage: Stage, watcher: Watcher, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "HARDWARE", 1e9)
    monkeypatch.setattr(watching, "SETTLED", 0.0)

    def readings() -> int:
        return stage.host.calls.count("hardware")

    eventually(lambda: Host.objects.get().hardware_at)
    for _ in range(3):
        assert live.look(host.pk, f"host:{host.pk}")
    assert readings() == 1
    live.look(host.pk, f"hardware:{host.pk}", wait=0)
    eventually(lambda: readings() == 2)
    stage.tell(DevicesChanged())
    eventually(lambda: readings() == 3)
    stage.host.gone = True
    stage.tell(Disconnected())
    eventually(lambda: Host.objects.get().error_code)
    stage.host.gone = False
    eventually(lambda: readings() == 4, within=20)


def test_what_is_in_a_new_pool_is_read_also_where_the_host_s_facts_wait(
    stage: Stage, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after many events, of which each asks for them."""
    eventually(lambda: Host.objects.get().hardware_at)
    ask = Budget.ask
    monkeypatch.setattr(Budget, "ask", lambda self, name, now: None if name == "facts" else ask(self, name, now))
    made = PoolInfo("6f5f5c1e-0000-4000-8000-000000000007", "new", "dir", "/srv/new", True, True, 100, 50, 50)
    stage.host.pools[made.uuid] = made
    stage.host.volumes[made.uuid, "one.raw"] = bytes(10)
    stage.tell(PoolChanged("new"))
    eventually(lambda: Volume.objects.filter(name="one.raw").exists())


def test_a_reboot_is_remembered(stage: Stage, watcher: Watcher) -> None:
    made = stage.host.add(info("web-01", "running"))
    eventually(lambda: state("web-01"))
    for _ in range(3):
        stage.tell(DomainRebooted(made.uuid))
    eventually(lambda: Happening.objects.filter(code="rebooted").count() == 1)


def test_silence_is_told_and_the_return_too(
    stage: Stage, watcher: Watcher, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.host.add(info("web-01", "running"))
    eventually(lambda: state("web-01") and Host.objects.get().heard_at)
    stage.host.gone = True
    stage.tell(Disconnected())
    eventually(lambda: Host.objects.get().error_code == "host_unreachable")
    assert state("web-01") == "running"
    stage.host.gone = False
    eventually(lambda: Host.objects.get().error_code == "")
    assert {happening.code for happening in Happening.objects.all()} == {"host_silent", "host_heard"}


def test_the_sweep_heals_lost_events(stage: Stage, watcher: Watcher) -> None:
    made = stage.host.add(info("web-01", "running"))
    eventually(lambda: state("web-01"))
    stage.host.set_state(made.uuid, "paused")
    stage.host.add(info("web-02"))
    eventually(lambda: state("web-01") == "paused" and state("web-02") == "shut_off")
    stage.host.domains[made.uuid] = replace(stage.host.domains[made.uuid], autostart=True)
    eventually(lambda: Placement.objects.filter(name="web-01", autostart=True).exists())
    del stage.host.domains[made.uuid]
    eventually(lambda: Placement.objects.filter(name="web-01", present=False).exists())


def test_the_sweep_finds_a_definition_that_was_changed_without_a_word(stage: Stage, watcher: Watcher) -> None:
    made = stage.host.add(info("web-01", "running"))
    eventually(lambda: state("web-01"))
    text = made.next_boot_xml.replace("<memory>", "<title>said to nobody</title><memory>", 1)
    assert text != made.next_boot_xml
    stage.host.domains[made.uuid] = replace(made, next_boot_xml=text)
    eventually(lambda: Document.objects.filter(placement__name="web-01", next_boot__contains="said to nobody").exists())


def test_only_hosts_of_its_node_are_watched_and_new_ones_are_found(stage: Stage, watcher: Watcher) -> None:
    eventually(lambda: stage.host.opened == 1)
    Host.objects.create(name="host-b", node="another")
    here = Host.objects.create(name="host-c", node="node-a")
    eventually(lambda: here.pk in watcher.threads)
    assert len(watcher.threads) == 2


def test_a_host_of_no_node_is_everybodys(stage: Stage, watcher: Watcher) -> None:
    there = Host.objects.create(name="host-b", node="", transport="ssh", address="192.0.2.7", libvirt_uuid=None)
    eventually(lambda: there.pk in watcher.threads)


@pytest.mark.parametrize("fields", [{"left_alone": True}, {"removed_at": timezone.now()}])
def test_one_that_is_left_alone_or_removed_is_let_go(
    stage: Stage, watcher: Watcher, host: Host, fields: dict[str, object]
) -> None:
    stage.host.add(info("web-01", "running"))
    eventually(lambda: state("web-01"))
    thread = watcher.threads[host.pk]
    Host.objects.filter(pk=host.pk).update(**fields)
    eventually(lambda: host.pk not in watcher.threads and not thread.is_alive())
    opened = stage.host.opened
    eventually(lambda: not Lease.objects.filter(host=host, until__gt=timezone.now()).exists())
    assert Host.objects.get().error_code == ""
    Host.objects.filter(pk=host.pk).update(left_alone=False, removed_at=None)
    eventually(lambda: stage.host.opened > opened)


def test_a_machine_added_twice_is_asked_again_only_when_something_changed(
    stage: Stage, watcher: Watcher, host: Host
) -> None:
    stage.host.uuid = str(host.libvirt_uuid)
    stage.host.add(info("web-01", "running"))
    eventually(lambda: state("web-01"))
    twin = Host.objects.create(name="twin", node="", transport="tcp", address="192.0.2.7")
    eventually(lambda: Host.objects.get(pk=twin.pk).error_code == "same_machine")
    opened = stage.host.opened
    time.sleep(0.5)
    assert (stage.host.opened, Placement.objects.filter(host=twin).count()) == (opened, 0)
    Host.objects.filter(pk=host.pk).update(removed_at=timezone.now())
    eventually(lambda: Host.objects.filter(pk=host.pk, removed_at=None, name="twin").exists())
    eventually(lambda: not Host.objects.filter(pk=twin.pk).exists() and host.pk in watcher.threads)


def test_it_says_that_it_is_ready(stage: Stage, watcher: Watcher) -> None:
    eventually(lambda: live.connection().exists(live.key("ready", "watcher")))


def test_what_broke_in_a_vm_is_told_once(stage: Stage, watcher: Watcher) -> None:
    made = stage.host.add(info("web-01", "running"))
    eventually(lambda: state("web-01"))
    for _ in range(50):
        stage.tell(DomainBroke(made.uuid, "disk", "report", "virtio-disk0", "eio"))
    stage.tell(DomainBroke(made.uuid, "panicked"))
    eventually(lambda: Happening.objects.filter(code__in=("disk_failed", "panicked")).count() == 2)
    time.sleep(0.3)
    assert Happening.objects.filter(code="disk_failed").count() == 1


def test_what_is_listed_while_beginnings_are_read_is_read_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    term = Term(host, "here", 1)
    made = reader.Reader(term, Writer(), lambda: None, lambda family, samples: None, lambda counted: None)

    def unread(host: Host, most: int) -> list[tuple[Volume, StoragePool]]:
        # The writer has stored what another pool lists just now.
        made.quarantined = True
        return []

    monkeypatch.setattr(reader, "unread", unread)
    made.quarantined = True
    connection = FakeConnection(FakeHost())
    made.read_beginnings(connection)  # type: ignore[arg-type]
    assert made.quarantined
    monkeypatch.setattr(reader, "unread", lambda host, most: [])
    made.read_beginnings(connection)  # type: ignore[arg-type]
    assert not made.quarantined
