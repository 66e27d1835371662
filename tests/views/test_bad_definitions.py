"""What nobody should send of a VM's definition, through its pages and through the API: told, and nothing is done."""

from __future__ import annotations

import html
import json
import re
import uuid
from typing import Any, Final

import pytest
from django.test import Client

from tests.api.conftest import API
from tests.conftest import make_vm
from tests.data.shapes import MACHINE
from tests.routes import DEFINED
from vms.libvirtxml import DomainXML
from vms.models import Document, Host, Operation, OperationLock, Placement, StoragePool, VirtualMachine, Volume
from vms.services.history import digest

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

FOREIGN: Final = "11111111-2222-3333-4444-555555555555"
# (what stands there, what is sent for it, the code that is told). {uuid} is the VM's own.
BAD: Final = {
    "a doctype": ("<domain", "<!DOCTYPE domain><domain", "xml"),
    "an entity": ("<domain", "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain", "xml"),
    "an entity of a file": ("<domain", "<!DOCTYPE domain [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><domain", "xml"),
    "entities of entities": (
        "<domain",
        "<!DOCTYPE domain [<!ENTITY a 'aaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]><domain",
        "xml",
    ),
    "a second os": ("<os>", "<os><type>hvm</type></os><os>", "twice"),
    "a foreign UUID": ("<uuid>{uuid}", f"<uuid>{FOREIGN}", "uuid"),
    "no UUID": ("<uuid>{uuid}</uuid>", "", "uuid"),
    "a mebibyte": ("<memory", f"<description>{'x' * (1 << 20)}</description><memory", "xml"),
    "more processors than there are": ("<os>", "<vcpu current='3'>2</vcpu><os>", "vcpus"),
}


@pytest.fixture
def text(host: Host) -> str:
    """The definition of a VM that is off."""
    placement = Placement.objects.get(vm=make_vm(host, "web-01", "shut_off", persistent=True))
    found = DEFINED.format(name="web-01", uuid=placement.uuid)
    Document.objects.update(next_boot=found)
    return found


def changed(text: str, was: str, now: str) -> str:
    was = was.format(uuid=DomainXML.parse(text).uuid)
    assert was in text
    return text.replace(was, now, 1)


def page(client: Client, verb: str, text: str, new: str) -> tuple[int, str]:
    vm = VirtualMachine.objects.get()
    answer = client.post(f"/vms/{vm.pk}/xml/{verb}", {"xml": new, "base": digest(text), "save": "1"})
    return answer.status_code, html.unescape(answer.content.decode())


@pytest.mark.parametrize("which", BAD)
def test_a_bad_text_is_refused_on_the_page(client_alice: Client, text: str, which: str) -> None:
    was, now, _ = BAD[which]
    for verb in ("edit/", "preview"):
        status, told = page(client_alice, verb, text, changed(text, was, now))
        assert status in (200, 400) and 'class="faults"' in told and "root:x" not in told, words(told)
        assert "Write it" not in told
    assert not Operation.objects.exists()


@pytest.mark.parametrize("which", BAD)
def test_a_bad_text_is_refused_by_the_api(client_alice: Client, text: str, which: str) -> None:
    was, now, code = BAD[which]
    new, vm = changed(text, was, now), VirtualMachine.objects.get()
    tag = client_alice.get(f"{API}/vms/{vm.pk}/xml?document=next")["ETag"]
    put = client_alice.put(f"{API}/vms/{vm.pk}/xml", new, content_type="application/xml", headers={"If-Match": tag})
    previewed = client_alice.post(f"{API}/vms/{vm.pk}/xml/preview", {"xml": new}, content_type="application/json")
    assert (put.status_code, put.json()["code"]) == (422, "bad_definition"), put.json()
    assert code in [fault["code"] for fault in put.json()["errors"]], put.json()
    assert previewed.status_code in (200, 422) and code in previewed.content.decode()
    assert not Operation.objects.exists()


def test_a_comment_inside_a_value_is_the_same_value(client_alice: Client, text: str) -> None:
    new, vm = text.replace(">64<", ">6<!-- x -->4<"), VirtualMachine.objects.get()
    _, told = page(client_alice, "preview", text, new)
    assert "Nothing changes" in told, words(told)
    previewed = client_alice.post(f"{API}/vms/{vm.pk}/xml/preview", {"xml": new}, content_type="application/json")
    assert previewed.status_code == 200 and previewed.json()["privileges"] == []
    other = text.replace(">64<", ">6<!-- x -->5<")
    previewed = client_alice.post(f"{API}/vms/{vm.pk}/xml/preview", {"xml": other}, content_type="application/json")
    assert previewed.json()["privileges"] == ["vm.cpu_memory"]


@pytest.fixture
def machine(host: Host) -> VirtualMachine:
    made = make_vm(host, "web-01", "shut_off", persistent=True)
    Document.objects.update(next_boot=MACHINE)
    return made


@pytest.fixture
def pool(host: Host) -> StoragePool:
    return StoragePool.objects.create(host=host, uuid=uuid.UUID(int=7), name="p", type="dir", path="/p", active=True)


def words(told: str) -> str:
    """What stands in the middle of the page."""
    return " ".join(re.sub(r"<[^>]+>", " ", told.partition("<main")[2] or told).split())[:1500]


def form(client: Client, vm: VirtualMachine, query: str, **fields: object) -> tuple[int, str]:
    answer = client.post(f"/vms/{vm.pk}/hardware/?{query}", fields)
    return answer.status_code, html.unescape(answer.content.decode())


def api(client: Client, vm: VirtualMachine, method: str, path: str, body: Any) -> tuple[int, list[str]]:
    answer = client.generic(method, f"{API}/vms/{vm.pk}{path}", json.dumps(body), content_type="application/json")
    told = answer.json()
    return answer.status_code, [error["code"] for error in told.get("errors", [])] or [told.get("code", "")]


def test_a_disk_in_use_is_given_to_nobody_else(
    client_alice: Client, machine: VirtualMachine, host: Host, pool: StoragePool
) -> None:
    used = Volume.objects.create(storage=pool.storage, name="used", format="qcow2", origin="created", state="ready")
    used.vms.add(make_vm(host, "other", "running"))
    status, told = form(client_alice, machine, "part=add&sort=disk", volume=used.pk, bus="virtio")
    assert status == 400 and "not one of the available choices" in told
    assert api(client_alice, machine, "POST", "/devices", {"sort": "disk", "volume": used.pk}) == (
        422,
        ["vm_disk_used"],
    )
    assert not Operation.objects.exists()


def test_no_more_processors_than_the_most(client_alice: Client, machine: VirtualMachine) -> None:
    status, told = form(client_alice, machine, "part=cpu", cpus="5", cpus_max="4")
    assert status == 400 and "More than it has at most" in told
    assert api(client_alice, machine, "PATCH", "", {"cpus": 5, "cpus_max": 4}) == (422, ["shape_over"])
    # More than any machine has.
    status, told = form(client_alice, machine, "part=cpu", cpus="9999", cpus_max="9999")
    assert status == 400
    assert api(client_alice, machine, "PATCH", "", {"cpus": 9999}) == (422, ["shape_number"])
    assert not Operation.objects.exists()


def test_a_disk_grows_and_never_shrinks(client_alice: Client, host: Host, pool: StoragePool) -> None:
    disk = Volume.objects.create(
        storage=pool.storage, name="disk", format="qcow2", origin="created", state="ready", capacity_bytes=4 << 30
    )
    answer = client_alice.post(f"/volumes/{disk.pk}/grow/", {"size": "2"})
    assert "A volume only grows" in html.unescape(answer.content.decode()), words(answer.content.decode())
    answer = client_alice.post(
        f"{API}/volumes/{disk.pk}/grow", {"size_bytes": 2 << 30}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "volume_smaller")
    assert not Operation.objects.exists()


def test_two_at_the_same_moment_are_both_in_or_the_second_is_told(
    client_alice: Client, machine: VirtualMachine
) -> None:
    """The forms of both were of the same definition."""
    seen = client_alice.get(f"/vms/{machine.pk}/hardware/?part=vda").content.decode()
    mark = seen.partition('name="seen" value="')[2].partition('"')[0]
    assert form(client_alice, machine, "part=vda", seen=mark, cache="none")[0] == 302
    # The first is being done: nobody else can begin.
    status, told = form(client_alice, machine, "part=net0", seen=mark, link="down")
    assert status in (400, 409) and "web-01" in told
    assert api(client_alice, machine, "PATCH", "", {"title": "mine"}) == (409, ["locked"])
    # It is done: whoever looked before is told on the page, and what he wished for another part goes in by the API.
    Operation.objects.update(state="succeeded")
    OperationLock.objects.all().delete()
    Document.objects.update(next_boot=MACHINE.replace("type='raw'/>", "type='raw' cache='none'/>", 1))
    status, told = form(client_alice, machine, "part=net0", seen=mark, link="down")
    assert status == 400 and "Somebody else has changed web-01" in told
    assert api(client_alice, machine, "PATCH", "/devices/net0", {"values": {"link": "down"}})[0] == 202
