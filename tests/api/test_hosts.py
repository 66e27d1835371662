"""Hosts as JSON."""

from __future__ import annotations

import pytest

from tests.api.conftest import Program, problem
from tests.conftest import make_vm
from tests.data.pem import make_pair
from tests.services.test_host_changes import SHOWN
from vms.models import Host, Operation, VirtualMachine
from vms.services import host_keys

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_it_lists_hosts(program: Program, host: Host) -> None:
    body = program.get("/hosts").json()
    assert body["count"] == 1 and body["fresh_at"] == body["items"][0]["heard_at"]
    assert {"id": host.pk, "name": "host-a", "answering": True, "error": None}.items() <= body["items"][0].items()
    assert program.get(f"/hosts/{host.pk}").json() == body["items"][0]


def test_a_silent_host_says_why(program: Program, host: Host) -> None:
    Host.objects.update(error_code="host_unreachable", error_details="Connection refused")
    item = program.get(f"/hosts/{host.pk}").json()
    assert item["answering"] is False
    assert (item["error"]["code"], item["error"]["details"]) == ("host_unreachable", "Connection refused")


def test_it_gets_a_host_ready(program: Program, host: Host) -> None:
    response = program.post(f"/hosts/{host.pk}/get-ready")
    assert response.status_code == 202
    assert Operation.objects.get().kind == "host.get-ready"
    problem(program.post(f"/hosts/{host.pk}/get-ready"), 409, "locked")


def test_a_host_that_one_may_not_see_is_not_there(stranger: Program, host: Host) -> None:
    assert stranger.get("/hosts").json()["items"] == []
    problem(stranger.get(f"/hosts/{host.pk}"), 404, "not_there")
    problem(stranger.post(f"/hosts/{host.pk}/get-ready"), 404, "not_there")


def test_it_adds_a_host_over_ssh(program: Program) -> None:
    answer = program.post("/hosts", {"name": "b", "transport": "ssh", "host": "B.Example", "port": 2222, "user": "ops"})
    assert answer.status_code == 201
    item = answer.json()
    assert answer["Location"] == f"/api/v1/hosts/{item['id']}"
    expected = {"name": "b", "transport": "ssh", "host": "b.example", "port": 2222, "user": "ops", "socket": "",
                "driver": "qemu", "left_alone": False, "offered_key": "", "host_key": "", "encrypted": True,
                "private_key_set": True}  # fmt: skip
    assert expected.items() <= item.items()
    assert item["public_key"].startswith("ssh-ed25519 ")
    assert program.get(f"/hosts/{item['id']}").json() == item


def test_it_adds_a_host_over_tls_and_never_gives_the_key_back(program: Program) -> None:
    pair = make_pair()
    wish = {"name": "t", "transport": "tls", "host": "t.example", "ca_certificate": pair.certificate,
            "certificate": pair.certificate, "private_key": pair.key}  # fmt: skip
    item = program.post("/hosts", wish).json()
    assert item["private_key_set"] is True and item["certificate"] == pair.certificate
    assert "private_key" not in item and "sealed" not in item


def test_fields_that_do_not_fit_are_named(program: Program) -> None:
    wish = {"name": "b", "transport": "ssh", "host": "-oProxyCommand=x", "user": "a b", "port": 70000}
    body = problem(program.post("/hosts", wish), 422, "bad_fields")
    assert [(error["where"], error["code"]) for error in body["errors"]] == [
        (["body", "host"], "address"),
        (["body", "port"], "port"),
        (["body", "user"], "user"),
    ]
    assert "ProxyCommand" not in str(body)
    problem(program.post("/hosts", {**wish, "uri": "qemu:///system"}), 422, "invalid")
    problem(program.post("/hosts", {"transport": "ssh", "host": "b"}), 422, "invalid")
    assert not Host.objects.exists()


def test_clear_text_must_be_agreed_to(program: Program) -> None:
    wish = {"name": "lab", "transport": "tcp", "host": "192.0.2.7"}
    body = problem(program.post("/hosts", wish), 422, "bad_fields")
    assert body["errors"][0]["where"] == ["body", "unencrypted"]
    assert program.post("/hosts", {**wish, "unencrypted": True}).json()["encrypted"] is False


def test_a_change_changes_what_it_names(program: Program, host: Host) -> None:
    Host.objects.update(transport="ssh", address="a.example", user="root", host_key=SHOWN, sealed="1:x")
    path = f"/hosts/{host.pk}"
    assert program.send("PATCH", path, {"name": "c"}).json()["name"] == "c"
    assert program.send("PATCH", path, {"port": 2222}).json()["port"] == 2222
    item = program.send("PATCH", path, {"port": None, "left_alone": True}).json()
    assert (item["port"], item["left_alone"], item["name"], item["host"]) == (None, True, "c", "a.example")
    assert program.send("PATCH", path, {"left_alone": False}).json()["left_alone"] is False
    problem(program.send("PATCH", path, {"driver": "lxc"}), 422, "invalid")
    problem(program.send("PATCH", path, {"port": 0, "left_alone": True}), 422, "bad_fields")
    assert Host.objects.get().left_alone is False


def test_the_machines_key_is_accepted_by_its_fingerprint(program: Program, host: Host) -> None:
    Host.objects.update(transport="ssh", address="a.example", offered_key=SHOWN)
    offered = program.get(f"/hosts/{host.pk}").json()["offered_key"]
    assert offered == host_keys.fingerprint(SHOWN)
    problem(program.post(f"/hosts/{host.pk}/accept-key", {"fingerprint": "SHA256:x"}), 409, "key_not_offered")
    problem(program.post(f"/hosts/{host.pk}/accept-key", {}), 422, "invalid")
    item = program.post(f"/hosts/{host.pk}/accept-key", {"fingerprint": offered}).json()
    assert (item["host_key"], item["offered_key"]) == (offered, "")


def test_another_machine_is_accepted_by_its_uuid(program: Program, host: Host) -> None:
    found = "6d1f6a53-5f0c-4c39-9b0e-5f5b6f4c2f11"
    Host.objects.update(error_code="wrong_host", error_params={"expected": str(host.libvirt_uuid), "found": found})
    answer = program.post(f"/hosts/{host.pk}/accept-machine", {"uuid": found})
    assert answer.status_code == 200
    assert str(Host.objects.get().libvirt_uuid) == found


def test_it_tests_a_host(program: Program, host: Host) -> None:
    Host.objects.update(left_alone=True)
    answer = program.post(f"/hosts/{host.pk}/test")
    assert answer.status_code == 202 and Operation.objects.get().kind == "host.test"


def test_it_removes_a_host(program: Program, host: Host) -> None:
    make_vm(host)
    answer = program.send("DELETE", f"/hosts/{host.pk}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert program.get("/hosts").json()["items"] == [] == program.get("/vms").json()["items"]
    assert VirtualMachine.objects.count() == 1
    problem(program.send("DELETE", f"/hosts/{host.pk}"), 404, "not_there")


def test_a_host_that_is_worked_on_names_the_work(program: Program, host: Host) -> None:
    vm = make_vm(host)
    operation = program.post(f"/vms/{vm.pk}/pause").json()["operation"]["id"]
    body = problem(program.send("DELETE", f"/hosts/{host.pk}"), 409, "locked")
    assert body["blocking_operation"]["id"] == operation


def test_a_stranger_changes_nothing(stranger: Program, host: Host) -> None:
    wish = {"name": "b", "transport": "ssh", "host": "b.example"}
    problem(stranger.post("/hosts", wish), 403, "not_allowed")
    for method, rest, body in (("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/test", None),
                               ("POST", "/accept-key", {"fingerprint": "x"})):  # fmt: skip
        problem(stranger.send(method, f"/hosts/{host.pk}{rest}", body), 404, "not_there")
    assert list(Host.objects.values_list("name", "removed_at")) == [("host-a", None)]
