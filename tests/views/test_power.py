"""Asking a VM, or several, to do something."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import make_vm
from vms.kinds import KINDS
from vms.models import Host, Operation, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

VERBS = [kind.verb for kind in KINDS.values() if kind.target == "vm"]
ASKED_BEFORE = ["nmi", "reset", "force-off"]
HX = {"HX-Request": "true"}


def asked() -> list[str]:
    return list(Operation.objects.order_by("pk").values_list("kind", flat=True))


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_changes_by_get(client_alice: Client, vm: VirtualMachine, verb: str) -> None:
    status = client_alice.get(f"/vms/{vm.pk}/{verb}/").status_code
    assert status == (200 if KINDS[f"vm.{verb}"].ask else 405)
    assert asked() == []


@pytest.mark.parametrize("verb", VERBS)
def test_it_does_not_exist_for_who_may_not_see_it(client_mallory: Client, vm: VirtualMachine, verb: str) -> None:
    assert client_mallory.post(f"/vms/{vm.pk}/{verb}/", {"confirmed": "1"}).status_code == 404
    assert asked() == []


def test_it_asks_and_goes_back_to_the_vm(client_alice: Client, vm: VirtualMachine) -> None:
    answer = client_alice.post(f"/vms/{vm.pk}/pause/")
    assert (answer.status_code, answer["Location"]) == (302, f"/vms/{vm.pk}/")
    assert asked() == ["vm.pause"]


@pytest.mark.parametrize("verb", ASKED_BEFORE)
def test_what_does_harm_is_asked_before(client_alice: Client, vm: VirtualMachine, verb: str) -> None:
    question = client_alice.post(f"/vms/{vm.pk}/{verb}/").content.decode()
    assert "web-01?" in question
    assert "what is not written to disk is lost" in question
    assert asked() == []
    client_alice.post(f"/vms/{vm.pk}/{verb}/", {"confirmed": "1"})
    assert asked() == [f"vm.{verb}"]


def test_a_dialog_gets_the_question_alone(client_alice: Client, vm: VirtualMachine) -> None:
    answer = client_alice.get(f"/vms/{vm.pk}/force-off/", headers=HX).content
    assert b"<html" not in answer
    assert b'name="confirmed"' in answer


def test_an_open_page_gets_its_head_back(client_alice: Client, vm: VirtualMachine) -> None:
    answer = client_alice.post(f"/vms/{vm.pk}/pause/", headers={**HX, "HX-Target": "div#vm-header"})
    assert answer.status_code == 200
    assert answer.content.decode().strip().startswith('<div id="vm-header"')
    assert "pausing…" in answer.content.decode()


def test_an_open_list_gets_the_row_back(client_alice: Client, vm: VirtualMachine) -> None:
    headers = {**HX, "HX-Target": "div#messages"}
    answer = client_alice.post(f"/vms/{vm.pk}/pause/", {"rows": "1"}, headers=headers)
    assert f'hx-target="#vm-{vm.pk}"' in answer.content.decode()


def test_a_refusal_is_a_sentence(client_alice: Client, host: Host) -> None:
    vm = make_vm(host, state="shut_off")
    answer = client_alice.post(f"/vms/{vm.pk}/pause/", headers={**HX, "HX-Target": "div#vm-header"})
    assert answer.status_code == 409
    assert "web-01 is shut off" in answer.content.decode()
    page = client_alice.post(f"/vms/{vm.pk}/pause/", follow=True).content.decode()
    assert "web-01 is shut off" in page


def test_several_are_asked_at_once_and_refused_one_by_one(client_alice: Client, host: Host) -> None:
    runs, off = make_vm(host, "runs"), make_vm(host, "off", state="shut_off")
    answer = client_alice.post("/vms/bulk/pause/", {"vm": [runs.pk, off.pk], "rows": "1"}, headers=HX)
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "“Pause” was refused for 1 of 2 VMs." in text
    assert "off: off is shut off" in text
    assert asked() == ["vm.pause"]


def test_harm_to_several_is_asked_before_and_names_them(client_alice: Client, host: Host) -> None:
    pks = [make_vm(host, name).pk for name in ("web-01", "web-02")]
    question = client_alice.post("/vms/bulk/force-off/", {"vm": pks}).content.decode()
    assert "Force off 2 VMs?" in question
    assert "web-01" in question and "web-02" in question
    assert asked() == []
    assert client_alice.post("/vms/bulk/force-off/", {"vm": pks, "confirmed": "1"}).status_code == 302
    assert asked() == ["vm.force-off", "vm.force-off"]


def test_bulk_with_one_that_is_not_there_asks_nothing(client_alice: Client, vm: VirtualMachine) -> None:
    assert client_alice.post("/vms/bulk/pause/", {"vm": [vm.pk, 9999]}).status_code == 404
    assert client_alice.post("/vms/bulk/pause/", {"vm": ["1; DROP"]}).status_code == 404
    assert asked() == []


@pytest.mark.parametrize("verb", ["add-screen", "start-with-networks", "explode"])
def test_bulk_knows_only_what_stands_in_the_menu(client_alice: Client, vm: VirtualMachine, verb: str) -> None:
    assert client_alice.post(f"/vms/bulk/{verb}/", {"vm": [vm.pk]}).status_code == 404


def test_bulk_of_none_says_so(client_alice: Client) -> None:
    assert "No VM is ticked." in client_alice.post("/vms/bulk/pause/", follow=True).content.decode()


def test_bulk_is_no_way_around_a_missing_right(client_mallory: Client, vm: VirtualMachine) -> None:
    assert client_mallory.post("/vms/bulk/pause/", {"vm": [vm.pk]}).status_code == 404
    assert asked() == []
