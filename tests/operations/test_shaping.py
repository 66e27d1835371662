"""Edits come into the document that the host has at that moment, or nothing does."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.fakehost import FakeConnection
from tests.operations.conftest import Stage
from vms.errors import BadFields, DeviceHeld, HostRefused, HostUnreachable
from vms.libvirtxml import DomainXML, volume_document
from vms.libvirtxml.shaping import shape
from vms.models import (
    AuditEvent,
    Document,
    HostDevice,
    Network,
    NetworkFilter,
    Offer,
    Operation,
    Placement,
    Reservation,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
)
from vms.operations.shaping import facts, mend_disk
from vms.operations.volumes import new_row as make_row
from vms.services import shaping
from vms.services.shaping import Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]
MACHINE = (
    "<domain type='kvm'><name>web-01</name><uuid>{uuid}</uuid><memory unit='KiB'>2097152</memory>"
    "<currentMemory unit='KiB'>2097152</currentMemory><vcpu>2</vcpu><os><type>hvm</type><boot dev='hd'/></os>"
    "<on_crash>destroy</on_crash><devices>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/x.qcow2'/>"
    "<target dev='vda' bus='virtio'/></disk>"
    "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/><model type='virtio'/>"
    "</interface><graphics type='vnc' passwd='hunter2'/><rng model='virtio'>"
    "<backend model='random'>/dev/urandom</backend></rng></devices></domain>"
)


@pytest.fixture
def machine(stage: Stage) -> Stage:
    """It is off."""
    return known(stage)


@pytest.fixture
def runs(stage: Stage) -> Stage:
    stage.set_state("running")
    return known(stage)


def known(stage: Stage) -> Stage:
    """With a machine that the watcher has stored without its secrets."""
    text = MACHINE.format(uuid=stage.uuid)
    told = stage.fake.domains[stage.uuid]
    live = text if told.run_id is not None else ""
    stage.fake.domains[stage.uuid] = replace(told, next_boot_xml=text, live_xml=live)
    masked = text.replace(" passwd='hunter2'", "")
    Document.objects.update(next_boot=masked, live=masked if live else "")
    return stage


def after(stage: Stage) -> DomainXML:
    return DomainXML.parse(stage.fake.domains[stage.uuid].next_boot_xml)


def now(stage: Stage) -> DomainXML:
    return DomainXML.parse(stage.fake.domains[stage.uuid].live_xml)


def ask(stage: Stage, **sets: dict[str, object]) -> Operation:
    return shaping.ask(stage.actor, stage.vm, Wish(sets=sets))


def test_its_next_start_has_it_and_keeps_its_secrets(machine: Stage, done: Done) -> None:
    ended = done(ask(machine, memory={"memory": 4 << 20}, vda={"cache": "none"}, overview={"title": "Shop"}))
    assert ended.state == "succeeded", ended.error_code
    found = after(machine)
    assert (found.memory_kib, found.current_memory_kib, found.title) == (4 << 20, 4 << 20, "Shop")
    assert 'cache="none"' in found.text and 'passwd="hunter2"' in found.text
    assert ended.params["needs"] == ["vm.cpu_memory", "vm.describe", "vm.disk"]


def test_this_run_has_what_it_can(runs: Stage, done: Done) -> None:
    ended = done(ask(runs, overview={"title": "Shop", "on_crash": "preserve"}, vda={"cache": "none"}))
    assert ended.state == "succeeded", ended.error_code
    assert (now(runs).title, "on_crash>preserve" in now(runs).text) == ("Shop", True)
    assert "cache" in after(runs).text and "cache" not in now(runs).text
    assert [line.code for line in ended.log.all()][-3:-1] == ["shaped_next", "shaped_now"]


def test_what_another_has_changed_meanwhile_is_told(machine: Stage, done: Done) -> None:
    asked = ask(machine, memory={"memory": 4 << 20})
    told = machine.fake.domains[machine.uuid]
    text = told.next_boot_xml.replace("2097152", "1048576")
    machine.fake.domains[machine.uuid] = replace(told, next_boot_xml=text)
    ended = done(asked)
    assert (ended.state, ended.error_code, ended.error_params) == (
        "failed", "changed_meanwhile", {"place": "memory/memory_max"}
    )  # fmt: skip
    assert machine.fake.domains[machine.uuid].next_boot_xml == text


def test_another_device_in_its_place_is_not_taken_out(machine: Stage, done: Done) -> None:
    asked = shaping.ask(machine.actor, machine.vm, Wish(remove="net0"))
    told = machine.fake.domains[machine.uuid]
    text = told.next_boot_xml.replace("00:00:01", "00:00:02")
    machine.fake.domains[machine.uuid] = replace(told, next_boot_xml=text)
    assert done(asked).error_code == "changed_meanwhile"
    assert after(machine).macs == ["52:54:00:00:00:02"]


def test_a_device_comes_and_goes(runs: Stage, done: Done) -> None:
    assert done(shaping.ask(runs.actor, runs.vm, Wish(add="agent"))).state == "succeeded"
    assert now(runs).channels == after(runs).channels == ["org.qemu.guest_agent.0"]
    known(runs)
    assert done(shaping.ask(runs.actor, runs.vm, Wish(remove="rng0"))).state == "succeeded"
    assert "rng" not in now(runs).text + after(runs).text


def test_a_guest_that_holds_it_keeps_it_until_it_is_off(runs: Stage, done: Done) -> None:
    runs.fake.fail["reshape"] = DeviceHeld(device="net0")
    ended = done(shaping.ask(runs.actor, runs.vm, Wish(remove="net0")))
    assert (ended.state, ended.error_code) == ("failed", "device_held")
    assert (len(after(runs).interfaces), len(now(runs).interfaces)) == (0, 1)
    assert "shaped_not_now" in [line.code for line in ended.log.all()]


def test_whoever_lost_the_right_meanwhile_changes_nothing(machine: Stage, done: Done) -> None:
    asked = ask(machine, vda={"cache": "none"})
    User.objects.update(is_administrator=False)
    assert done(asked).state == "refused"
    assert "cache" not in after(machine).text


def test_starting_with_the_host_is_the_hosts(machine: Stage, done: Done) -> None:
    ended = done(ask(machine, overview={"autostart": True}))
    assert ended.state == "succeeded"
    assert machine.fake.domains[machine.uuid].autostart and "modify" not in machine.fake.calls
    Placement.objects.update(autostart=True)


def test_what_a_lost_host_did_is_looked_at(machine: Stage, done: Done) -> None:
    machine.fake.fail["modify"] = HostUnreachable("gone")
    assert done(ask(machine, vda={"cache": "none"})).state == "failed"


@pytest.mark.parametrize("state", ["shut_off", "running"])
def test_the_judge_holds_it_to_what_was_asked_for(stage: Stage, done: Done, state: str) -> None:
    stage.set_state(state)
    known(stage)
    asked = ask(stage, overview={"title": "Shop"})
    Operation.objects.update(params={**asked.params, "needs": ["vm.disk"]})
    ended = done(Operation.objects.get())
    assert (ended.state, ended.error_code) == ("refused", "needs_more")
    assert "title" not in stage.fake.domains[stage.uuid].next_boot_xml + stage.fake.domains[stage.uuid].live_xml


def test_whoever_may_no_longer_use_the_network_connects_nothing(runs: Stage, done: Done) -> None:
    NetworkFilter.objects.create(host=runs.host, uuid=uuid.uuid4(), name="clean-traffic")
    office = Network.objects.create(host=runs.host, uuid=uuid.uuid4(), name="office", active=True)
    wish = Wish(add="card", said={"network": office.pk})
    assert done(shaping.ask(runs.actor, runs.vm, wish)).state == "succeeded"
    assert len(after(runs).interfaces) == len(now(runs).interfaces) == 2
    known(runs)
    asked = shaping.ask(runs.actor, runs.vm, wish)
    Network.objects.update(present=False)
    assert done(asked).state == "refused"
    assert len(after(runs).interfaces) == 1


@pytest.mark.parametrize("state", ["shut_off", "running"])
def test_a_password_is_set_and_stands_nowhere_else(stage: Stage, done: Done, state: str) -> None:
    stage.set_state(state)
    known(stage)
    asked = ask(stage, graphics0={"password": "s3cret"})
    assert asked.params["needs"] == ["vm.device"]
    assert "s3cret" not in f"{asked.params}{asked.sealed}"
    assert shaping.digest_of(Wish(sets={"graphics0": {"password": "s3cret"}})) == shaping.digest_of(
        Wish(sets={"graphics0": {"password": "another"}})
    ), "a digest of it would let it be guessed"
    ended = done(asked)
    assert ended.state == "succeeded", (ended.error_code, ended.details)
    assert 'passwd="s3cret"' in after(stage).text and ended.sealed == ""
    assert state != "running" or 'passwd="s3cret"' in now(stage).text
    told = [*ended.log.values_list("code", "params"), *AuditEvent.objects.values_list("facts"), ended.params]
    assert "s3cret" not in str(told)
    assert not Document.objects.filter(next_boot__contains="s3cret").exists()


def test_a_password_goes_with_the_right_to_open_a_screen(machine: Stage, done: Done) -> None:
    asked = ask(machine, graphics0={"password": ""})
    assert asked.params["needs"] == ["vm.define"]
    assert done(asked).state == "succeeded"
    assert "passwd" not in after(machine).text


def test_a_password_that_a_lost_worker_did_not_set_is_not_taken_for_set(machine: Stage) -> None:
    asked = Operation.objects.get(pk=ask(machine, graphics0={"password": "s3cret"}).pk)
    assert facts(FakeConnection(machine.fake), asked) == {"done": [False]}  # type: ignore[arg-type]


def new_disk(stage: Stage, into: StoragePool, **said: object) -> Operation:
    return shaping.ask(stage.actor, stage.vm, Wish(add="disk", said={"pool": into.pk, "size_gib": 2, **said}))


@pytest.mark.parametrize("state", ["shut_off", "running"])
def test_a_new_disk_is_made_on_the_way_in(stage: Stage, pool: StoragePool, done: Done, state: str) -> None:
    stage.set_state(state)
    known(stage)
    asked = new_disk(stage, pool)
    assert (asked.kind, asked.params["needs"]) == ("vm.add-disk", ["vm.disk"])
    ended = done(asked)
    assert ended.state == "succeeded", (ended.error_code, ended.details)
    row = Volume.objects.get()
    assert (row.name, row.state, row.format) == ("web-01-2.qcow2", "ready", "qcow2")
    assert stage.fake.volumes[str(pool.uuid), row.name] is not None
    where = f"{pool.name}/{row.name}"
    assert [disk.source for disk in after(stage).disks][1:] == [where]
    assert state != "running" or [disk.source for disk in now(stage).disks][1:] == [where]


@pytest.mark.parametrize("verb", ["modify", "reshape"])
def test_a_new_disk_that_is_refused_leaves_nothing(runs: Stage, pool: StoragePool, done: Done, verb: str) -> None:
    asked = new_disk(runs, pool)
    runs.fake.fail[verb] = HostRefused("no slot")
    before = after(runs).text
    ended = done(asked)
    assert (ended.state, ended.error_code) == ("failed", "host_refused")
    assert after(runs).text == before and len(now(runs).disks) == 1
    assert not Volume.objects.exists() and not runs.fake.volumes


@pytest.mark.parametrize("attached", [True, False])
def test_a_new_disk_of_a_dead_worker_is_one_or_is_gone(
    machine: Stage, pool: StoragePool, done: Done, attached: bool
) -> None:
    asked = Operation.objects.get(pk=new_disk(machine, pool).pk)
    new = asked.params["given"]["new"]
    connection = FakeConnection(machine.fake)
    make_row(pool, new["name"], asked.actor_user, format=new["format"])
    document = volume_document(new["name"], new["size_bytes"], new["format"], whole=False)
    connection.create_volume(str(pool.uuid), document, name=new["name"])
    if attached:
        told = machine.fake.domains[machine.uuid]
        made = DomainXML.parse(told.next_boot_xml)
        shape(made, asked.params["edits"])
        machine.fake.domains[machine.uuid] = replace(told, next_boot_xml=made.text)
    mend_disk(connection, asked)  # type: ignore[arg-type]
    assert [row.state for row in Volume.objects.all()] == (["ready"] if attached else [])
    assert bool(machine.fake.volumes) == attached


def test_a_new_disk_needs_its_pool(machine: Stage, pool: StoragePool, done: Done) -> None:
    for said in ({"size_gib": 0}, {"size_gib": "2"}, {"volume": 1}, {"size_gib": None}):
        with pytest.raises(BadFields):
            new_disk(machine, pool, **said)
    with pytest.raises(BadFields):
        new_disk(machine, StoragePool(pk=999))
    asked = new_disk(machine, pool)
    StoragePool.objects.update(present=False)
    assert done(asked).state in ("failed", "refused")
    assert "web-01-2" not in after(machine).text


def test_a_new_disk_counts_for_whom_its_vm_counts(machine: Stage, pool: StoragePool) -> None:
    assert machine.actor.user
    VirtualMachine.objects.update(charged_user=machine.actor.user)
    machine.vm.refresh_from_db()
    new_disk(machine, pool)
    assert list(Reservation.objects.values_list("resource", "amount")) == [("disk_bytes", 2 << 30)]


@pytest.fixture
def usb(stage: Stage) -> Offer:
    device = HostDevice.objects.create(
        host=stage.host, name="usb_1_2", kind="usb", vendor_id="0x1234", product_id="0xabcd", address="001:004"
    )
    return Offer.objects.create(host=stage.host, kind="usb", name="stick", device=device)


def test_an_offered_device_comes_and_goes(runs: Stage, usb: Offer, done: Done) -> None:
    asked = shaping.ask(runs.actor, runs.vm, Wish(add="hostdev", said={"offer": usb.pk, "policy": "mandatory"}))
    assert asked.params["needs"] == ["vm.device"]
    ended = done(asked)
    assert ended.state == "succeeded", (ended.error_code, ended.details, ended.error_params)
    for look in (now, after):
        [source] = look(runs).element.findall("devices/hostdev/source")
        assert (source.get("startupPolicy"), len(source)) == ("mandatory", 2)
    text = after(runs).text
    Document.objects.update(next_boot=text.replace(' passwd="hunter2"', ""), live=now(runs).text)
    asked = shaping.ask(runs.actor, runs.vm, Wish(remove="hostdev0"))
    assert asked.params["needs"] == ["vm.device"], "what was offered is taken out as it came"
    assert done(asked).state == "succeeded"
    assert "hostdev" not in now(runs).text + after(runs).text


def test_what_is_offered_no_more_is_given_to_nobody(machine: Stage, usb: Offer, done: Done) -> None:
    asked = shaping.ask(machine.actor, machine.vm, Wish(add="hostdev", said={"offer": usb.pk, "by": "address"}))
    HostDevice.objects.update(address="001:005")
    assert done(asked).error_code == "needs_more", "another is plugged in there"
    asked = shaping.ask(machine.actor, machine.vm, Wish(add="hostdev", said={"offer": usb.pk}))
    Offer.objects.all().delete()
    assert done(asked).state == "refused"
    assert "hostdev" not in after(machine).text
    with pytest.raises(BadFields):
        shaping.ask(machine.actor, machine.vm, Wish(add="hostdev", said={"offer": usb.pk}))


def test_an_offered_folder_is_shared(machine: Stage, done: Done) -> None:
    offer = Offer.objects.create(host=machine.host, kind="folder", name="My docs", path="/srv/docs", read_only=True)
    for said in ({"offer": 999}, {"offer": offer.pk, "policy": "never"}, {"path": "/etc"}):
        with pytest.raises(BadFields):
            shaping.ask(machine.actor, machine.vm, Wish(add="folder", said=said))
    ended = done(shaping.ask(machine.actor, machine.vm, Wish(add="folder", said={"offer": offer.pk})))
    assert ended.state == "succeeded", (ended.error_code, ended.details, ended.error_params)
    root = after(machine).element
    assert root.find("devices/filesystem/source").get("dir") == "/srv/docs"  # type: ignore[union-attr]
    assert root.find("devices/filesystem/target").get("dir") == "My-docs"  # type: ignore[union-attr]
    assert root.find("devices/filesystem/readonly") is not None and root.find("memoryBacking/access") is not None
