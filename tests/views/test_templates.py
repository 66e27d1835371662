"""The pages of templates, and the form that makes VMs of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from tests.conftest import make_vm, sign_in
from tests.grants import grant
from tests.routes import make_template
from tests.services.test_create import HARDWARE, ground
from vms.models import Document, Host, Operation, Placement, StoragePool, Template, User, VirtualMachine, Volume

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
DISK = (
    "<domain type='qemu'><name>web-01</name><memory unit='MiB'>512</memory><vcpu>1</vcpu><devices><disk type='volume'>"
    "<driver name='qemu' type='qcow2'/><source pool='default' volume='golden.qcow2'/><target dev='vda' bus='{bus}'/>"
    "</disk></devices></domain>"
)


@pytest.fixture
def pool(host: Host) -> StoragePool:
    Host.objects.update(hardware=HARDWARE)
    return ground(host)


@pytest.fixture
def vm(host: Host, pool: StoragePool) -> VirtualMachine:
    made = make_vm(host, "golden", state="shut_off")
    disk = Volume.objects.create(
        storage=pool.storage, name="golden.qcow2", path="/pool/golden.qcow2", format="qcow2", capacity_bytes=1 << 30
    )
    disk.vms.add(made)
    Document.objects.filter(placement__vm=made).update(next_boot=DISK.format(bus="virtio"))
    return made


def words(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def test_a_vm_that_is_off_is_asked_for(client_alice: Client, vm: VirtualMachine) -> None:
    assert b"/template/" in client_alice.get(f"/vms/{vm.pk}/").content
    text = words(client_alice.get(f"/vms/{vm.pk}/template/"))
    for part in ("Make golden a template?", "golden.qcow2", "It never starts again", "accounts, keys and tokens"):
        assert part in text, part
    Document.objects.filter(placement__vm=vm).update(kept={"snapshots": ["monday"]})
    page = client_alice.get(f"/vms/{vm.pk}/template/")
    assert "it has snapshots" in words(page) and b"disabled" in page.content
    assert client_alice.post(f"/vms/{vm.pk}/template/", {"confirmed": "1"}).status_code == 302
    assert not Operation.objects.exists()
    Document.objects.filter(placement__vm=vm).update(kept={})
    assert client_alice.post(f"/vms/{vm.pk}/template/", {"confirmed": "1"}).headers["Location"] == f"/vms/{vm.pk}/"
    assert Operation.objects.get().kind == "vm.template"
    assert "becoming a template" in words(client_alice.get("/templates/"))
    Placement.objects.update(state="running", run_id=1)
    assert b"/template/" not in client_alice.get(f"/vms/{vm.pk}/").content


def test_it_stands_apart(client_alice: Client, alice: User, vm: VirtualMachine) -> None:
    assert "There is no template that you may see." in words(client_alice.get("/templates/"))
    make_template(vm, alice)
    assert "golden" not in words(client_alice.get("/vms/"))
    assert "golden" in words(client_alice.get("/templates/")) and "golden" not in words(client_alice.get("/"))
    assert client_alice.get(f"/vms/{vm.pk}/").headers["Location"] == f"/templates/{vm.pk}/"
    for tab in ("access", "xml", "activity"):
        assert f"/vms/{vm.pk}/start/" not in client_alice.get(f"/vms/{vm.pk}/{tab}/").content.decode(), tab
    text = words(client_alice.get(f"/templates/{vm.pk}/"))
    for part in ("golden.qcow2", "0" * 64, "Make a VM of it", "Nothing. Whole copies", "lets it write to vda"):
        assert part in text, part
    Placement.objects.update(state="running", run_id=1)
    assert "it can write to vda" in words(client_alice.get(f"/templates/{vm.pk}/"))
    Document.objects.update(next_boot=DISK.format(bus="virtio").replace("</disk>", "<readonly/></disk>"))
    assert "It cannot write to its disks" in words(client_alice.get(f"/templates/{vm.pk}/"))
    Template.objects.update(ready=False)
    page = words(client_alice.get(f"/templates/{vm.pk}/"))
    assert "have not been read" in page and "Make a VM of it" not in page


def test_what_needs_it_is_told_as_far_as_one_sees_it(host: Host, alice: User, vm: VirtualMachine) -> None:
    make_template(vm, alice)
    [base] = vm.volumes.all()
    for name in ("seen", "hidden"):
        user = make_vm(host, name)
        Volume.objects.create(storage=base.storage, name=f"{name}.qcow2", backing=base).vms.add(user)
    Volume.objects.create(storage=base.storage, name="loose.qcow2", backing=base)
    carol = User.objects.create(username="carol")
    grant(carol, "owner", vm)
    grant(carol, "viewer", VirtualMachine.objects.get(name="seen"))
    browser = sign_in(carol)
    page = browser.get(f"/templates/{vm.pk}/")
    text = words(page)
    assert "seen" in text and "1 VM that you do not see" in text and "1 volume that you do not see" in text
    assert "hidden" not in text and "host-a" not in text and b"/delete/" not in page.content
    answer = browser.post(f"/templates/{vm.pk}/vm/", follow=True)
    assert "golden is needed by seen, 2 that you do not see" in words(answer)
    assert browser.post(f"/vms/{vm.pk}/delete/", {"seen": "", "trash": "on"}).status_code == 409


def test_who_may_use_what_is_offered_sees_it_and_nothing_more(alice: User, vm: VirtualMachine) -> None:
    make_template(vm, alice)
    carol = User.objects.create(username="carol")
    grant(carol, "creator", everything=True)
    browser = sign_in(carol)
    assert browser.get(f"/templates/{vm.pk}/").status_code == 404
    assert b'href="/templates/"' in browser.get("/vms/").content
    offered = sign_in(alice).post(f"/templates/{vm.pk}/offer/", {"offered": "yes"}, follow=True)
    assert "Take the offer back" in words(offered)
    text = words(browser.get(f"/templates/{vm.pk}/"))
    assert "Make a VM of it" in text and "Access" not in text and "Make it a VM again" not in text
    assert browser.get(f"/vms/{vm.pk}/").status_code == 404
    assert browser.post(f"/templates/{vm.pk}/offer/", {"offered": "no"}).status_code in (403, 404)
    form = browser.get(f"/vms/new/?source=template&template={vm.pk}")
    assert form.status_code == 200 and "the template is there" in words(form)
    sent = {"source": "template", "template": vm.pk, "backing": "full", "name": "mine", "size": "s", "count": "1"}
    made = browser.post("/vms/new/", sent)
    assert made.status_code == 302, words(made)
    params = Operation.objects.get(kind="vm.create").params
    assert (params["template"], params["disks"][0]["linked"], params["memory_mib"]) == (vm.pk, False, 1024)
    wrong = browser.post("/vms/new/", {**sent, "template": "", "name": "other"})
    assert wrong.status_code == 400


def test_a_disk_that_is_too_small_is_told_at_its_field(client_alice: Client, alice: User, vm: VirtualMachine) -> None:
    make_template(vm, alice)
    Volume.objects.update(capacity_bytes=5 << 30)
    sent = {
        "source": "template", "template": vm.pk, "backing": "linked", "name": "mine", "size": "own", "cpus": "1",
        "memory": "512", "disk": "2", "count": "1",
    }  # fmt: skip
    answer = client_alice.post("/vms/new/", sent)
    assert answer.status_code == 400 and "The template has a larger disk." in words(answer)
    assert client_alice.post("/vms/new/", {**sent, "disk": "6"}).status_code == 302
