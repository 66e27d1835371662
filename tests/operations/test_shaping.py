"""Edits come into the document that the host has at that moment, or nothing does."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.fakehost import FakeConnection
from tests.operations.conftest import Stage
from vms.errors import DeviceHeld, HostUnreachable
from vms.libvirtxml import DomainXML
from vms.models import AuditEvent, Document, Network, NetworkFilter, Operation, Placement, User
from vms.operations.shaping import facts
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
