"""The page on which VMs are made."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from tests.conftest import sign_in
from tests.grants import grant
from vms.models import Host, Network, NetworkFilter, Operation, StoragePool, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
EMPTY = {"source": "empty", "name": "new", "size": "s"}


@pytest.fixture(autouse=True)
def ground(host: Host) -> None:
    StoragePool.objects.create(
        host=host, uuid=uuid.UUID(int=7), name="default", type="dir", path="/pool", active=True, available_bytes=1 << 40
    )
    Network.objects.create(host=host, uuid=uuid.UUID(int=8), name="nat", active=True)
    NetworkFilter.objects.create(host=host, uuid=uuid.UUID(int=9), name="clean-traffic")


def test_the_page_says_what_would_be_made(client_alice: Client) -> None:
    page = client_alice.get("/vms/new/").content.decode()
    assert 'value="vm-1"' in page and "2 vCPUs · 4 GiB" in page and "disk 20 GiB" in page
    assert "the only host" in page and "the processor is emulated" in page


def test_the_preview_follows_the_form(client_alice: Client) -> None:
    shown = client_alice.post("/vms/new/preview", EMPTY).content.decode()
    assert "1 vCPU · 1 GiB" in shown and "default/new.qcow2" not in shown and "&lt;domain" in shown
    assert "hx-partial" in shown and "pool default" in shown
    wrong = client_alice.post("/vms/new/preview", {**EMPTY, "name": "<b>"}).content.decode()
    assert "A letter or digit first" in wrong and "<b>" not in wrong
    assert not VirtualMachine.objects.exists() and not Operation.objects.exists()


def test_what_is_sent_is_made_and_its_console_shown(client_alice: Client) -> None:
    answer = client_alice.post("/vms/new/", EMPTY)
    vm = VirtualMachine.objects.get(name="new")
    assert answer.status_code == 302 and answer["Location"] == f"/vms/{vm.pk}/console/"
    page = client_alice.get(f"/vms/{vm.pk}/").content.decode()
    assert "being made" in page
    assert "being made" in client_alice.get("/vms/").content.decode()
    assert client_alice.get(f"/vms/{vm.pk}/console/?screen").status_code == 200
    again = client_alice.post("/vms/new/", EMPTY)
    assert again.status_code == 400 and "There is a VM of this name" in again.content.decode()


def test_of_what_was_not_made_its_operation_tells(client_alice: Client) -> None:
    client_alice.post("/vms/new/", {**EMPTY, "only": "1"})
    operation = Operation.objects.get()
    assert operation.params["start"] is False
    client_alice.post(f"/operations/{operation.pk}/cancel/")
    answer = client_alice.get(f"/vms/{operation.target_id}/")
    assert answer.status_code == 302 and answer["Location"] == f"/operations/{operation.pk}/"
    assert client_alice.get(answer["Location"]).status_code == 200


def test_who_may_only_make_new_ones_sees_what_he_made(host: Host, db: None) -> None:
    carol = User.objects.create(username="carol")
    client = sign_in(carol)
    assert client.get("/vms/new/").status_code == 403
    assert "/vms/new/" not in client.get("/vms/").content.decode()
    grant(carol, "creator", host=host)
    page = client.get("/vms/new/").content.decode()
    assert "host-a" not in page
    assert client.post("/vms/new/", EMPTY).status_code == 302
    operation = Operation.objects.get()
    assert operation.actor_user == carol
    assert "new" in client.get("/vms/").content.decode()
    client.post(f"/operations/{operation.pk}/cancel/")
    assert not VirtualMachine.objects.exists()
    assert client.get(f"/operations/{operation.pk}/").status_code == 200


def test_several_lead_to_the_list(client_alice: Client) -> None:
    answer = client_alice.post("/vms/new/", {**EMPTY, "name": "new-#", "count": "3"})
    assert answer["Location"] == "/vms/" and VirtualMachine.objects.count() == 3
