"""The Snapshots tab and its questions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import sign_in
from tests.grants import grant
from tests.services.test_schedule_runs import DISK, make_vm
from vms.models import Document, Host, Operation, Schedule, Snapshot, SnapshotPicture, Tag, User, VirtualMachine
from vms.services.freshness import placed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def vm(host: Host) -> VirtualMachine:
    return make_vm(host)


def keep(vm: VirtualMachine, name: str, parent: str = "", **fields: Any) -> Snapshot:
    told: dict[str, Any] = {
        "kind": "internal", "state": "shut_off", "next_boot": DISK, "taken_at": timezone.now(), "disks": [
            {"target": "vda", "how": "internal", "source": ["path", "/pool/web-01.qcow2"], "layer": []},
        ], **fields,
    }  # fmt: skip
    return Snapshot.objects.create(placement=placed(vm), name=name, parent_name=parent, **told)


def page(client: Client, vm: VirtualMachine, rest: str = "") -> str:
    answer: Any = client.get(f"/vms/{vm.pk}/snapshots/{rest}")
    assert answer.status_code == 200, answer.content
    return str(answer.content.decode())


def test_the_tree_says_where_it_is_now(client_alice: Client, vm: VirtualMachine) -> None:
    keep(vm, "first")
    keep(vm, "second", "first", is_current=True)
    text = page(client_alice, vm)
    assert text.index("first") < text.index("second") < text.index("You are here")
    assert f"/vms/{vm.pk}/snapshots/of/first/revert/" in text and "/pool/web-01.qcow2" in text


def test_what_is_impossible_is_said_before_anything_is_opened(client_alice: Client, vm: VirtualMachine) -> None:
    Document.objects.update(next_boot=DISK.replace("qcow2'/", "raw'/"))
    text = page(client_alice, vm)
    assert "No snapshot can be taken of it now" in text and "snapshots/take/" not in text
    asked: Any = client_alice.post(f"/vms/{vm.pk}/snapshots/take/", {"name": "first"})
    assert asked.status_code == 400 and not Operation.objects.exists()


def test_why_none_can_be_gone_back_to_is_said_once(client_alice: Client, vm: VirtualMachine) -> None:
    for name in ("first", "second"):
        keep(vm, name, kind="external")
    text = page(client_alice, vm)
    assert text.count("None of them can be gone back to") == 1 and "/revert/" not in text


def test_one_question_takes_it(client_alice: Client, vm: VirtualMachine) -> None:
    assert f'value="{timezone.localdate():%Y-%m-%d}' in page(client_alice, vm, "take/")
    asked: Any = client_alice.post(f"/vms/{vm.pk}/snapshots/take/", {"name": "first", "description": "Why"})
    assert asked.status_code == 302
    params = Operation.objects.get().params
    assert (params["name"], params["description"], params["memory"]) == ("first", "Why", False)
    taken: Any = client_alice.post(f"/vms/{vm.pk}/snapshots/take/", {"name": "../x"})
    assert taken.status_code == 400 and "A letter or digit first" in taken.content.decode()


def test_with_memory_where_it_runs_and_cannot_do_without(client_alice: Client, host: Host) -> None:
    vm = make_vm(host, "on-01", state="running")
    text = page(client_alice, vm, "take/")
    assert "it stands still for about" in text and 'name="memory"' not in text
    client_alice.post(f"/vms/{vm.pk}/snapshots/take/", {"name": "first"})
    assert Operation.objects.get().params["memory"] is True


def test_going_back_keeps_the_present_first_where_there_is_room(client_alice: Client, vm: VirtualMachine) -> None:
    keep(vm, "first")
    text = page(client_alice, vm, "of/first/revert/")
    # No pool is known, so there is no room.
    assert "cannot be kept first and is lost" in text and 'name="keeps"' not in text
    asked: Any = client_alice.post(f"/vms/{vm.pk}/snapshots/of/first/revert/")
    assert asked.status_code == 302
    assert Operation.objects.get().params["keep"] == ""


def test_what_would_come_back_is_told_with_the_right_that_is_missing(vm: VirtualMachine, mallory: User) -> None:
    grant(mallory, "editor", vm)
    keep(vm, "first", next_boot=DISK.replace("</devices>", "<hostdev mode='subsystem' type='usb'/></devices>"))
    client = sign_in(mallory)
    text = page(client, vm, "of/first/revert/")
    assert "vm.define" in text and "Go back</button>" not in text
    asked: Any = client.post(f"/vms/{vm.pk}/snapshots/of/first/revert/")
    assert asked.status_code == 403 and not Operation.objects.exists()


def test_a_branch_goes_with_what_came_from_it(client_alice: Client, vm: VirtualMachine) -> None:
    keep(vm, "first")
    keep(vm, "second", "first")
    text = page(client_alice, vm, "of/first/delete/")
    assert "With the 1 that came from it" in text
    client_alice.post(f"/vms/{vm.pk}/snapshots/of/first/delete/", {"children": "1"})
    assert Operation.objects.get().params == {"name": "first", "children": True}


def test_what_is_inside_a_disk_keeps_its_name(client_alice: Client, vm: VirtualMachine) -> None:
    keep(vm, "first")
    assert 'name="to"' not in page(client_alice, vm, "of/first/rename/")
    client_alice.post(f"/vms/{vm.pk}/snapshots/of/first/rename/", {"to": "other", "description": "Told"})
    params = Operation.objects.get().params
    assert (params["name"], params["to"], params["description"]) == ("first", "first", "Told")


def test_its_definition_beside_that_of_now(client_alice: Client, vm: VirtualMachine) -> None:
    keep(vm, "first", next_boot=DISK.replace("virtio", "sata"))
    text = page(client_alice, vm, "of/first/")
    assert "sata" in text and "<ins>" in text
    keep(vm, "same")
    assert "They are the same" in page(client_alice, vm, "of/same/")


def test_its_screen_is_for_who_may_watch(vm: VirtualMachine, mallory: User) -> None:
    taken = timezone.now() - timedelta(days=1)
    keep(vm, "first", taken_at=taken)
    SnapshotPicture.objects.create(vm=vm, name="first", taken_at=taken, png=b"x")
    given = grant(mallory, "viewer", vm)
    client = sign_in(mallory)
    seen = page(client, vm, "of/first/")
    assert "/screen" not in seen and "/pool/" not in seen and "<ins>" not in seen
    given.delete()
    grant(mallory, "operator", vm)
    assert "/screen" in page(client, vm, "of/first/")


def test_the_schedules_that_hold_it(vm: VirtualMachine, alice: User, mallory: User) -> None:
    Tag.objects.create(vm=vm, name="web")
    Schedule.objects.create(name="of-all-web", owner=alice, tag="web", every="daily", zone="UTC", keep_last=1)
    Schedule.objects.create(name="of-this", owner=alice, vm=vm, every="daily", zone="UTC", keep_last=1)
    grant(mallory, "editor", vm)
    text = page(sign_in(mallory), vm)
    assert "of-this" in text and "of-all-web" not in text and "1 more, which somebody else has set" in text
    text = page(sign_in(alice), vm)
    assert "of-all-web" in text and "more, which" not in text
