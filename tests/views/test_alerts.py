"""The pages of alerts: what waits for somebody, what is done about it, and who sees which."""

from __future__ import annotations

import html
import uuid
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, sign_in, silence
from tests.grants import grant
from tests.views.test_grants import read as read_page
from vms.models import (
    Alert,
    AlertDelivery,
    AlertSilence,
    AlertSink,
    AuditEvent,
    Host,
    StoragePool,
    User,
    VirtualMachine,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def read(client: Client, path: str) -> str:
    return html.unescape(read_page(client, path)).replace(" :", ":").replace(" .", ".")


def crashed(vm: VirtualMachine, **fields: Any) -> Alert:
    return Alert.objects.create(
        kind="vm_stopped", subject=f"vm:{vm.pk}", name=vm.name, vm=vm, severity="critical",
        params={"how": "crashed", "was": "running"}, begun_at=timezone.now(), **fields,
    )  # fmt: skip


def full(host: Host) -> Alert:
    pool = StoragePool.objects.create(host=host, uuid=uuid.uuid4(), name="ssd", active=True)
    return Alert.objects.create(
        kind="pool_full", subject=f"pool:{pool.pk}", name="ssd", pool=pool, severity="warning",
        params={"used": 91, "free": 9 << 30}, begun_at=timezone.now(),
    )  # fmt: skip


def test_what_is_open_needs_somebody_until_he_says_that_he_is_at_it(client_alice: Client, vm: VirtualMachine) -> None:
    alert = crashed(vm)
    assert "web-01: crashed: its QEMU ended by itself. Start it again" in read(client_alice, "/")
    answer = client_alice.post(f"/alerts/{alert.pk}/acknowledge/", {"next": "/"})
    assert answer.status_code == 302 and answer.headers["Location"] == "/"
    page = read(client_alice, "/")
    assert "Needs you" not in page and "crashed: its QEMU" in page
    assert "acknowledged by alice" in read(client_alice, "/alerts/")
    assert AuditEvent.objects.get(action="acknowledged:alert").target == f"vm:{vm.pk}"
    client_alice.post(f"/alerts/{alert.pk}/acknowledge/")
    assert AuditEvent.objects.filter(action="acknowledged:alert").count() == 1


def test_nobody_is_led_elsewhere_by_it(client_alice: Client, vm: VirtualMachine) -> None:
    answer = client_alice.post(f"/alerts/{crashed(vm).pk}/acknowledge/", {"next": "https://evil.example.org/"})
    assert answer.headers["Location"] == "/alerts/"


def test_a_silence_says_who_and_until_when_and_is_ended(client_alice: Client, vm: VirtualMachine) -> None:
    alert = crashed(vm)
    assert "Silence this alert?" in read(client_alice, f"/alerts/{alert.pk}/silence/")
    wrong = client_alice.post(f"/alerts/{alert.pk}/silence/", {"hours": "5", "scope": "this"})
    assert wrong.status_code == 400 and not AlertSilence.objects.exists()
    wish = {"hours": "24", "scope": "thing", "reason": "It is being rebuilt"}
    assert client_alice.post(f"/alerts/{alert.pk}/silence/", wish).status_code == 302
    page = read(client_alice, "/alerts/")
    assert "silenced by alice until" in page and "It is being rebuilt" in page
    assert "Needs you" not in read(client_alice, "/")
    made = AlertSilence.objects.get()
    assert (made.kind, made.thing) == ("", f"vm:{vm.pk}")
    client_alice.post(f"/alerts/silences/{made.pk}/end/")
    assert "Needs you" in read(client_alice, "/") and not AlertSilence.objects.exists()


def test_a_host_that_is_told_of_is_not_told_of_twice(client_alice: Client, host: Host) -> None:
    make_vm(host)
    silence(host)
    assert read(client_alice, "/").count("host-a: not answering since") == 1
    alert = Alert.objects.create(
        kind="host_silent", subject=f"host:{host.pk}", name="host-a", host=host, severity="critical",
        params={"error": "host_unreachable"}, begun_at=timezone.now(),
    )  # fmt: skip
    page = read(client_alice, "/")
    assert "host-a: not answering since" not in page and "host-a: does not answer." in page
    client_alice.post(f"/alerts/{alert.pk}/acknowledge/")
    assert "Needs you" not in read(client_alice, "/")


def test_each_sees_the_alerts_of_what_he_sees(client_alice: Client, mallory: User, host: Host) -> None:
    mine, other = crashed(make_vm(host, "mine")), crashed(make_vm(host, "other"))
    pool = full(host)
    disk = Alert.objects.create(
        kind="guest_disk_full", subject="x", name="mine", vm=mine.vm, severity="warning",
        params={"place": "/secret", "used": 95, "free": 1}, begun_at=timezone.now(),
    )  # fmt: skip
    own = Alert.objects.create(
        kind="watcher_behind", subject="watcher", severity="critical", params={"hosts": 1}, begun_at=timezone.now()
    )
    browser = sign_in(mallory)
    assert "All well" in read(browser, "/alerts/")
    grant(mallory, "viewer", mine.vm)
    page = read(browser, "/alerts/")
    assert "mine: crashed" in page and "Acknowledge" not in page
    for hidden in ("other", "ssd", "/secret", "watcher"):
        assert hidden not in page
    grant(mallory, "operator", mine.vm)
    page = read(browser, "/alerts/")
    assert "/secret in the guest is 95 % full" in page and "Acknowledge" in page and "Silence" not in page
    assert "crashed: its QEMU" in read(browser, f"/vms/{mine.vm_id}/activity/")
    for alert in (other, pool, own):
        assert browser.post(f"/alerts/{alert.pk}/acknowledge/").status_code == 404
    assert browser.post(f"/alerts/{disk.pk}/acknowledge/").status_code == 302
    assert browser.get(f"/alerts/{mine.pk}/silence/").status_code == 403
    whole = read(client_alice, "/alerts/")
    assert all(word in whole for word in ("other", "ssd: is 91 % full; 9 GiB are left", "the watcher does not keep up"))


def test_a_rule_is_changed(client_alice: Client) -> None:
    assert "from 85 % on, after 1 min, warning" in read(client_alice, "/alerts/rules/")
    assert "From how many percent on" in read(client_alice, "/alerts/rules/?change=pool_full")
    wish = {"enabled": "on", "severity": "critical", "seconds": "600", "threshold": "101"}
    wrong = client_alice.post("/alerts/rules/?change=pool_full", wish)
    assert wrong.status_code == 400 and "From 1 to 99 percent" in wrong.content.decode()
    assert client_alice.post("/alerts/rules/?change=pool_full", {**wish, "threshold": "95"}).status_code == 302
    assert "from 95 % on, after 10 min, critical" in read(client_alice, "/alerts/rules/")
    assert client_alice.get("/alerts/rules/?change=nothing").status_code == 404
    client_alice.post("/alerts/rules/?change=vm_stopped", {"enabled": "off", "severity": "critical"})
    assert "not looked for" in read(client_alice, "/alerts/rules/")


def test_a_sink_is_added_tested_changed_and_removed_and_its_key_is_shown_once(client_alice: Client) -> None:
    assert "nobody is told of them elsewhere" in read(client_alice, "/alerts/sinks/")
    address = "https://hooks.example.org/T0/secret-token"
    wish = {"name": "pager", "kind": "webhook", "address": address, "least": "warning"}
    answer = client_alice.post("/alerts/sinks/", wish)
    assert "no-store" in answer.headers["Cache-Control"]
    key = answer.context["text"]
    assert key in answer.content.decode()
    sink = AlertSink.objects.get()
    pages = [read(client_alice, path) for path in ("/alerts/sinks/", f"/alerts/sinks/{sink.pk}/", "/audit/")]
    for page in pages:
        assert "secret-token" not in page and key not in page and "hooks.example.org" in page
    assert "secret-token" not in str(AlertSink.objects.values()) + str(AuditEvent.objects.values())
    assert client_alice.post(f"/alerts/sinks/{sink.pk}/test/").status_code == 302
    assert AlertDelivery.objects.get().what == "test"
    assert "on its way" in read(client_alice, f"/alerts/sinks/{sink.pk}/")
    again = client_alice.post("/alerts/sinks/", wish)
    assert again.status_code == 400 and "There is one of this name" in again.content.decode()
    change = {"name": "pager", "address": "", "least": "critical", "enabled": "off"}
    assert client_alice.post(f"/alerts/sinks/{sink.pk}/", change).status_code == 302
    assert "not used" in read(client_alice, "/alerts/sinks/")
    other = client_alice.post(f"/alerts/sinks/{sink.pk}/", {**change, "address": "https://other.example.org/"})
    assert other.status_code == 200 and other.context["text"] != key
    assert "Tell alerts to pager no more?" in read(client_alice, f"/alerts/sinks/{sink.pk}/remove/")
    assert client_alice.post(f"/alerts/sinks/{sink.pk}/remove/").status_code == 302
    assert not AlertSink.objects.exists()
