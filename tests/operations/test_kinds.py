"""Each kind, done on a host that exists in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.fakehost import STOPPED
from tests.lab.machine import eventually
from tests.operations.conftest import Stage
from vms import live
from vms.errors import Aborted, HostRefused, Unsupported
from vms.kinds import KINDS, Autostart, power
from vms.libvirtxml import DomainXML, add_serial
from vms.models import Happening, Host, Operation, OperationLock, Placement
from vms.operations import KNOWN, PLANS, TRANSFERS, TRIALS, WAYS, hardware, jobs
from vms.operations.process import WorkerProcess
from vms.operations.waiting import end_what_is_seen
from vms.services import operations
from vms.virt import Job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]


def test_every_kind_has_a_way_and_every_way_a_kind() -> None:
    assert {*KNOWN, *TRANSFERS, *PLANS} == KINDS.keys()
    assert len({*KNOWN, *TRANSFERS, *PLANS}) == len(KNOWN) + len(TRANSFERS) + len(PLANS)
    assert not WAYS.keys() & TRIALS.keys()
    assert {name for name, kind in KINDS.items() if kind.waits} == {name for name, way in WAYS.items() if way.ended}


@pytest.mark.parametrize(
    ("kind", "before", "after", "call"),
    [
        ("vm.start", "shut_off", "running", "start"),
        ("vm.pause", "running", "paused", "pause"),
        ("vm.resume", "paused", "running", "resume"),
        ("vm.reset", "running", "running", "reset"),
        ("vm.force-off", "running", "shut_off", "force_off"),
        ("vm.start-paused", "shut_off", "paused", "start paused"),
        ("vm.start", "saved", "running", "start"),
        ("vm.restore", "saved", "running", "start"),
        ("vm.save", "running", "saved", "save"),
        ("vm.save", "paused", "saved", "save"),
        ("vm.discard-saved", "saved", "shut_off", "discard"),
        ("vm.nmi", "running", "running", "nmi"),
    ],
)
def test_it_is_done_once_seen_and_then_said(
    stage: Stage, done: Done, kind: str, before: str, after: str, call: str
) -> None:
    stage.set_state(before)
    operation = done(stage.ask(kind))
    assert (operation.state, operation.error_code) == ("succeeded", "")
    assert stage.fake.calls == [call]
    assert Placement.objects.get(current_of=stage.vm).state == after
    assert operation.started_at and operation.ended_at
    blind = kind in ("vm.reset", "vm.nmi")
    assert [line.code for line in operation.log.all()] == ["claimed", "taken" if blind else "seen"]
    assert not OperationLock.objects.exists()


@pytest.mark.parametrize("kind", ["vm.save", "vm.discard-saved", "vm.start-paused", "vm.restore"])
def test_a_yes_without_its_effect_is_none(stage: Stage, done: Done, kind: str) -> None:
    stage.set_state({"vm.save": "running", "vm.start-paused": "shut_off"}.get(kind, "saved"))
    stage.fake.deaf |= {"save", "discard", "start paused", "start"}
    assert done(stage.ask(kind)).state == "failed"


def test_a_restore_without_saved_state_boots_nothing(stage: Stage, done: Done) -> None:
    stage.set_state("saved")
    operation = stage.ask("vm.restore")
    stage.fake.set_state(stage.uuid, "shut_off")
    assert done(operation).state == "refused"
    assert (operation.error_code, operation.error_params["state"]) == ("wrong_state", "shut_off")
    assert stage.fake.calls == []


def test_keys_go_as_linux_numbers_and_hold_nothing(stage: Stage, done: Done) -> None:
    stage.set_state("running")
    operation = stage.ask("vm.send-key", power.Keys("Control+Alt+Delete"))
    assert not OperationLock.objects.exists()
    assert done(operation).state == "succeeded"
    assert stage.fake.calls == ["keys [29, 56, 111]"]


@pytest.mark.parametrize("enabled", [True, False])
def test_autostart_is_what_was_asked_for(stage: Stage, done: Done, enabled: bool) -> None:
    stage.fake.domains[stage.uuid] = replace(stage.fake.domains[stage.uuid], autostart=not enabled)
    assert done(stage.ask("vm.autostart", Autostart(enabled))).state == "succeeded"
    assert stage.fake.domains[stage.uuid].autostart is enabled
    stage.fake.deaf.add("autostart")
    assert done(stage.ask("vm.autostart", Autostart(not enabled))).state == "failed"


def test_a_host_that_cannot_says_so(stage: Stage, done: Done) -> None:
    stage.set_state("running")
    stage.fake.fail["nmi"] = Unsupported("this function is not supported by the connection driver")
    assert done(stage.ask("vm.nmi")).error_code == "unsupported"


def test_what_follows_a_save_has_another_connection(stage: Stage, worker: WorkerProcess, done: Done) -> None:
    stage.set_state("running")
    done(stage.ask("vm.pause"))
    done(stage.ask("vm.save"))
    [idle] = worker.connections.idle.values()
    assert stage.fake.opened == len(idle) <= 2


@pytest.mark.django_db(transaction=True)
def test_a_save_tells_how_far_it_is_and_can_be_ended(stage: Stage, done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOOK", 0.01)
    stage.set_state("running")
    stage.fake.jobs[stage.uuid] = Job(done=3, left=1)
    operation = stage.ask("vm.save")

    def row() -> Operation:
        return Operation.objects.get(pk=operation.pk)

    def go_on() -> None:
        eventually(lambda: row().progress == 75, "its progress is told")
        operations.cancel(row(), actor=stage.actor)
        eventually(lambda: row().log.filter(code="ending").exists(), "the host is asked to end it")
        assert stage.fake.calls[-1] == "abort"
        stage.fake.set_state(stage.uuid, "running")
        raise Aborted("canceled by client")

    stage.fake.after["save"] = go_on
    assert done(operation).state == "cancelled"
    assert [line.code for line in operation.log.all()] == ["claimed", "ending", "aborted"]
    assert not OperationLock.objects.exists()


def test_a_save_ended_by_somebody_else_has_failed(stage: Stage, done: Done) -> None:
    stage.set_state("running")
    stage.fake.fail["save"] = Aborted("canceled by client")
    operation = done(stage.ask("vm.save"))
    assert (operation.state, operation.error_code) == ("failed", "aborted")


def test_what_the_host_refuses_fails_with_its_words(stage: Stage, done: Done) -> None:
    stage.fake.fail["start"] = HostRefused("no such disk")
    operation = done(stage.ask("vm.start"))
    assert (operation.state, operation.error_code, operation.details) == ("failed", "host_refused", "no such disk")
    assert not OperationLock.objects.exists()


def test_a_yes_without_effect_is_no_success(stage: Stage, done: Done) -> None:
    stage.fake.deaf.add("start")
    operation = done(stage.ask("vm.start"))
    assert (operation.state, operation.error_code) == ("failed", "invalid_state")


def test_a_stopped_network_is_named(stage: Stage, done: Done) -> None:
    stage.fake.fail["start"] = STOPPED
    operation = done(stage.ask("vm.start"))
    assert (operation.error_code, operation.error_params) == ("network_stopped", {"network": "default"})


def test_start_with_networks_starts_them_first(stage: Stage, done: Done) -> None:
    stage.fake.fail["start"] = STOPPED
    operation = done(stage.ask("vm.start-with-networks"))
    assert operation.state == "succeeded"
    assert stage.fake.calls == ["start-network default", "start"]
    assert [line.code for line in operation.log.all()] == ["claimed", "network_started", "seen"]


def test_a_second_run_of_one_uuid_is_refused(stage: Stage, done: Done) -> None:
    other = Host.objects.create(name="host-b", node="node-b")
    mine = Placement.objects.get(current_of=stage.vm)
    asked = stage.ask("vm.start")
    Placement.objects.create(vm=stage.vm, host=other, uuid=mine.uuid, name="copy", state="running", run_id=4)
    operation = done(asked)
    assert (operation.state, operation.error_code) == ("refused", "runs_elsewhere")
    assert operation.error_params["host"] == "host-b"
    assert stage.fake.calls == []


def test_the_other_host_is_read_once_more_before_a_start(
    stage: Stage, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Host.objects.create(name="host-b", node="node-b")
    mine = Placement.objects.get(current_of=stage.vm)
    copy = Placement.objects.create(vm=stage.vm, host=other, uuid=mine.uuid, name="copy", state="shut_off")
    operation = stage.ask("vm.start")

    def look(host: int, name: str) -> bool:
        Placement.objects.filter(pk=copy.pk, host=host).update(state="running", run_id=4)
        return True

    monkeypatch.setattr(live, "look", look)
    assert done(operation).error_code == "runs_elsewhere"
    assert stage.fake.calls == []


@pytest.mark.parametrize("kind", ["vm.shutdown", "vm.reboot"])
def test_the_guest_decides_and_nothing_is_held_meanwhile(stage: Stage, done: Done, kind: str) -> None:
    stage.set_state("running")
    operation = done(stage.ask(kind))
    assert operation.state == "waiting"
    assert operation.waiting_at and not operation.ended_at
    assert not OperationLock.objects.exists()
    end_what_is_seen(stage.host.node)
    operation.refresh_from_db()
    assert operation.state == "waiting"


def test_shut_down_ends_when_the_rows_show_it(stage: Stage, done: Done) -> None:
    stage.set_state("running")
    operation = done(stage.ask("vm.shutdown"))
    stage.set_state("shut_off")
    end_what_is_seen(stage.host.node)
    operation.refresh_from_db()
    assert operation.state == "succeeded"


def test_a_transient_vm_has_shut_down_when_it_is_gone(stage: Stage, done: Done) -> None:
    stage.set_state("running")
    operation = done(stage.ask("vm.shutdown"))
    Placement.objects.update(present=False)
    end_what_is_seen(stage.host.node)
    operation.refresh_from_db()
    assert operation.state == "succeeded"


def test_a_reboot_ends_when_it_has_happened_since(stage: Stage, done: Done) -> None:
    stage.set_state("running")
    Happening.objects.create(vm=stage.vm, code="rebooted")
    operation = done(stage.ask("vm.reboot"))
    end_what_is_seen(stage.host.node)
    operation.refresh_from_db()
    assert operation.state == "waiting"
    Happening.objects.create(vm=stage.vm, code="rebooted")
    end_what_is_seen(stage.host.node)
    operation.refresh_from_db()
    assert operation.state == "succeeded"


def test_a_guest_that_shuts_down_has_not_rebooted(stage: Stage, done: Done) -> None:
    stage.set_state("running")
    operation = done(stage.ask("vm.reboot"))
    stage.set_state("shut_off")
    end_what_is_seen(stage.host.node)
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == ("failed", "invalid_state")


def test_a_screen_is_added_for_the_next_start(stage: Stage, done: Done) -> None:
    assert done(stage.ask("vm.add-screen")).state == "succeeded"
    document = DomainXML.parse(stage.fake.domains[stage.uuid].next_boot_xml)
    assert [screen.type for screen in document.graphics] == ["spice", "vnc"]


def test_a_serial_line_is_added_for_the_next_start(stage: Stage, done: Done) -> None:
    assert done(stage.ask("vm.add-serial")).state == "succeeded"
    assert DomainXML.parse(stage.fake.domains[stage.uuid].next_boot_xml).serials == ["serial0"]


def test_get_ready_does_what_is_missing_and_logs_it(stage: Stage, done: Done) -> None:
    stage.fake.missing = ["network_started", "network_autostart", "pool_defined", "pool_started", "pool_autostart"]
    operation = done(stage.ask("host.get-ready"))
    assert operation.state == "succeeded"
    assert [line.code for line in operation.log.all()] == [
        "claimed", "network_started", "autostart", "pool_made", "pool_started", "autostart", "seen",
    ]  # fmt: skip


PORTLESS = "<graphics type='spice'/><graphics type='vnc' keymap='de'><listen type='none'/></graphics>"


def give_screens(stage: Stage, graphics: str) -> None:
    seen = stage.fake.domains[stage.uuid]
    text = seen.next_boot_xml.replace("<graphics type='spice'/>", graphics)
    stage.fake.domains[stage.uuid] = replace(seen, next_boot_xml=text)


def next_screens(stage: Stage) -> DomainXML:
    return DomainXML.parse(stage.fake.domains[stage.uuid].next_boot_xml)


@pytest.mark.parametrize(
    ("transport", "user", "listens"),
    [
        ("unix", "", "none"),
        ("ssh", "", "socket"),
        ("ssh", "fred", "loopback"),
        ("tls", "", "loopback"),
    ],
)
def test_an_added_screen_listens_where_the_relay_reaches_it_and_nobody_else(
    transport: str, user: str, listens: str, stage: Stage, done: Done
) -> None:
    Host.objects.update(transport=transport, user=user)
    assert done(stage.ask("vm.add-screen")).state == "succeeded"
    screen = next_screens(stage).vnc
    assert screen and screen.listens == listens
    assert (screen.password is None) == (listens != "loopback")


def test_a_screen_listens_on_its_host_from_the_next_start_on(stage: Stage, done: Done) -> None:
    give_screens(stage, PORTLESS)
    operation = done(stage.ask("vm.listen-locally"))
    assert operation.state == "succeeded"
    document = next_screens(stage)
    assert document.vnc
    assert (document.vnc.address, document.vnc.keymap, document.vnc.password_until) == (
        "127.0.0.1",
        "de",
        "1970-01-01T00:00:00",
    )
    assert [screen.type for screen in document.graphics] == ["spice", "vnc"]
    assert document.vnc.password not in (None, str(operation.before), str(operation.result))
    assert done(stage.ask("vm.listen-locally")).state == "succeeded"
    assert next_screens(stage).text == document.text


def test_an_open_screen_gets_a_password(stage: Stage, done: Done) -> None:
    give_screens(stage, "<graphics type='vnc'><listen type='address' address='127.0.0.1'/></graphics>")
    assert done(stage.ask("vm.listen-locally")).state == "succeeded"
    screen = next_screens(stage).vnc
    assert screen and screen.password


def test_no_screen_cannot_listen(stage: Stage, done: Done) -> None:
    operation = done(stage.ask("vm.listen-locally"))
    assert (operation.state, operation.error_code) == ("failed", "invalid_state")


@pytest.mark.parametrize(("transport", "state"), [("tls", "succeeded"), ("tcp", "succeeded"), ("ssh", "failed")])
def test_a_screen_listens_on_the_network_only_where_there_is_no_other_way(
    transport: str, state: str, stage: Stage, done: Done
) -> None:
    Host.objects.update(transport=transport)
    give_screens(stage, PORTLESS)
    assert done(stage.ask("vm.listen-on-network")).state == state
    screen = next_screens(stage).vnc
    assert screen and screen.listens == ("everywhere" if state == "succeeded" else "none")


def test_an_edit_that_changes_more_than_its_kind_may_is_refused(
    stage: Stage, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    def and_its_kernel(document: DomainXML) -> None:
        add_serial(document)
        document.kernel = "/etc/shadow"

    monkeypatch.setattr(hardware, "add_serial", and_its_kernel)
    before = stage.fake.domains[stage.uuid].next_boot_xml
    operation = done(stage.ask("vm.add-serial"))
    assert (operation.state, operation.error_code) == ("refused", "needs_more")
    assert operation.error_params["place"] == "os/kernel"
    assert stage.fake.domains[stage.uuid].next_boot_xml == before
    assert not OperationLock.objects.exists()
