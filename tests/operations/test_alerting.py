"""When alerts begin, when they end, and what is none."""

from __future__ import annotations

import socket
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import make_vm, silence
from tests.grants import grant
from tests.lab.certificates import Authority
from vms.models import (
    AgentReport,
    Alert,
    AlertRule,
    AlertSilence,
    Happening,
    Host,
    Operation,
    Placement,
    Schedule,
    StoragePool,
    User,
    VirtualMachine,
)
from vms.operations import alerting
from vms.operations.alerting import Alerter
from vms.permissions import Actor, visible_alerts
from vms.services import alerts
from vms.services.alert_words import alert_sentence

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
GIB = 1 << 30


class Clock:
    """The worker's own clock: how long a thing has been so."""

    def __init__(self) -> None:
        self.now = 10_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(alerting, "time", made)
    return made


@pytest.fixture
def look(clock: Clock) -> Callable[..., list[tuple[str, str]]]:
    """A turn of one worker after so many seconds; what is open then."""
    alerter = Alerter()

    def turn(after: float = 0) -> list[tuple[str, str]]:
        clock.now += after
        alerter.turn()
        return list(Alert.objects.filter(ended_at=None).order_by("pk").values_list("kind", "subject"))

    return turn


def stopped(vm: VirtualMachine, reason: str, state: str = "shut_off", was: str = "running") -> Happening:
    """As the watcher writes it."""
    Placement.objects.filter(vm=vm).update(state=state, state_reason=reason, run_id=None)
    params = {"state": state, "was": was, "by": "", "reason": reason}
    return Happening.objects.create(
        host=vm.placement.host if vm.placement else None, vm=vm, code="state", params=params
    )


def pool(host: Host, used: int, **fields: Any) -> StoragePool:
    return StoragePool.objects.create(
        host=host, uuid=uuid.uuid4(), name="ssd", active=True, capacity_bytes=100 * GIB,
        available_bytes=(100 - used) * GIB, **fields
    )  # fmt: skip


def test_a_silent_host_is_told_after_a_minute_and_ends_when_it_is_heard(host: Host, look: Any) -> None:
    silence(host)
    assert look() == [] and look(59) == []
    assert look(2) == [("host_silent", f"host:{host.pk}")]
    Host.objects.update(error_code="", heard_at=timezone.now())
    assert look(5) == []
    found = Alert.objects.get()
    assert found.severity == "critical" and found.name == "host-a" and found.ended_at is not None


def test_one_that_answers_again_in_time_is_told_of_never(host: Host, look: Any) -> None:
    for _ in range(3):
        Host.objects.update(error_code="host_unreachable")
        assert look(50) == []
        Host.objects.update(error_code="", heard_at=timezone.now())
        assert look(5) == []


@pytest.mark.parametrize(
    "fields",
    [{"left_alone": True}, {"removed_at": timezone.now()}, {"heard_at": None}, {"in_maintenance_at": timezone.now()}],
)
def test_of_a_host_left_alone_removed_in_maintenance_or_never_heard_nothing_is_told(
    host: Host, look: Any, fields: dict[str, Any]
) -> None:
    silence(host)
    Host.objects.update(**fields)
    assert look() == [] and look(120) == []


@pytest.mark.parametrize(
    ("reason", "state", "told"),
    [
        ("crashed", "shut_off", True),
        ("panicked", "crashed", True),
        ("destroyed", "shut_off", True),
        ("failed", "shut_off", True),
        ("", "shut_off", True),
        ("shutdown", "shut_off", False),
        ("migrated", "shut_off", False),
        ("saved", "saved", False),
        ("from_snapshot", "shut_off", False),
    ],
)
def test_a_vm_that_stopped_unasked_is_told_once(
    vm: VirtualMachine, look: Any, reason: str, state: str, told: bool
) -> None:
    look()
    stopped(vm, reason, state)
    expected = [("vm_stopped", f"vm:{vm.pk}")] if told else []
    assert look(5) == expected and look(5) == expected
    Alerter().turn()
    assert Alert.objects.count() == len(expected)
    Placement.objects.update(state="running", run_id=2)
    assert look(5) == [] and look(120) == []
    assert Alert.objects.count() == len(expected)


def test_what_ran_between_two_looks_is_over_and_told_anew_where_it_stopped_anew(vm: VirtualMachine, look: Any) -> None:
    look()
    stopped(vm, "crashed")
    look(5)
    params = {"state": "running", "was": "shut_off", "by": "", "reason": "booted"}
    Happening.objects.create(host=vm.placement.host if vm.placement else None, vm=vm, code="state", params=params)
    stopped(vm, "shutdown")
    assert look(5) == [] and Alert.objects.count() == 1
    Happening.objects.create(host=vm.placement.host if vm.placement else None, vm=vm, code="state", params=params)
    stopped(vm, "crashed")
    assert look(5) and Alert.objects.count() == 2


@pytest.mark.parametrize(
    ("kind", "begun", "ended", "state", "told"),
    [
        ("vm.force-off", -5, None, "running", False),
        ("vm.force-off", -5, 1, "succeeded", False),
        ("vm.force-off", -900, -600, "succeeded", True),
        ("vm.force-off", -900, -600, "unknown", False),
        ("vm.force-off", 60, None, "running", True),
        ("vm.start", -5, 1, "succeeded", True),
    ],
)
def test_what_an_operation_did_is_no_alert_but_a_crash_is(
    vm: VirtualMachine, look: Any, kind: str, begun: int, ended: int | None, state: str, told: bool
) -> None:
    now = timezone.now()
    Operation.objects.create(
        kind=kind, target_kind="vm", target_id=vm.pk, vm=vm, host=vm.placement.host if vm.placement else None,
        state=state, started_at=now + timedelta(seconds=begun),
        ended_at=None if ended is None else now + timedelta(seconds=ended),
    )  # fmt: skip
    look()
    happening = stopped(vm, "destroyed")
    assert bool(look(5)) is told
    Alert.objects.all().delete()
    Happening.objects.filter(pk=happening.pk).update(params={**happening.params, "reason": "crashed"})
    assert look(5) == [("vm_stopped", f"vm:{vm.pk}")]


def test_what_stopped_before_the_dashboard_looked_is_no_news(vm: VirtualMachine, look: Any) -> None:
    happening = stopped(vm, "crashed")
    Happening.objects.filter(pk=happening.pk).update(at=timezone.now() - timedelta(hours=2))
    make_vm(vm.placement.host if vm.placement else Host(), "crashed-before", "shut_off", state_reason="crashed")
    assert look() == [] and look(600) == []


def test_a_pool_is_told_from_85_percent_and_over_below_83(host: Host, look: Any) -> None:
    found = pool(host, 84)
    assert look() == [] and look(120) == []
    StoragePool.objects.update(available_bytes=15 * GIB)
    assert look(5) == [] and look(61) == [("pool_full", f"pool:{found.pk}")]
    StoragePool.objects.update(available_bytes=16 * GIB)
    assert look(5) == [("pool_full", f"pool:{found.pk}")]
    assert Alert.objects.get().params == {"used": 84, "free": 16 * GIB}
    StoragePool.objects.update(available_bytes=18 * GIB)
    assert look(5) == []


def test_pools_that_are_one_storage_are_told_once(host: Host, look: Any) -> None:
    first = pool(host, 90)
    other = Host.objects.create(name="host-b", libvirt_uuid=uuid.uuid4())
    pool(other, 90, storage=first.storage)
    look()
    assert look(61) == [("pool_full", f"pool:{first.pk}")]


def waiting(who: Actor) -> list[Alert]:
    return [line.alert for line in alerts.needs(alerts.standing(who))]


def report(vm: VirtualMachine, **fields: Any) -> None:
    systems = [
        {"mounted_at": "/", "type": "ext4", "total_bytes": 100, "used_bytes": 95},
        {"mounted_at": "/media/cd", "type": "iso9660", "total_bytes": 100, "used_bytes": 100},
        {"mounted_at": "/srv", "type": "xfs", "total_bytes": 100, "used_bytes": 93},
        {"mounted_at": "/odd", "type": "9p", "total_bytes": None, "used_bytes": None},
    ]
    now = timezone.now()
    assert vm.placement
    AgentReport.objects.create(
        placement=vm.placement,
        facts={"file_systems": systems},
        **{"run_id": 1, "asked_at": now, "told_at": now, **fields},
    )


def test_a_full_file_system_of_a_guest_is_told_and_a_cd_is_not(vm: VirtualMachine, look: Any) -> None:
    report(vm)
    assert look() == []
    assert look(61) == [("guest_disk_full", f"vm:{vm.pk}")]
    assert Alert.objects.get().params == {"place": "/", "used": 95, "free": 5}
    AgentReport.objects.update(facts={})
    assert look(61) == []


@pytest.mark.parametrize("fields", [{"run_id": 7}, {"told_at": timezone.now() - timedelta(hours=2)}])
def test_what_a_guest_told_of_another_time_is_nothing(vm: VirtualMachine, look: Any, fields: dict[str, Any]) -> None:
    report(vm, **fields)
    assert look() == [] and look(61) == []


@contextmanager
def front(folder: Path, days: int) -> Iterator[int]:
    """The port of one that shows a certificate for so many days to whoever asks."""
    certificate = folder / f"{days}.pem"
    certificate.write_text("".join(Authority().issue("dashboard", "localhost", days=days)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def show() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as shown:
                        shown.recv(1)

        thread = threading.Thread(target=show, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_the_certificate_that_the_dashboard_shows_is_told_before_its_end(
    host: Host, look: Any, tmp_path: Path, settings: Any
) -> None:
    def shows(days: int) -> list[tuple[str, str]]:
        with front(tmp_path, days) as port:
            settings.ENVIRONMENT = replace(settings.ENVIRONMENT, bind="0.0.0.0", port=port)
            return list(look(3600))

    assert shows(40) == []
    assert shows(10) == [("certificate_ends", "certificate")]
    [alert] = Alert.objects.all()
    assert alert.params["which"] == "own" and "own" in alert_sentence(alert)
    # Where nobody answers it is no better.
    assert look(3600) == [("certificate_ends", "certificate")]
    assert shows(22) == []


def test_a_watcher_that_does_not_keep_up(host: Host, look: Any) -> None:
    Host.objects.update(heard_at=timezone.now() - timedelta(minutes=1))
    assert look() == [] and look(61) == [("watcher_behind", "watcher")]
    Host.objects.update(heard_at=timezone.now())
    assert look(5) == []


def test_a_rule_that_is_off_ends_what_it_began(host: Host, look: Any, actor: Actor) -> None:
    pool(host, 90)
    look()
    assert look(61)
    alerts.change_rule(actor, "pool_full", {"enabled": False})
    assert look(5) == [] and look(120) == []
    alerts.change_rule(actor, "pool_full", {"enabled": True, "threshold": 95, "severity": "critical", "seconds": 0})
    assert look(5) == []
    alerts.change_rule(actor, "pool_full", {"threshold": 90})
    assert look(5) and Alert.objects.order_by("pk").last().severity == "critical"  # type: ignore[union-attr]
    assert AlertRule.objects.count() == 1


def test_two_workers_begin_one_alert(host: Host, clock: Clock) -> None:
    pool(host, 90)
    workers = [Alerter(), Alerter()]
    for _ in range(2):
        for worker in workers:
            worker.turn()
        clock.now += 61
    assert Alert.objects.count() == 1


def test_a_fresh_dashboard_raises_none(host: Host, look: Any) -> None:
    for state in ("running", "shut_off", "paused"):
        make_vm(host, state, state, state_reason="shutdown" if state == "shut_off" else "")
    pool(host, 40)
    for _ in range(60):
        Host.objects.update(heard_at=timezone.now())
        assert look(60) == []
    assert not Alert.objects.exists()


def test_silenced_is_noted_and_waits_for_nobody(host: Host, look: Any, actor: Actor) -> None:
    found = make_vm(host)
    look()
    stopped(found, "crashed")
    look(5)
    [alert] = Alert.objects.all()
    assert waiting(actor) == [alert]
    alerts.silence(actor, alert, hours=1, reason="We know")
    assert waiting(actor) == []
    [line] = alerts.make_lines(actor, alerts.find_alerts(actor))
    assert line.silence and (line.silence.made_by, line.silence.reason) == ("alice", "We know")
    alerts.end_silence(actor, line.silence.pk)
    assert waiting(actor) == [alert]
    AlertSilence.objects.create(thing=f"host:{host.pk}", until=timezone.now() + timedelta(hours=1), made_by="alice")
    assert waiting(actor) == []


def test_a_failed_schedule_is_told_once_and_ends_with_a_good_run(
    vm: VirtualMachine, alice: User, mallory: User, look: Any
) -> None:
    made = Schedule.objects.create(
        name="nightly", owner=alice, vm=vm, every="daily", zone="UTC", keep_last=1, error_code="host_silent",
        error_params={"vm": vm.name, "host": ""},
    )  # fmt: skip
    subject = [("schedule_failed", f"schedule:{made.pk}")]
    assert look() == subject and look(600) == subject
    Schedule.objects.update(error_code="over_quota")
    assert look(5) == subject
    assert Alert.objects.get().params["error"] == "over_quota"
    # Of what may be kept somebody hears who could set it there.
    oscar, ed = User.objects.create(username="oscar"), User.objects.create(username="ed")
    grant(oscar, "operator", vm)
    grant(ed, "editor", vm)
    seen = {user.username: visible_alerts(user).count() for user in (alice, ed, oscar, mallory)}
    assert seen == {"alice": 1, "ed": 1, "oscar": 0, "mallory": 0}
    Schedule.objects.update(error_code="")
    assert look(5) == []
    Schedule.objects.update(stopped_code="schedule_rights")
    assert look(5) == subject
    Schedule.objects.update(enabled=False)
    assert look(5) == [] and Alert.objects.count() == 2


def test_the_owner_hears_of_his_schedule_of_a_tag_and_acknowledges_it(mallory: User, alice: User, look: Any) -> None:
    Schedule.objects.create(
        name="n", owner=mallory, tag="web", every="daily", zone="UTC", stopped_code="schedule_owner"
    )
    look()
    alert = visible_alerts(mallory).get()
    assert "its owner" in alert_sentence(alert).lower()
    assert alerts.make_lines(mallory, [alert])[0].acknowledges
    alerts.acknowledge(Actor(mallory), alert)
    assert visible_alerts(alice).get().acknowledged_by == "mallory"
