"""The page on which VMs are made."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import sign_in
from tests.grants import grant
from vms.models import (
    Host,
    Image,
    ImageCopy,
    Network,
    NetworkFilter,
    Operation,
    Quota,
    Size,
    SshKey,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
)  # fmt: skip
from vms.permissions import Actor
from vms.services import plans
from vms.services.wishes import Preview, Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIx3ePbRA2uQ4gJzDyFP8sDqKQwXJE8pLR5p1hnGFXJq"
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


CLOUD = {"source": "image", "name": "new", "size": "own", "disk": "10", "firmware": "bios"}


@pytest.fixture
def cloud_image(host: Host) -> Image:
    pool = StoragePool.objects.get()
    volume = Volume.objects.create(storage=pool.storage, name="debian.qcow2", format="qcow2")
    image = Image.objects.create(
        kind="disk", name="Debian", format="qcow2", size_bytes=1, virtual_bytes=1, os="debian12"
    )
    ImageCopy.objects.create(image=image, volume=volume)
    return image


def test_who_may_log_in_is_asked_and_kept_nowhere_in_clear(client_alice: Client, cloud_image: Image) -> None:
    SshKey.objects.create(user=User.objects.get(username="alice"), name="laptop", key=KEY, fingerprint="x")
    page = client_alice.get("/vms/new/").content.decode()
    assert 'name="my_keys" checked' in page and "nobody will be able to log in" not in page
    body = {
        **CLOUD, "image": str(cloud_image.pk), "user": "anna", "my_keys": "on", "password": "open sesame",
        "packages": "nginx, curl", "commands": "echo 1\necho 2", "only": "1",
    }  # fmt: skip
    assert "open sesame" not in client_alice.post("/vms/new/preview", body).content.decode()
    assert client_alice.post("/vms/new/", body).status_code == 302
    operation = Operation.objects.get()
    told = operation.params["seed"]["told"]
    assert (told["user"], told["keys"], told["password"], told["packages"]) == ("anna", 1, True, ["nginx", "curl"])
    assert operation.sealed and "sesame" not in repr(operation.params) and KEY not in repr(operation.params)


def test_without_key_and_password_it_says_so(client_alice: Client, cloud_image: Image) -> None:
    shown = client_alice.post("/vms/new/preview", {**CLOUD, "image": str(cloud_image.pk)}).content.decode()
    assert "nobody will be able to log in" in shown


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("user", "Anna", "A small letter first"), ("password", "short", "8 to 200 characters"),
        ("keys", "ssh-ed25519 x", "no public key"), ("address", "192.0.2.0/24", "own address and the prefix"),
        ("user_data", "x: y", "the first line says nothing"), ("user_data", "#cloud-config\na: [\n", "(line 3)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_and_the_password_is_not_shown_again(
    client_alice: Client, cloud_image: Image, field: str, value: str, sentence: str
) -> None:
    body = {**CLOUD, "image": str(cloud_image.pk), "password": "open sesame", field: value}
    answer = client_alice.post("/vms/new/", body)
    page = answer.content.decode()
    assert answer.status_code == 400 and sentence in page and "open sesame" not in page
    assert not VirtualMachine.objects.exists()


def test_a_size_that_is_gone_or_larger_than_the_quota_is_said(client_alice: Client) -> None:
    Quota.objects.create(user=User.objects.get(username="alice"), vcpus=3)
    page = client_alice.get("/vms/new/?size=s").content.decode()
    assert page.count("more than your quota has left") == 1 and 'value="S" checked' in page
    Size.objects.filter(name="S").delete()
    said = "There is no such size any more"
    assert said in client_alice.post("/vms/new/preview", EMPTY).content.decode()
    answer = client_alice.post("/vms/new/", EMPTY)
    assert answer.status_code == 400 and answer.content.decode().count(said) == 2
    Size.objects.all().delete()
    assert 'value="own" checked' in client_alice.get("/vms/new/").content.decode()


def test_folds_say_what_they_hold(client_alice: Client, cloud_image: Image) -> None:
    body = {**CLOUD, "image": str(cloud_image.pk), "count": "3", "name": "new-#", "linked": "on"}
    said = client_alice.post("/vms/new/preview", body).content.decode()
    assert "nothing more" in said and "3 VMs" in said and "only what differs" in said
    unfit = client_alice.post(
        "/vms/new/preview", {**body, "name": "?", "network": "none", "firmware": "efi"}
    ).content.decode()
    assert "<bdi>no network card</bdi>" in unfit and "<bdi>UEFI</bdi>" in unfit
    body |= {"packages": "vim, git", "hostname": "web", "commands": "true", "keep": "on", "keys": KEY}
    said = client_alice.post("/vms/new/preview", body).content.decode()
    for words in ("1 more key", "web", "2 packages", "1 command", "its disc stays"):
        assert f"<bdi>{words}</bdi>" in said, words


def test_what_is_stopped_has_its_button_until_it_runs(client_alice: Client) -> None:
    network = Network.objects.get()
    Network.objects.update(active=False)
    button = f'data-start="/networks/{network.pk}/start/"'
    assert button in client_alice.get("/vms/new/").content.decode()
    chosen = {**EMPTY, "network": str(network.pk)}
    assert button in client_alice.post("/vms/new/preview", chosen).content.decode()
    refused = client_alice.post("/vms/new/", chosen)
    assert refused.status_code == 400 and button in refused.content.decode()
    client_alice.post(f"/networks/{network.pk}/start/", headers={"HX-Request": "true"})
    shown = client_alice.post("/vms/new/preview", chosen).content.decode()
    assert "is being started" in shown and button not in shown
    Operation.objects.update(
        state="failed", ended_at=timezone.now(), error_code="network_stopped", error_params={"network": "nat"}
    )
    assert "is stopped, and the VM needs it" in client_alice.post("/vms/new/preview", chosen).content.decode()
    Network.objects.update(active=True)
    shown = client_alice.post("/vms/new/preview", chosen).content.decode()
    assert button not in shown and "network nat" in shown


@pytest.mark.parametrize("model", [Network, StoragePool])
def test_what_starts_while_it_is_asked_for_is_in_nobodys_way(
    client_alice: Client, monkeypatch: pytest.MonkeyPatch, model: type[Network | StoragePool]
) -> None:
    model.objects.update(active=False)
    real = plans.preview

    def preview(actor: Actor, wish: Wish) -> Preview:
        try:
            return real(actor, wish)
        finally:
            model.objects.update(active=True)

    monkeypatch.setattr(plans, "preview", preview)
    field = "network" if model is Network else "pool"
    shown = client_alice.post("/vms/new/preview", {**EMPTY, field: str(model.objects.get().pk)}).content.decode()
    assert "is stopped" not in shown and "network nat" in shown


def test_why_it_cannot_be_started_is_said_beside(client_alice: Client) -> None:
    Network.objects.update(active=False)
    network = Network.objects.get()
    for _ in ("asked for", "refused: it is asked for already"):
        answer = client_alice.post(f"/networks/{network.pk}/start/", headers={"HX-Request": "true"})
        assert answer.status_code == 204
    shown = client_alice.post("/vms/new/preview", EMPTY).content.decode()
    assert 'hx-target="#messages"' in shown and "message-error" in shown
    assert 'hx-target="#messages"' not in client_alice.post("/vms/new/preview", EMPTY).content.decode()


def test_a_stopped_pool_can_be_chosen_and_says_so(client_alice: Client) -> None:
    StoragePool.objects.update(active=False)
    pool = StoragePool.objects.get()
    for body in (EMPTY, {**EMPTY, "pool": str(pool.pk)}):
        shown = client_alice.post("/vms/new/preview", body).content.decode()
        assert f'data-start="/pools/{pool.pk}/start/"' in shown
    assert "This storage pool is stopped" in shown


def test_what_may_be_added_has_its_button(client_alice: Client, host: Host) -> None:
    page = client_alice.get("/vms/new/").content.decode()
    for address in ("/images/", "/pools/add/", "/networks/add/"):
        assert f'data-add="{address}"' in page, address
    carol = User.objects.create(username="carol")
    grant(carol, "creator", host=host)
    assert "data-add=" not in sign_in(carol).get("/vms/new/").content.decode()


def test_what_is_added_is_followed_and_chosen(client_alice: Client, host: Host) -> None:
    spec = {"type": "dir", "name": "added", "path": "/srv/added"}
    client_alice.post(f"/pools/add/?host={host.pk}&type=dir", {**spec, "autostart": "on"})
    operation = Operation.objects.get(kind="pool.define")
    path = f"/vms/new/added/{operation.pk}/"
    assert "data-open" in client_alice.get(path).content.decode()
    Operation.objects.update(state="succeeded", ended_at=timezone.now())
    assert "data-open" in client_alice.get(path).content.decode()
    pool = StoragePool.objects.create(
        host=host, uuid=uuid.UUID(int=17), name="added", type="dir", path="/srv/added", active=True
    )
    shown = client_alice.get(path).content.decode()
    assert 'data-chose="pool"' in shown and f'<option value="{pool.pk}" selected' in shown
    Operation.objects.update(state="failed", error_code="pool_taken", error_params={"name": "added"})
    shown = client_alice.get(path).content.decode()
    assert "data-open" not in shown and "field-error" in shown
    Operation.objects.update(actor_user=None)
    assert client_alice.get(path).status_code == 404
