"""The pages on which a VM comes out of an archive."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from tests.services.test_create import ground
from vms.models import Archive, Host, Network, Operation, StoragePool, User, Volume

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
TOLD = {
    "name": "Web <b>1</b>", "system": "Debian GNU/Linux 12 (64-bit)", "cpus": 2, "memory_mib": 256, "firmware": "bios",
    "disks": [
        {"file": "a.vmdk", "format": "vmdk", "size_bytes": 40 << 20}, {"file": "", "format": "", "size_bytes": 1 << 30},
    ],
    "cards": [{"model": "E1000", "network": "<i>LAN</i>"}, {"model": "E1000", "network": ""}],
    "controllers": ["lsilogic"], "left_out": ["floppy", "sound"],
}  # fmt: skip


@pytest.fixture
def pool(host: Host) -> StoragePool:
    return ground(host)


@pytest.fixture
def volume(pool: StoragePool, alice: User) -> Volume:
    return Volume.objects.create(storage=pool.storage, name="web.ova", format="raw", owner=alice)


@pytest.fixture
def archive(volume: Volume) -> Archive:
    return Archive.objects.create(volume=volume, told=TOLD)


def test_what_can_be_imported(client_alice: Client, pool: StoragePool) -> None:
    assert "no OVA archive" in client_alice.get("/vms/import/").content.decode()
    for name, format in (("a.ova", "raw"), ("b.vmdk", "vmdk"), ("c.qcow2", "qcow2")):
        Volume.objects.create(storage=pool.storage, name=name, format=format)
    text = client_alice.get("/vms/import/").content.decode()
    assert "a.ova" in text and "b.vmdk" in text and "c.qcow2" not in text


def test_it_is_read_first(client_alice: Client, volume: Volume) -> None:
    path = f"/volumes/{volume.pk}/import/"
    assert "Read what is in it" in client_alice.get(path).content.decode()
    assert client_alice.post(f"/volumes/{volume.pk}/archive/").headers["Location"] == path
    operation = Operation.objects.get()
    assert operation.kind == "archive.read"
    assert "reading what is in it" in client_alice.get(path).content.decode()


def test_what_it_says_is_shown_and_is_text(client_alice: Client, volume: Volume, archive: Archive) -> None:
    text = client_alice.get(f"/volumes/{volume.pk}/import/").content.decode()
    assert "<b>1</b>" not in text and "<i>LAN</i>" not in text
    for words in ("Web-b-1-b", "a.vmdk", "an empty disk", "lsilogic", "floppy drive, sound card", "E1000"):
        assert words in text, words
    # Two cards, on the first network that he may use, and what comes of it.
    assert text.count("address by the network nat") == 1 and "Debian 12" in text


def test_it_is_asked_for_as_it_was_entered(client_alice: Client, volume: Volume, archive: Archive) -> None:
    network = Network.objects.get()
    sent = {
        "name": "new", "cpus": "1", "memory": "128", "os": "", "firmware": "", "careful": "on", "pool": "",
        "card-0": str(network.pk), "card-1": "none", "disk-0": "on", "only": "1",
    }  # fmt: skip
    answer = client_alice.post(f"/volumes/{volume.pk}/import/", sent)
    operation = Operation.objects.get(kind="vm.import")
    assert answer.headers["Location"] == f"/vms/{operation.target_id}/"
    params = operation.params
    assert (params["networks"], params["start"], params["careful"], params["memory_mib"]) == (
        [network.pk], False, True, 128,
    )  # fmt: skip
    [disk] = params["disks"]
    assert (disk["packed"], disk["number"], disk["name"]) == (volume.pk, 0, "new.qcow2")


def test_what_does_not_fit_is_said_at_its_field(client_alice: Client, volume: Volume, archive: Archive) -> None:
    sent = {"name": "a b", "cpus": "1", "memory": "128", "disk-0": "on"}
    answer = client_alice.post(f"/volumes/{volume.pk}/import/", sent)
    assert answer.status_code == 400 and "field-error" in answer.content.decode()
    assert not Operation.objects.exists()
    preview = client_alice.post(f"/volumes/{volume.pk}/import/preview", {**sent, "name": "a"})
    assert "<strong><bdi>a</bdi></strong>" in preview.content.decode()


def test_without_a_network_there_is_nothing_to_choose(client_alice: Client, volume: Volume, archive: Archive) -> None:
    Network.objects.update(active=False)
    text = client_alice.get(f"/volumes/{volume.pk}/import/").content.decode()
    assert "so it gets no card" in text and "card-0" not in text
    answer = client_alice.post(f"/volumes/{volume.pk}/import/", {"name": "new", "cpus": "1", "memory": "128"})
    assert answer.status_code == 302 and Operation.objects.get().params["networks"] == []


def test_its_page_leads_there(client_alice: Client, volume: Volume, archive: Archive) -> None:
    text = client_alice.get(f"/volumes/{volume.pk}/").content.decode()
    assert f"/volumes/{volume.pk}/import/" in text and "Use as an image" not in text
    other = Volume.objects.create(storage=volume.storage, name="plain", format="raw", owner=volume.owner)
    assert "/import/" not in client_alice.get(f"/volumes/{other.pk}/").content.decode()


def test_a_qcow2_goes_where_it_can_be_kept(client_alice: Client, volume: Volume, archive: Archive, host: Host) -> None:
    StoragePool.objects.create(host=host, uuid=uuid.uuid4(), name="blocks-only", type="logical", active=True)
    archive.told["disks"][0]["format"] = "qcow2"
    archive.save()
    assert "blocks-only" not in client_alice.get(f"/volumes/{volume.pk}/import/").content.decode()
