"""The hardware of a VM by the API."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from tests.api.conftest import API
from tests.conftest import make_vm, sign_in
from tests.data.shapes import MACHINE
from tests.grants import grant
from vms.models import Document, Host, Operation, StoragePool, User, VirtualMachine, Volume

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def runs(host: Host) -> VirtualMachine:
    made = make_vm(host, "web-01", "running", persistent=True)
    live = MACHINE.replace("<rng ", "<rng id='x' ").replace("</rng>", "<alias name='rng7'/></rng>")
    Document.objects.update(next_boot=MACHINE, live=live)
    return made


def ask(client: Client, vm: VirtualMachine, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return client.generic(
        method, f"{API}/vms/{vm.pk}{path}", "" if body is None else json.dumps(body),
        content_type="application/json", headers=headers,
    )  # fmt: skip


def codes(answer: Any) -> list[str]:
    return [error["code"] for error in answer.json()["errors"]]


def test_a_patch_asks_for_one_operation(client_alice: Client, runs: VirtualMachine) -> None:
    body = {"title": "Shop", "memory_mib": 128, "cpus": 4, "autostart": True}
    answer = ask(client_alice, runs, "PATCH", "", body)
    assert answer.status_code == 202, answer.content
    params = Operation.objects.get().params
    values = {edit.get("lens", edit["do"]): edit["value"] for edit in params["edits"]}
    assert values == {
        "title": "Shop", "memory": 131072, "memory_max": 131072, "cpus": 4, "cpus_max": 4, "autostart": True,
    }  # fmt: skip
    assert params["needs"] == ["vm.cpu_memory", "vm.describe", "vm.force"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("", {"title": "a\nb"}, 422, "shape_text"), ("", {"cpus": 0}, 422, "shape_number"),
        ("", {"cpus": 3, "cpus_max": 2}, 422, "shape_over"), ("", {"topology": "9x9x9"}, 422, "shape_product"),
        ("", {"boot_order": "vdz"}, 422, "shape_device"), ("", {"on_crash": "coredump-destroy"}, 422, "shape_choice"),
        ("", {"os": "no such"}, 422, "shape_system"),
        ("", {"memory_mib": -1}, 422, "shape_number"), ("", {"memory_mib": 1 << 60}, 422, "shape_number"),
        ("/devices/vda", {"values": {"cache": "best"}}, 422, "shape_choice"),
        ("/devices/vda", {"values": {"source": "/etc/passwd"}}, 422, "unknown"),
        ("/devices/sda", {"values": {"medium": "/etc/passwd"}}, 422, "choice"),
        ("/devices/sda", {"values": {"medium": 99}}, 422, "choice"),
        ("/devices/net0", {"values": {"network": 99}}, 422, "choice"),
    ],
)  # fmt: skip
def test_what_does_not_fit_names_its_field(
    client_alice: Client, runs: VirtualMachine, path: str, body: Any, status: int, code: str
) -> None:
    answer = ask(client_alice, runs, "PATCH", path, body)
    assert (answer.status_code, codes(answer)) == (status, [code]), answer.content
    assert not Operation.objects.exists()


def test_what_only_a_restart_brings_is_no_change_of_a_run(client_alice: Client, runs: VirtualMachine) -> None:
    answer = ask(client_alice, runs, "PATCH", "/devices/vda?apply=live", {"values": {"cache": "none"}})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_live")
    assert ask(client_alice, runs, "PATCH", "?apply=live", {"title": "now"}).status_code == 202


def test_a_repeated_request_is_the_same_one(client_alice: Client, runs: VirtualMachine) -> None:
    first = ask(client_alice, runs, "POST", "/devices", {"sort": "serial"}, **{"Idempotency-Key": "k"})
    again = ask(client_alice, runs, "POST", "/devices", {"sort": "serial"}, **{"Idempotency-Key": "k"})
    assert first.json()["operation"]["id"] == again.json()["operation"]["id"]
    other = ask(client_alice, runs, "POST", "/devices", {"sort": "sound"}, **{"Idempotency-Key": "k"})
    assert other.status_code == 422


def test_devices_are_told_and_found_by_key_and_alias(client_alice: Client, runs: VirtualMachine) -> None:
    listed = ask(client_alice, runs, "GET", "/devices").json()
    keys = {item["key"]: item for item in listed["items"]}
    assert keys["vda"]["about"]["source"] == "POOL/first" and keys["vda"]["now"] == {}
    assert listed["detached"] == []
    assert "serial" in listed["addable"] and "sound" not in listed["addable"]
    assert ask(client_alice, runs, "GET", "/devices/rng7").json()["key"] == "rng0"
    assert ask(client_alice, runs, "GET", "/devices/rng9").status_code == 404
    assert ask(client_alice, runs, "DELETE", "/devices/balloon0").status_code == 422
    stale = ask(client_alice, runs, "DELETE", "/devices/rng0?seen=" + "0" * 32)
    assert (stale.status_code, stale.json()["code"]) == (409, "seen_otherwise")
    assert ask(client_alice, runs, "DELETE", f"/devices/rng0?seen={listed['mark']}").status_code == 202


def test_a_protected_vm_refuses_what_takes_it_away(client_alice: Client, runs: VirtualMachine) -> None:
    assert ask(client_alice, runs, "PUT", "/protection", {"protected": True}).status_code == 204
    for path, body in (
        ("/force-off", {}),
        ("/delete", {"trash": True}),
        ("/delete", {"trash": False, "confirm": "web-01"}),
    ):
        answer = ask(client_alice, runs, "POST", path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "vm_protected"), path
    assert ask(client_alice, runs, "POST", "/pause", {}).status_code == 202
    assert ask(client_alice, runs, "PUT", "/protection", {"protected": False}).status_code == 204
    assert ask(client_alice, runs, "POST", "/delete", {"trash": False, "confirm": "web-01"}).status_code in (202, 409)


def test_a_disk_is_moved_by_its_key(client_alice: Client, runs: VirtualMachine) -> None:
    answer = ask(client_alice, runs, "POST", "/devices/vda/move", {"pool": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "move_refused"), answer.content
    assert "no storage pool" in answer.json()["detail"]
    assert ask(client_alice, runs, "POST", "/devices/vdz/move", {"pool": 1}).status_code == 404


def test_what_a_patch_would_change_is_told_before(client_alice: Client, runs: VirtualMachine) -> None:
    told = ask(client_alice, runs, "POST", "/preview", {"title": "Shop", "cpus": 4}).json()
    assert [(one["part"], one["what"], one["when"]) for one in told["changes"]] == [
        ("overview", "title", "both"), ("cpu", "cpus_max", "restart"), ("cpu", "cpus", "restart"),
    ]  # fmt: skip
    assert "Title: nothing → Shop, now and after a restart" in [one["text"] for one in told["changes"]]
    assert "+  <title>Shop</title>" in told["diff"]
    assert (told["privileges"], told["missing"]) == (["vm.cpu_memory", "vm.describe"], [])
    told = ask(client_alice, runs, "POST", "/devices/vda/preview?apply=next", {"values": {"cache": "none"}}).json()
    assert [one["when"] for one in told["changes"]] == ["restart"] and told["privileges"] == ["vm.disk"]
    told = ask(client_alice, runs, "POST", "/devices/preview", {"sort": "serial"}).json()
    assert told["changes"][0]["what"] == "added" and "+    <serial" in told["diff"]
    told = ask(client_alice, runs, "POST", "/devices/graphics0/preview", {"values": {"password": "s3cret"}})
    assert told.json()["privileges"] == ["vm.device"] and b"s3cret" not in told.content
    assert ask(client_alice, runs, "POST", "/preview", {}).json()["changes"] == []
    assert ask(client_alice, runs, "POST", "/preview", {"cpus": 0}).status_code == 422
    live = ask(client_alice, runs, "POST", "/devices/vda/preview?apply=live", {"values": {"cache": "none"}})
    assert (live.status_code, live.json()["code"]) == (409, "not_live")
    assert not Operation.objects.exists()


def test_a_preview_says_which_right_is_missing(runs: VirtualMachine, mallory: User) -> None:
    grant(mallory, "editor", runs)
    told = ask(sign_in(mallory), runs, "POST", "/preview", {"cpu_shares": 512}).json()
    assert told["missing"] == ["vm.tune"]


def test_an_operating_system_is_told_and_changed_by_its_id(client_alice: Client, runs: VirtualMachine) -> None:
    assert client_alice.get(f"{API}/vms/{runs.pk}").json()["os"] == ""
    assert ask(client_alice, runs, "PATCH", "", {"os": "debian13"}).status_code == 202
    [edit] = Operation.objects.get().params["edits"]
    assert (edit["lens"], edit["was"], edit["value"]) == ("os", "", "http://debian.org/debian/13")
    holder = "<o:libosinfo xmlns:o='http://libosinfo.org/xmlns/libvirt/domain/1.0'><o:os id='{}'/></o:libosinfo>"
    for address, told in (("http://debian.org/debian/13", "debian13"), ("urn:mine", "urn:mine")):
        kept = f"<metadata>{holder.format(address)}</metadata>"
        Document.objects.update(next_boot=MACHINE.replace("<vcpu>", f"{kept}<vcpu>"))
        assert client_alice.get(f"{API}/vms/{runs.pk}").json()["os"] == told


def test_a_disk_that_it_had_is_told_and_attached_again(client_alice: Client, runs: VirtualMachine) -> None:
    pool = StoragePool.objects.create(
        host=Host.objects.get(), uuid=uuid.uuid4(), name="default", type="dir", path="/pool", active=True
    )
    left = Volume.objects.create(storage=pool.storage, name="data.qcow2", format="qcow2", last_vm=runs)
    told = ask(client_alice, runs, "GET", "/devices").json()["detached"]
    assert told == [{"volume": left.pk, "name": "data.qcow2", "bus": "virtio", "ready": True}]
    answer = ask(client_alice, runs, "POST", "/devices", {"sort": "disk", "volume": left.pk, "bus": "virtio"})
    assert answer.status_code == 202, answer.content


def test_3d_needs_a_host_that_draws(client_alice: Client, runs: VirtualMachine) -> None:
    Document.objects.update(next_boot=MACHINE.replace("<video><model type='vga'/>", "<video><model type='virtio'/>"))
    body = {"values": {"three_d": True}}
    refused = ask(client_alice, runs, "PATCH", "/devices/video0", body)
    assert (refused.status_code, codes(refused)) == (422, ["shape_no_3d"])
    Host.objects.update(hardware={"three_d": True})
    assert ask(client_alice, runs, "PATCH", "/devices/video0", body).status_code == 202
    assert Operation.objects.get().params["needs"] == ["vm.define"]
