"""The question before a VM is deleted, and the pages of the trash."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.test import Client

from tests.conftest import make_vm, sign_in
from tests.grants import grant
from tests.routes import put_in_trash
from vms.models import Document, Host, Operation, Placement, StoragePool, Trashed, User, VirtualMachine, Volume

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
DISK = "<disk type='file' device='disk'><source file='/pool/{}'/><target dev='vda'/></disk>"


@pytest.fixture
def disk(host: Host, vm: VirtualMachine) -> Volume:
    """web-01 runs from it, and has a snapshot."""
    pool = StoragePool.objects.create(
        host=host, uuid=uuid.uuid4(), name="default", type="dir", path="/pool", active=True
    )
    made = Volume.objects.create(
        storage=pool.storage, name="disk", path="/pool/disk", format="raw", capacity_bytes=1 << 30
    )
    made.vms.add(vm)
    text = (
        f"<domain type='qemu'><name>web-01</name><devices>{DISK.format('disk')}{DISK.format('away')}</devices></domain>"
    )
    Document.objects.filter(placement__vm=vm).update(
        next_boot=text, kept={"snapshots": ["monday"], "checkpoints": [], "sources": []}
    )
    return made


def words(answer: Any) -> str:
    """The page's words; what is between tags is left out."""
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def seen(answer: Any) -> str:
    return str(re.search(rb'name="seen" value="(\w+)"', answer.content)[1].decode())  # type: ignore[index]


def test_the_question_tells_what_goes_and_what_stays(client_alice: Client, vm: VirtualMachine, disk: Volume) -> None:
    page = client_alice.get(f"/vms/{vm.pk}/delete/")
    text = words(page)
    for part in (
        "default / disk", "GiB", "Snapshot monday", "It runs: it is forced off", "/pool/away is in no pool",
        "Into the trash", "for 7 days",
    ):  # fmt: skip
        assert part in text, part
    # What opens a dialog elsewhere leads to the page.
    asked = client_alice.get(f"/vms/{vm.pk}/delete/", headers={"HX-Request": "true"})
    assert asked.headers["HX-Redirect"] == f"/vms/{vm.pk}/delete/"
    other = client_alice.post(f"/vms/{vm.pk}/delete/", {"seen": "0" * 64, "trash": "on", "volumes": disk.pk})
    assert other.status_code == 409 and "no longer what you were told" in words(other)
    wrong = client_alice.post(f"/vms/{vm.pk}/delete/", {"seen": seen(page), "confirm": "web", "volumes": disk.pk})
    assert "Type the name of the VM" in words(wrong) and not Operation.objects.exists()
    foreign = client_alice.post(f"/vms/{vm.pk}/delete/", {"seen": seen(page), "trash": "on", "volumes": disk.pk + 1})
    assert foreign.status_code == 200 and not Operation.objects.exists()
    gone = client_alice.post(f"/vms/{vm.pk}/delete/", {"seen": seen(page), "trash": "on"})
    assert (gone.status_code, gone.headers["Location"]) == (302, "/trash/")
    operation = Operation.objects.get()
    assert (operation.kind, operation.params["volumes"]) == ("vm.trash", [])
    assert "moving to the trash" in words(client_alice.get("/trash/"))


def test_what_is_in_the_trash_is_nowhere_else(client_alice: Client, alice: User, vm: VirtualMachine) -> None:
    assert b'href="/trash/"' not in client_alice.get("/vms/").content
    put_in_trash(vm, alice)
    for path in (f"/vms/{vm.pk}/", f"/vms/{vm.pk}/console/", f"/vms/{vm.pk}/delete/", f"/vms/{vm.pk}/start/"):
        assert client_alice.get(path).status_code == 404
    assert client_alice.post(f"/vms/{vm.pk}/start/").status_code == 404
    listed = client_alice.get("/vms/")
    assert b"web-01" not in listed.content and b'href="/trash/"' in listed.content
    assert "web-01" not in words(client_alice.get("/"))
    text = words(client_alice.get("/trash/"))
    for part in ("web-01", "host-a", "deleted by alice", "Undo", "Delete for good"):
        assert part in text, part
    back = client_alice.post(f"/trash/{vm.pk}/put-back/")
    assert back.status_code == 302 and Operation.objects.get().kind == "vm.put-back"


def test_the_trash_tells_what_was_done_outside(client_alice: Client, alice: User, vm: VirtualMachine) -> None:
    put_in_trash(vm, alice)
    Placement.objects.update(state="running", run_id=3)
    assert "Somebody started it outside" in words(client_alice.get("/trash/"))
    Placement.objects.update(present=False, run_id=None)
    Trashed.objects.update(why="not_allowed")
    text = words(client_alice.get("/trash/"))
    assert "removed from its host outside" in text and "Undo" not in text and "It could not be purged" in text
    Trashed.objects.update(purging=True)
    assert "some of its disks are left" in words(client_alice.get("/trash/"))
    page = client_alice.get(f"/trash/{vm.pk}/delete/")
    sent = client_alice.post(f"/trash/{vm.pk}/delete/", {"seen": seen(page), "confirm": "web-01"})
    assert sent.status_code == 302 and Operation.objects.get().kind == "vm.delete"


def test_an_owner_is_told_no_host(host: Host, vm: VirtualMachine, alice: User) -> None:
    carol = User.objects.create(username="carol")
    grant(carol, "owner", vm)
    put_in_trash(vm, alice)
    neighbour = make_vm(host, "db-01")
    put_in_trash(neighbour, alice)
    browser = sign_in(carol)
    text = words(browser.get("/trash/"))
    assert "web-01" in text and "host-a" not in text and "db-01" not in text
    assert browser.post(f"/trash/{neighbour.pk}/put-back/").status_code == 404


def test_several_go_to_the_trash(client_alice: Client, host: Host, vm: VirtualMachine) -> None:
    other = make_vm(host, "db-01")
    Placement.objects.filter(vm=other).update(persistent=False)
    pick = {"vm": [vm.pk, other.pk]}
    question = client_alice.post("/vms/bulk/delete/", pick, headers={"HX-Request": "true"})
    assert "Move 2 VMs to the trash?" in words(question)
    answer = client_alice.post("/vms/bulk/delete/", {**pick, "confirmed": "1"}, follow=True)
    assert "1 VM goes to the trash" in words(answer) and "db-01: There is no trash for this VM" in words(answer)
    assert [operation.target_name for operation in Operation.objects.all()] == ["web-01"]


def test_a_name_is_asked_for_on_a_page(client_alice: Client, vm: VirtualMachine) -> None:
    Placement.objects.filter(vm=vm).update(state="shut_off")
    assert f"/vms/{vm.pk}/rename/".encode() in client_alice.get(f"/vms/{vm.pk}/").content
    assert "A letter or digit first" in words(client_alice.post(f"/vms/{vm.pk}/rename/", {"name": "a b"}))
    assert client_alice.post(f"/vms/{vm.pk}/rename/", {"name": "shop-1"}).status_code == 302
    assert Operation.objects.get().params == {"name": "shop-1"}
