"""cloud-init, once a VM is there: on its page and by the API."""

from __future__ import annotations

import html
import json
import uuid

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, sign_in
from tests.grants import grant
from vms.models import Document, Host, Operation, Placement, Seed, StoragePool, User, VirtualMachine, Volume

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
TOLD = {
    "user": "anna", "hostname": "web-7", "keys": 2, "password": True, "packages": ["nginx", "curl"], "commands": 1,
    "address": "192.0.2.7/24", "gateway": "192.0.2.1", "resolvers": [], "search": [], "user_data": False,
    "network_config": False, "keep": False,
}  # fmt: skip


@pytest.fixture
def off(host: Host) -> VirtualMachine:
    return make_vm(host, "web-01", "shut_off", persistent=True)


@pytest.fixture
def pool(host: Host) -> StoragePool:
    return StoragePool.objects.create(
        host=host, uuid=uuid.UUID(int=7), name="default", type="dir", path="/pool", active=True
    )


@pytest.fixture
def seed(off: VirtualMachine, pool: StoragePool) -> Seed:
    row = Volume.objects.create(storage=pool.storage, name="web-01-seed.iso", format="raw", private=True)
    return Seed.objects.create(vm=off, volume=row, told=TOLD, look_at=timezone.now())


def words(response: object) -> str:
    return html.unescape(response.content.decode())  # type: ignore[attr-defined]


def test_what_was_told_is_shown_and_stands_in_the_form(client_alice: Client, off: VirtualMachine, seed: Seed) -> None:
    assert f"/vms/{off.pk}/cloud-init/" in words(client_alice.get(f"/vms/{off.pk}/"))
    page = words(client_alice.get(f"/vms/{off.pk}/cloud-init/"))
    assert "in its drive until the first boot is over" in page and "2 packages, 1 command" in page
    assert 'value="anna"' in page and 'value="web-7"' in page and 'value="nginx curl"' in page
    assert "Most guests read this once" in page
    Seed.objects.update(volume=None)
    assert "taken away after the first boot" in words(client_alice.get(f"/vms/{off.pk}/cloud-init/"))
    Seed.objects.all().delete()
    assert "has had no disc" in words(client_alice.get(f"/vms/{off.pk}/cloud-init/"))


def test_what_is_sent_is_asked_for_and_kept_nowhere_in_clear(
    client_alice: Client, off: VirtualMachine, seed: Seed
) -> None:
    body = {"user": "berta", "password": "open sesame", "packages": "nginx", "commands": "a\nb"}
    assert client_alice.post(f"/vms/{off.pk}/cloud-init/", body)["Location"] == f"/vms/{off.pk}/"
    operation = Operation.objects.get()
    told = operation.params["told"]
    assert (told["user"], told["password"], told["commands"], operation.params["keep"]) == ("berta", True, 2, False)
    assert operation.params["name"] == "web-01-seed.1.iso" and operation.sealed
    assert "sesame" not in repr(operation.params)
    assert "getting a new disc for cloud-init" in words(client_alice.get(f"/vms/{off.pk}/"))


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("user", "Anna", "A small letter first"), ("keys", "ssh-ed25519 x", "no public key"),
        ("address", "192.0.2.7/24", "Without a network card"), ("user_data", "#cloud-config\na: [\n", "(line 3)"),
        ("network_config", "version: 2\nethernets: {\n", "(line 3)"), ("network_config", "a: b", "version: 2"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_at_its_field_and_the_rest_stays(
    client_alice: Client, off: VirtualMachine, pool: StoragePool, field: str, value: str, sentence: str
) -> None:
    body = {"hostname": "web-8", "commands": "echo 1\necho 2", "password": "open sesame", field: value}
    answer = client_alice.post(f"/vms/{off.pk}/cloud-init/", body)
    page = words(answer)
    assert answer.status_code == 400 and sentence in page
    assert f'id="id_{field}" ' in page and f'aria-describedby="id_{field}-error"' in page
    assert 'value="web-8"' in page and "echo 1\necho 2" in page and value in page
    assert "open sesame" not in page and "Enter it once more" in page
    assert not Operation.objects.exists()


def test_while_it_runs_there_is_no_form(client_alice: Client, off: VirtualMachine, pool: StoragePool) -> None:
    Placement.objects.update(state="running")
    page = words(client_alice.get(f"/vms/{off.pk}/cloud-init/"))
    assert "while it is off" in page and "Write the disc" not in page and 'data-live="vm:' in page
    answer = client_alice.post(f"/vms/{off.pk}/cloud-init/", {"user": "berta"})
    assert answer.status_code == 400 and not Operation.objects.exists()


def test_an_address_is_for_a_card(client_alice: Client, off: VirtualMachine, pool: StoragePool) -> None:
    Document.objects.update(facts={"interfaces": [{"mac": "52:54:00:00:00:01"}]})
    body = {"address": "192.0.2.7/24", "gateway": "192.0.2.1"}
    assert client_alice.post(f"/vms/{off.pk}/cloud-init/", body).status_code == 302


def test_it_takes_a_right_on_the_vm_and_one_on_a_pool(off: VirtualMachine, pool: StoragePool) -> None:
    carol = User.objects.create(username="carol")
    client = sign_in(carol)
    grant(carol, "operator", vm=off)
    assert client.get(f"/vms/{off.pk}/cloud-init/").status_code == 403
    assert "cloud-init" not in words(client.get(f"/vms/{off.pk}/"))
    grant(carol, "editor", vm=off)
    assert client.get(f"/vms/{off.pk}/cloud-init/").status_code == 200
    assert client.post(f"/vms/{off.pk}/cloud-init/", {"user": "berta"}).status_code == 403
    grant(carol, "operator", pool=pool)
    assert client.post(f"/vms/{off.pk}/cloud-init/", {"user": "berta"}).status_code == 302


def put(client: Client, vm: VirtualMachine, body: object) -> object:
    return client.put(f"/api/v1/vms/{vm.pk}/cloud-init", json.dumps(body), content_type="application/json")


def test_the_api_tells_and_takes_the_same(client_alice: Client, off: VirtualMachine, seed: Seed) -> None:
    found = client_alice.get(f"/api/v1/vms/{off.pk}/cloud-init").json()
    assert (found["disc"], found["user"], found["keys"], found["password"]) == ("in", "anna", 2, True)
    assert found["packages"] == ["nginx", "curl"] and found["written_at"]
    asked = put(client_alice, off, {"user": "berta", "password": "open sesame", "keep": True})
    assert asked.status_code == 202, asked.content  # type: ignore[attr-defined]
    assert Operation.objects.get().params["keep"] is True
    unread = put(client_alice, off, {"user_data": "#cloud-config\na: [\n"})
    assert unread.status_code == 422  # type: ignore[attr-defined]
    assert unread.json()["params"] == {"reason": "yaml", "line": "3", "field": "user_data"}  # type: ignore[attr-defined]
    Seed.objects.all().delete()
    assert client_alice.get(f"/api/v1/vms/{off.pk}/cloud-init").json()["disc"] == "none"
