"""Trying the connection: who answers, or the step that fails, also on a host that nobody hears."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests import fakehost
from tests.conftest import silence
from tests.operations.conftest import Stage
from tests.virt.test_fields import KEY
from vms.errors import HostKeyChanged, NoRoute
from vms.models import Host, Operation
from vms.operations import hosts, process
from vms.virt import HostSpec, fingerprint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]
MACHINE = str(uuid.UUID(int=0xA))


@pytest.fixture(autouse=True)
def reached(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake host answers, and shows its key to who asks."""
    monkeypatch.setattr(hosts, "connect", stage.fake.connect)
    monkeypatch.setattr(hosts, "offered_key", lambda spec: KEY)
    monkeypatch.setattr(fakehost, "FACTS", replace(fakehost.FACTS, uuid=MACHINE))


def test_who_answers_is_kept_as_the_result(stage: Stage, done: Done) -> None:
    operation = done(stage.ask("host.test"))
    assert (operation.state, operation.error_code) == ("succeeded", "")
    assert operation.result == {
        "uuid": MACHINE, "hostname": "host-a", "libvirt_version": "9.0.0", "driver": "qemu",
    }  # fmt: skip
    assert operation.before == {}


@pytest.mark.parametrize("state", ["silent", "left alone", "never heard"])
def test_it_may_be_asked_of_a_host_that_nobody_hears(stage: Stage, done: Done, state: str) -> None:
    if state == "silent":
        silence(stage.host)
    Host.objects.update(left_alone=state == "left alone")
    if state == "never heard":
        Host.objects.update(heard_at=None, libvirt_uuid=None)
    assert done(stage.ask("host.test")).state == "succeeded"


def test_the_step_that_fails_is_the_operations_error(stage: Stage, done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(spec: HostSpec) -> None:
        raise NoRoute("timed out", address="192.0.2.7", port=22)

    monkeypatch.setattr(hosts, "connect", refuse)
    operation = done(stage.ask("host.test"))
    assert (operation.state, operation.error_code, operation.details) == ("failed", "no_route", "timed out")
    assert operation.error_params == {"address": "192.0.2.7", "port": 22}


def test_a_key_that_nobody_accepted_is_kept_as_the_offered_one(stage: Stage, done: Done) -> None:
    Host.objects.update(transport="ssh", address="192.0.2.7")
    operation = done(stage.ask("host.test"))
    assert (operation.state, operation.error_code) == ("failed", "host_key_unknown")
    assert operation.error_params == {"kind": "ED25519", "fingerprint": fingerprint(KEY)}
    assert Host.objects.get().offered_key == KEY
    assert stage.fake.opened == 0


def test_a_changed_key_is_kept_beside_the_accepted_one(
    stage: Stage, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = KEY[:-4] + "AAAA"
    Host.objects.update(transport="ssh", address="192.0.2.7", host_key=accepted)

    def refuse(spec: HostSpec) -> None:
        raise HostKeyChanged("ssh's words", accepted=fingerprint(accepted), fingerprint="", kind="")

    monkeypatch.setattr(hosts, "connect", refuse)
    operation = done(stage.ask("host.test"))
    assert operation.error_code == "host_key_changed"
    assert operation.error_params == {
        "accepted": fingerprint(accepted), "fingerprint": fingerprint(KEY), "kind": "ED25519",
    }  # fmt: skip
    assert (Host.objects.get().host_key, Host.objects.get().offered_key) == (accepted, KEY)


def test_a_machine_that_is_there_already_is_named(stage: Stage, done: Done) -> None:
    Host.objects.update(libvirt_uuid=None)
    first = Host.objects.create(name="the first", libvirt_uuid=MACHINE)
    operation = done(stage.ask("host.test"))
    assert operation.error_code == "same_machine"
    assert operation.error_params == {"host": "the first", "host_id": first.pk}


def test_work_on_a_host_of_no_node_is_everybodys(stage: Stage) -> None:
    Host.objects.update(node="")
    stage.host.refresh_from_db()
    operation = stage.ask("host.test")
    assert operation.node == ""
    other = process.WorkerProcess(node="another")
    other.take(operation.pk)
    other.pool.shutdown()
    operation.refresh_from_db()
    assert operation.state == "succeeded"


def test_a_connection_to_a_host_that_is_to_be_left_alone_is_closed(stage: Stage, worker: process.WorkerProcess) -> None:
    with worker.connections.lent(stage.host) as kept:
        pass
    worker.connections.leave()
    assert kept.alive()
    Host.objects.update(left_alone=True)
    worker.reconcile()
    assert not kept.alive()
    assert worker.connections.idle == {}
