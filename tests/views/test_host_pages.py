"""Adding a host, its three steps, what is offered of it, and how one goes."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, silence
from tests.data.pem import make_pair
from tests.services.test_host_changes import SHOWN
from vms.models import Happening, Host, Lease, Operation, User, VirtualMachine
from vms.services import host_keys

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

FINGERPRINT = host_keys.fingerprint(SHOWN)


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def post(client: Client, to: str, /, **fields: Any) -> str:
    """The page to which it leads."""
    return client.post(to, fields, follow=True).content.decode()


@pytest.fixture
def ssh_host(client_alice: Client) -> Host:
    """As somebody adds it with nothing but an address."""
    assert client_alice.post("/hosts/add/", {"transport": "ssh", "address": "kvm2.example"}).status_code == 302
    return Host.objects.get(address="kvm2.example")


def end_test(host: Host, state: str = "failed", code: str = "host_key_unknown", **fields: Any) -> None:
    """What the worker makes of the latest test."""
    Operation.objects.filter(host=host, kind="host.test").update(
        state=state, error_code=code if state == "failed" else "", ended_at=timezone.now(), **fields
    )
    Operation.objects.get(host=host, kind="host.test").locks.all().delete()


def steps(page: str) -> list[str]:
    return re.findall(r'<li class="is-(todo|done|failed|working)"><h3>', page)


def test_an_address_is_enough_and_the_machine_is_asked_for_its_key(client_alice: Client, ssh_host: Host) -> None:
    assert (ssh_host.name, ssh_host.user, ssh_host.transport) == ("kvm2.example", "root", "ssh")
    assert Operation.objects.get().kind == "host.test"
    page = text(client_alice, f"/hosts/{ssh_host.pk}/")
    assert steps(page) == ["todo", "working", "todo"]
    assert ssh_host.public_key in page and "restrict,port-forwarding" in page


def test_the_key_is_compared_and_accepted(client_alice: Client, ssh_host: Host) -> None:
    end_test(ssh_host)
    Host.objects.update(offered_key=SHOWN)
    page = text(client_alice, f"/hosts/{ssh_host.pk}/")
    assert steps(page) == ["todo", "todo", "todo"]
    assert FINGERPRINT in page and "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in page
    refused = post(client_alice, f"/hosts/{ssh_host.pk}/accept-key/", fingerprint="SHA256:other")
    assert "not the fingerprint" in refused and not Host.objects.get().host_key
    page = post(client_alice, f"/hosts/{ssh_host.pk}/accept-key/", fingerprint=FINGERPRINT)
    assert steps(page) == ["todo", "done", "working"]


def test_a_key_that_differs_is_forgotten(client_alice: Client, ssh_host: Host) -> None:
    end_test(ssh_host)
    Host.objects.update(offered_key=SHOWN)
    page = post(client_alice, f"/hosts/{ssh_host.pk}/refuse-key/")
    assert FINGERPRINT not in page and "Ask for its key" in page


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("name_unknown", ["todo", "todo", "todo"]),
        ("port_closed", ["todo", "todo", "todo"]),
        ("not_libvirt", ["todo", "todo", "todo"]),
    ],
)
def test_a_machine_that_cannot_be_asked_says_why(
    client_alice: Client, ssh_host: Host, code: str, shown: list[str]
) -> None:
    end_test(ssh_host, code=code, error_params={"address": "kvm2.example", "port": 22}, details="ssh: its own words")
    page = text(client_alice, f"/hosts/{ssh_host.pk}/")
    assert steps(page) == shown
    assert "kvm2.example" in page and "ssh: its own words" in page and "Ask for its key" in page


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("host_key_unknown", ["todo", "done", "working"]),
        ("key_refused", ["failed", "done", "failed"]),
        ("no_route", ["todo", "done", "failed"]),
        ("socket_forbidden", ["done", "done", "failed"]),
        ("helper_missing", ["done", "done", "failed"]),
        ("libvirt_stopped", ["done", "done", "failed"]),
        ("same_machine", ["done", "done", "failed"]),
    ],
)
def test_the_failing_step_is_named(client_alice: Client, ssh_host: Host, code: str, shown: list[str]) -> None:
    end_test(ssh_host)
    Host.objects.update(host_key=SHOWN, error_code=code, error_params={"user": "root", "address": "kvm2.example"})
    assert steps(text(client_alice, f"/hosts/{ssh_host.pk}/")) == shown


def test_a_host_that_answers_shows_no_steps(client_alice: Client, ssh_host: Host) -> None:
    end_test(ssh_host)
    Host.objects.update(host_key=SHOWN, heard_at=timezone.now())
    page = text(client_alice, f"/hosts/{ssh_host.pk}/")
    assert steps(page) == [] and FINGERPRINT in page and "The line that lets the dashboard in" in page


def test_a_changed_key_is_loud_and_accepted_by_its_fingerprint_only(client_alice: Client, ssh_host: Host) -> None:
    old = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOld="
    Host.objects.update(
        heard_at=timezone.now(), host_key=old, offered_key=SHOWN, error_code="host_key_changed",
        error_params={"accepted": "SHA256:x", "fingerprint": FINGERPRINT},
    )  # fmt: skip
    page = text(client_alice, f"/hosts/{ssh_host.pk}/")
    assert "shows another key" in page and 'role="alert"' not in page
    assert f'value="{FINGERPRINT}"' not in page, "the new key must be typed or pasted"
    assert "not the fingerprint" in post(client_alice, f"/hosts/{ssh_host.pk}/accept-key/", fingerprint="")
    assert Host.objects.get().host_key == old
    post(client_alice, f"/hosts/{ssh_host.pk}/accept-key/", fingerprint=FINGERPRINT)
    assert Host.objects.get().host_key == SHOWN


def test_a_test_tells_its_answer(client_alice: Client, host: Host) -> None:
    post(client_alice, f"/hosts/{host.pk}/test/")
    end_test(host, "succeeded", result={"hostname": "host-a", "libvirt_version": "9.0.0"})
    assert "host-a answers with libvirt 9.0.0" in text(client_alice, f"/hosts/{host.pk}/")
    end_test(host, code="libvirt_stopped", details="<i>no</i>")
    page = text(client_alice, f"/hosts/{host.pk}/")
    assert "The test failed" in page and "Start libvirtd" in page and "&lt;i&gt;no&lt;/i&gt;" in page
    assert "Needs you" not in text(client_alice, "/")
    Operation.objects.update(ended_at=timezone.now() - timedelta(hours=1))
    assert "The test failed" not in text(client_alice, f"/hosts/{host.pk}/")


def test_a_silent_host_can_be_tested(client_alice: Client, host: Host) -> None:
    silence(host, "it broke")
    post(client_alice, f"/hosts/{host.pk}/test/")
    assert Operation.objects.get().state == "queued"


@pytest.mark.parametrize("transport", ["ssh", "tls", "tcp", "unix", "local"])
def test_what_is_missing_is_said_at_its_field_and_what_was_typed_stays(client_alice: Client, transport: str) -> None:
    page = post(client_alice, "/hosts/add/", transport=transport, name="kept name\x07", port="99999")
    assert not Host.objects.exists()
    assert "field-error" in page and f'value="{transport}" checked' in page
    assert "no control characters" in page


def test_a_field_of_another_way_was_hidden_and_is_not_meant(client_alice: Client) -> None:
    post(client_alice, "/hosts/add/", transport="unix", name="u", socket="/run/x", address="left from ssh", port="x")
    assert Host.objects.get().address == ""


def test_clear_text_is_agreed_to_and_marked_for_ever(client_alice: Client, host: Host) -> None:
    given = {"transport": "tcp", "address": "192.0.2.7", "name": "lab"}
    assert "This is needed" in post(client_alice, "/hosts/add/", **given)
    post(client_alice, "/hosts/add/", **given, unencrypted="on")
    added = Host.objects.get(name="lab")
    for _ in range(2):
        assert "is root on this machine" in text(client_alice, f"/hosts/{added.pk}/")
        assert "not encrypted" in text(client_alice, "/hosts/") and "not encrypted" in text(client_alice, "/")
        client_alice.post(f"/hosts/{added.pk}/edit/", {**given, "name": "lab2", "unencrypted": "on"})


def test_certificates_come_as_text_or_as_files(client_alice: Client) -> None:
    pair = make_pair()
    given = {"transport": "tls", "address": "t.example", "name": "t", "ca_certificate": pair.certificate}
    files = {name: SimpleUploadedFile(name, value.encode()) for name, value in
             (("certificate", pair.certificate), ("private_key", pair.key))}  # fmt: skip
    client_alice.post("/hosts/add/", {**given, **files})
    assert Host.objects.get().sealed
    page = text(client_alice, f"/hosts/{Host.objects.get().pk}/edit/")
    assert pair.certificate.splitlines()[1] in page and "PRIVATE KEY-----\n" not in page
    bad = {**given, "name": "b", "certificate": SimpleUploadedFile("x", b"\xff\x00")}
    assert "no certificate in PEM form" in post(client_alice, "/hosts/add/", **bad)


def test_a_certificate_past_its_day_is_said(client_alice: Client, host: Host) -> None:
    Host.objects.update(transport="tls", certificate=make_pair(days=-1).certificate, address="a")
    assert "expired on" in text(client_alice, f"/hosts/{host.pk}/")


def test_a_key_that_was_pasted_somewhere_comes_back_nowhere(client_alice: Client) -> None:
    key = make_pair().key
    secret = key.splitlines()[1]
    for field in ("name", "address", "user", "socket", "ca_certificate", "certificate", "private_key", "port"):
        for transport in ("ssh", "tls", "unix"):
            assert secret not in post(client_alice, "/hosts/add/", **{"transport": transport, field: key}), field
    assert not Host.objects.exists()


def test_editing_keeps_the_sealed_key(client_alice: Client) -> None:
    pair = make_pair()
    given = {"transport": "tls", "address": "t.example", "name": "t", "ca_certificate": pair.certificate,
             "certificate": pair.certificate}  # fmt: skip
    client_alice.post("/hosts/add/", {**given, "private_key": pair.key})
    before = Host.objects.get()
    client_alice.post(f"/hosts/{before.pk}/edit/", {**given, "name": "renamed", "private_key": ""})
    after = Host.objects.get()
    assert (after.name, after.sealed) == ("renamed", before.sealed)


def test_a_host_left_alone_is_grey_and_no_alarm(client_alice: Client, host: Host, vm: VirtualMachine) -> None:
    make_vm(Host.objects.create(name="host-b", heard_at=timezone.now()), "other")
    silence(host, "it broke")
    assert "not answering since" in text(client_alice, "/")
    post(client_alice, f"/hosts/{host.pk}/leave-alone/")
    overview = text(client_alice, "/")
    assert "Needs you" not in overview and "left alone" in overview
    row = text(client_alice, f"/vms/rows?ids={vm.pk}")
    assert 'data-state="silent"' in row and "was running" in row and "left alone" in row
    page = text(client_alice, f"/vms/{vm.pk}/")
    assert "host-a is left alone" in page and "last heard" not in page
    host_page = text(client_alice, f"/hosts/{host.pk}/")
    assert "Take it up again" in host_page and "Get it ready" not in host_page and "it broke" not in host_page
    refused = client_alice.post(f"/vms/{vm.pk}/pause/", follow=True).content.decode()
    assert "host-a is left alone" in refused and not Operation.objects.exists()
    post(client_alice, f"/hosts/{host.pk}/take-up/")
    assert "not answering since" in text(client_alice, "/")


def test_get_it_ready_is_for_hosts_that_answer(client_alice: Client, host: Host) -> None:
    Host.objects.update(facts={"missing": ["network_started"]})
    assert "Get it ready" in text(client_alice, f"/hosts/{host.pk}/")
    silence(host)
    assert "Get it ready" not in text(client_alice, f"/hosts/{host.pk}/")


def test_removing_is_asked_before_and_says_what_happens(client_alice: Client, host: Host) -> None:
    Lease.objects.create(host=host, watcher="w", until=timezone.now())
    vms = [make_vm(host, f"vm-{number}", state="running" if number < 4 else "shut_off") for number in range(6)]
    question = text(client_alice, f"/hosts/{host.pk}/remove/")
    assert "4 VMs run on." in question and Host.objects.get().removed_at is None
    page = post(client_alice, f"/hosts/{host.pk}/remove/")
    assert "host-a is no longer in the dashboard. Its VMs run on." in page
    for gone in (f"/hosts/{host.pk}/", f"/vms/{vms[0].pk}/"):
        assert client_alice.get(gone).status_code == 404
    for address in ("/vms/", "/hosts/", "/"):
        assert "vm-0" not in text(client_alice, address)


def test_a_removed_host_leads_nowhere_from_its_history(client_alice: Client, host: Host, alice: User) -> None:
    vm = make_vm(host)
    Operation.objects.create(
        kind="vm.start", actor_name="alice", target_kind="vm", target_id=vm.pk, target_name="web-01", vm=vm, host=host,
        node="n", queue="quick", state="failed", error_code="timed_out", ended_at=timezone.now(),
    )  # fmt: skip
    post(client_alice, f"/hosts/{host.pk}/remove/")
    operation = Operation.objects.get()
    for address in ("/activity/", f"/operations/{operation.pk}/", "/"):
        page = text(client_alice, address)
        assert f"/vms/{vm.pk}/" not in page and f"/hosts/{host.pk}/" not in page, address


@pytest.mark.parametrize("driver", ["lxc", "test"])
def test_what_a_driver_cannot_do_is_not_offered(client_alice: Client, host: Host, driver: str) -> None:
    Host.objects.update(driver=driver)
    vm = make_vm(host, graphics=[])
    page = text(client_alice, f"/vms/{vm.pk}/")
    assert f"/vms/{vm.pk}/reset/" not in page and f"/vms/{vm.pk}/pause/" in page
    assert f"/vms/{vm.pk}/console/" not in page
    assert "not offered" in text(client_alice, f"/hosts/{host.pk}/").replace("none of it is offered", "not offered")
    assert 'data-lacks="' in text(client_alice, f"/vms/rows?ids={vm.pk}")


def test_a_new_key_is_asked_before(client_alice: Client, ssh_host: Host) -> None:
    assert "silent until" in text(client_alice, f"/hosts/{ssh_host.pk}/new-key/")
    assert Host.objects.get().public_key == ssh_host.public_key
    assert ssh_host.public_key not in post(client_alice, f"/hosts/{ssh_host.pk}/new-key/")


def test_without_a_host_the_first_step_is_to_add_one(client_alice: Client, client_mallory: Client) -> None:
    for address in ("/", "/hosts/"):
        assert 'href="/hosts/add/"' in text(client_alice, address)
        assert 'href="/hosts/add/"' not in text(client_mallory, address)


def test_a_host_that_came_back_is_found_under_the_number_of_its_new_row(client_alice: Client, host: Host) -> None:
    Happening.objects.create(host=host, code="host_returned", params={"was": 4711})
    assert client_alice.get("/hosts/4711/")["Location"] == f"/hosts/{host.pk}/"
    assert client_alice.get("/hosts/4712/").status_code == 404
    Host.objects.update(removed_at=timezone.now())
    assert client_alice.get("/hosts/4711/").status_code == 404


def test_its_activity_is_that_of_the_host_and_of_what_runs_there(
    client_alice: Client, host: Host, vm: VirtualMachine, alice: User
) -> None:
    elsewhere = Host.objects.create(name="host-b", address="host-b")
    for where, of, code in (
        (host, vm, "rebooted"),
        (host, None, "host_heard"),
        (elsewhere, None, "host_heard"),
    ):
        Happening.objects.create(host=where, vm=of, code=code)
    Operation.objects.create(
        kind="vm.pause", actor_user=alice, actor_name="alice", target_kind="vm", target_id=vm.pk, target_name=vm.name,
        vm=vm, host=host, node="node-a", queue="quick", state="succeeded",
    )  # fmt: skip
    page = text(client_alice, f"/hosts/{host.pk}/activity/")
    assert page.count("<li") - text(client_alice, f"/hosts/{host.pk}/activity/?only=consoles").count("<li") == 3
    assert ">Pause</a>" in page and "host-b" not in page
    assert ">Pause</a>" not in text(client_alice, f"/hosts/{host.pk}/activity/?only=events")
    assert f'href="/hosts/{host.pk}/activity/"' in text(client_alice, f"/hosts/{host.pk}/")
