"""Asking a VM, or several, to do something."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import make_vm, silence
from vms.kinds import KINDS
from vms.models import Host, Operation, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

VERBS = [kind.verb for kind in KINDS.values() if kind.target == "vm" and not kind.apart]
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


def test_a_silent_host_refuses_and_offers_to_wait(client_alice: Client, vm: VirtualMachine, host: Host) -> None:
    silence(host)
    answer = client_alice.post(f"/vms/{vm.pk}/pause/", headers={**HX, "HX-Target": "div#vm-header"})
    assert answer.status_code == 409
    for text in (answer.content.decode(), client_alice.post(f"/vms/{vm.pk}/pause/").content.decode()):
        assert "host-a is not answering" in text
        assert "Do it when the host answers" in text
        assert 'name="when_silent" value="wait"' in text
    assert asked() == []
    client_alice.post(f"/vms/{vm.pk}/pause/", {"when_silent": "wait"})
    operation = Operation.objects.get()
    assert operation.waits_until


def test_what_was_said_goes_with_the_offer_to_wait(client_alice: Client, vm: VirtualMachine, host: Host) -> None:
    silence(host)
    reset = client_alice.post(f"/vms/{vm.pk}/reset/", {"confirmed": "1"}).content.decode()
    assert 'name="confirmed" value="1"' in reset
    keys = client_alice.post(f"/vms/{vm.pk}/send-key/", {"keys": "Control+Alt+F2"}).content.decode()
    assert 'name="keys" value="Control+Alt+F2"' in keys


def test_another_refusal_offers_no_waiting(client_alice: Client, host: Host) -> None:
    vm = make_vm(host, state="shut_off")
    answer = client_alice.post(f"/vms/{vm.pk}/pause/", headers={**HX, "HX-Target": "div#vm-header"})
    assert b"when_silent" not in answer.content


@pytest.mark.parametrize("keys", ["", "s+e+c+r+e+t", "<script>"])
def test_keys_that_are_none_are_refused_in_words(client_alice: Client, vm: VirtualMachine, keys: str) -> None:
    page = client_alice.post(f"/vms/{vm.pk}/send-key/", {"keys": keys}, follow=True).content.decode()
    assert "“keys” has no value that fits." in page
    assert asked() == []


def test_the_switch_says_what_it_will_be(client_alice: Client, host: Host) -> None:
    off, on = make_vm(host, "off"), make_vm(host, "on", autostart=True)
    assert 'name="enabled" value="true"' in client_alice.get(f"/vms/{off.pk}/").content.decode()
    assert 'name="enabled" value="false"' in client_alice.get(f"/vms/{on.pk}/").content.decode()
    client_alice.post(f"/vms/{off.pk}/autostart/", {"enabled": "true", "tab": "overview"})
    assert Operation.objects.get().params == {"enabled": True}
