from __future__ import annotations

import re
import uuid

import pytest
from django.test import Client

from tests.conftest import sign_in
from tests.grants import grant
from vms.kinds.privileges import role_privileges
from vms.models import AuditEvent, Host, Image, ImageCopy, Operation, StoragePool, User, Volume
from vms.permissions import Actor, visible_images
from vms.services import images

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def pool(host: Host) -> StoragePool:
    return StoragePool.objects.create(
        host=host, uuid=uuid.UUID(int=7), name="default", type="dir", path="/pool", active=True
    )


@pytest.fixture
def image(pool: StoragePool, alice: User) -> Image:
    volume = Volume.objects.create(
        storage=pool.storage, name="debian.iso", format="raw", told_format="iso", capacity_bytes=1 << 20, owner=alice
    )
    made = Image.objects.create(
        name="debian.iso", kind="iso", os="debian13", arch="x86_64", format="iso", size_bytes=1 << 20, owner=alice,
        sha256="0" * 64,
    )  # fmt: skip
    ImageCopy.objects.create(image=made, volume=volume)
    return made


def test_the_list_tells_what_each_installs_and_where_it_is(client_alice: Client, image: Image) -> None:
    text = client_alice.get("/images/").content.decode()
    assert "debian.iso" in text and "Debian 13" in text and "default · host-a" in text
    assert "Ubuntu 24.04 LTS" in text
    assert "debian.iso" not in client_alice.get("/images/?q=ubuntu").content.decode()
    assert client_alice.get(f"/images/{image.pk}/").status_code == 200


def test_the_page_says_into_what_where_nobody_is_asked(client_alice: Client, image: Image, pool: StoragePool) -> None:
    assert client_alice.get("/images/").content.decode().count("Into default · host-a.") == 2
    other = StoragePool.objects.create(host=pool.host, uuid=uuid.UUID(int=9), name="other", type="dir", active=True)
    text = client_alice.get("/images/").content.decode()
    assert "Into default" not in text and {'id="id_pool"', 'id="catalogue_pool"'} == set(
        re.findall(r'id="\w+_pool"', text)
    )
    assert "Into other · host-a." in client_alice.get(f"/images/{image.pk}/").content.decode()
    other.delete()


def test_a_row_of_the_catalogue_has_each_architecture(client_alice: Client, pool: StoragePool) -> None:
    text = client_alice.get("/images/").content.decode()
    assert text.count("<b>Debian 13 (trixie)</b>") == 1
    for arch in ("x86_64", "aarch64"):
        assert f'value="debian13-{arch}"' in text and f"Fetch Debian 13 (trixie) for {arch}" in text


def test_a_system_that_nobody_mends_is_said(client_alice: Client, image: Image) -> None:
    words = "nobody mends it any more"
    assert words not in client_alice.get("/images/").content.decode()
    Image.objects.update(os="win10")
    for page in ("/images/", f"/images/{image.pk}/"):
        assert words in client_alice.get(page).content.decode()


def test_without_a_pool_it_says_what_is_missing(client_alice: Client, host: Host, mallory: User) -> None:
    assert "no storage pool is started" in client_alice.get("/images/").content.decode()
    assert "Nobody has offered you an image" in sign_in(mallory).get("/images/").content.decode()


def test_an_image_is_seen_by_others_when_it_is_offered(
    client_alice: Client, image: Image, pool: StoragePool, mallory: User
) -> None:
    grant(mallory, "operator", pool=pool)
    client = sign_in(mallory)
    assert client.get(f"/images/{image.pk}/").status_code == 404
    assert "debian.iso" not in client.get("/images/").content.decode()
    assert client_alice.post(f"/images/{image.pk}/offer/").status_code == 302
    assert AuditEvent.objects.filter(action="offered:image").exists()
    text = client.get(f"/images/{image.pk}/").content.decode()
    # He sees neither the host nor what an owner may do.
    assert "debian.iso" in text and "host-a" not in text and "Offer it" not in text and "offer back" not in text
    assert client.post(f"/images/{image.pk}/offer/", {"offered": "no"}).status_code == 403
    assert client_alice.post(f"/images/{image.pk}/offer/", {"offered": "no"}).status_code == 302
    assert client.get(f"/images/{image.pk}/").status_code == 404


def test_an_offer_is_one_of_the_pool_that_it_lies_in(image: Image, pool: StoragePool, mallory: User) -> None:
    other = StoragePool.objects.create(host=pool.host, uuid=uuid.UUID(int=9), name="other", type="dir", active=True)
    ImageCopy.objects.update(published=True)
    grant(mallory, "operator", pool=other)
    assert not visible_images(mallory).exists()
    second = Volume.objects.create(storage=other.storage, name="debian.iso", format="raw")
    copy = ImageCopy.objects.create(image=image, volume=second)
    assert not visible_images(mallory).exists()
    ImageCopy.objects.filter(pk=copy.pk).update(published=True)
    assert list(visible_images(mallory)) == [image]
    [(told, where)] = images.copies(mallory, [image])[image.pk]
    assert (told, where) == (copy, other)


@pytest.mark.parametrize("state", ["incomplete", "quarantine", "refused"])
def test_a_copy_that_is_not_whole_is_none(state: str, image: Image, alice: User) -> None:
    Volume.objects.update(state=state)
    assert not visible_images(alice).exists()


def test_fetching_is_asked_for_on_the_page(client_alice: Client, pool: StoragePool) -> None:
    url = "https://images.example.org/a.img"
    wrong = client_alice.post("/images/fetch/", {"url": "ftp://x", "pool": pool.pk})
    assert wrong.status_code == 400 and "without a user or password" in wrong.content.decode()
    assert client_alice.post("/images/fetch/", {"url": url, "pool": 999}).status_code == 400
    sent = client_alice.post("/images/fetch/", {"url": url, "pool": pool.pk, "checksum": "0" * 64})
    operation = Operation.objects.get()
    assert sent["Location"] == f"/operations/{operation.pk}/"
    assert operation.params == {
        "url": url, "name": "a.img", "checksum": f"sha256:{'0' * 64}", "checksum_url": "", "entry": ""
    }  # fmt: skip
    assert (operation.queue, operation.pool, operation.target_kind) == ("slow", pool, "pool")


def test_an_entry_of_the_catalogue_brings_its_checksum(client_alice: Client, pool: StoragePool) -> None:
    client_alice.post("/images/fetch/", {"entry": "debian13-x86_64", "pool": pool.pk})
    params = Operation.objects.get().params
    assert params["url"].endswith("/debian-13-genericcloud-amd64.qcow2")
    assert params["checksum_url"].endswith("/SHA512SUMS")
    assert client_alice.post("/images/fetch/", {"entry": "nothing", "pool": pool.pk}).status_code == 400


def test_who_may_not_fetch_is_not_offered_it(pool: StoragePool, mallory: User) -> None:
    assert {"image.fetch", "pool.upload"} <= role_privileges("editor") - role_privileges("operator")
    grant(mallory, "operator", pool=pool)
    client = sign_in(mallory)
    assert "Fetch" not in client.get("/images/").content.decode()
    sent = client.post("/images/fetch/", {"url": "https://x.org/a.img", "pool": pool.pk})
    assert sent.status_code == 400 and not Operation.objects.exists()


def test_the_api_lists_shows_and_fetches(client_alice: Client, image: Image, pool: StoragePool) -> None:
    [item] = client_alice.get("/api/v1/images").json()["items"]
    assert item == client_alice.get(f"/api/v1/images/{image.pk}").json()
    assert item["copies"] == [
        {"volume": Volume.objects.get().pk, "name": "debian.iso", "pool": pool.pk, "pool_name": "default",
         "host": "host-a", "offered": False}
    ]  # fmt: skip
    assert {entry["os"] for entry in client_alice.get("/api/v1/catalogue").json()} >= {"debian13", "virtio-win"}
    wish = {"url": "https://x.org/a.img", "pool": pool.pk}
    key = {"HTTP_IDEMPOTENCY_KEY": "one"}
    first = client_alice.post("/api/v1/images", wish, content_type="application/json", **key)  # type: ignore[arg-type]
    again = client_alice.post("/api/v1/images", wish, content_type="application/json", **key)  # type: ignore[arg-type]
    assert first.status_code == 202, first.content
    assert first.json()["operation"]["id"] == again.json()["operation"]["id"]
    bad = client_alice.post("/api/v1/images", {**wish, "url": "file:///x"}, content_type="application/json")
    assert bad.status_code == 422


def test_a_disk_that_a_vm_writes_to_is_no_image(client_alice: Client, pool: StoragePool, alice: User) -> None:
    volume = Volume.objects.create(storage=pool.storage, name="disk", format="raw", owner=alice)
    assert client_alice.post(f"/volumes/{volume.pk}/image/").status_code == 302
    assert Operation.objects.get().kind == "image.check"
    Operation.objects.all().delete()
    from tests.conftest import make_vm
    from vms.errors import VolumeUsed

    volume.vms.add(make_vm(pool.host))
    with pytest.raises(VolumeUsed):
        images.check(Actor(alice), volume)
