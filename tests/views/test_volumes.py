"""The pages of volumes: what they say, and what the forms lead to."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from tests.conftest import make_vm, sign_in
from tests.grants import grant
from vms import headers
from vms.models import Host, Operation, StoragePool, Upload, User, Volume
from vms.permissions import Actor
from vms.services import uploads
from vms.services.sentences import ARCHIVE_REASONS, field_sentence

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
MIB = 1 << 20


@pytest.fixture
def pool(host: Host) -> StoragePool:
    return StoragePool.objects.create(
        host=host, uuid=uuid.UUID(int=5), name="default", type="dir", path="/pool", active=True
    )


@pytest.fixture
def disk(pool: StoragePool, mallory: User) -> Volume:
    return Volume.objects.create(
        storage=pool.storage, name="disk", format="raw", capacity_bytes=2 * MIB, owner=mallory, path="/pool/disk"
    )


@pytest.fixture
def browser(mallory: User, pool: StoragePool) -> Client:
    grant(mallory, "creator", pool=pool)
    return sign_in(mallory)


def page(browser: Client, path: str, **sent: str) -> str:
    answer = browser.post(path, sent) if sent else browser.get(path)
    assert answer.status_code == 200, answer
    return answer.content.decode()


@pytest.mark.parametrize("type", ["dir", "logical"])
def test_the_forms_lead_to_what_was_asked_for(browser: Client, pool: StoragePool, disk: Volume, type: str) -> None:
    StoragePool.objects.update(type=type)
    shown = page(browser, f"/pools/{pool.pk}/volumes/add/")
    assert ("qcow2" in shown) == (type == "dir")
    browser.post(f"/pools/{pool.pk}/volumes/add/", {"name": "new", "size": "2", "format": "raw"})
    assert Operation.objects.get(kind="volume.create").params["size_bytes"] == 2 << 30
    browser.post(f"/volumes/{disk.pk}/clone/", {"name": "copy", "pool": str(pool.pk)})
    made = Operation.objects.get(kind="volume.clone")
    assert made.params == {"name": "copy", "pool": pool.pk}
    made.locks.all().delete()
    browser.post(f"/volumes/{disk.pk}/grow/", {"size": "1"})
    grown = Operation.objects.get(kind="volume.grow")
    grown.locks.all().delete()
    assert browser.post(f"/volumes/{disk.pk}/delete/").status_code == 200
    assert not Operation.objects.filter(kind="volume.delete").exists(), "it is asked before"
    browser.post(f"/volumes/{disk.pk}/delete/", {"confirmed": "1"})
    assert Operation.objects.filter(kind="volume.delete").exists()


def test_a_refusal_stands_at_its_field(browser: Client, pool: StoragePool, disk: Volume) -> None:
    assert "A letter or digit first" in page(
        browser, f"/pools/{pool.pk}/volumes/add/", name="-rf", size="1", format="raw"
    )
    assert "has this name already" in page(browser, f"/volumes/{disk.pk}/clone/", name="disk", pool=str(pool.pk))
    Volume.objects.update(capacity_bytes=5 << 30)
    assert "A volume only grows" in page(browser, f"/volumes/{disk.pk}/grow/", size="1")
    assert not Operation.objects.exists()


def test_a_page_names_only_what_its_reader_sees(browser: Client, pool: StoragePool, disk: Volume, host: Host) -> None:
    mine, hidden = make_vm(host, "my-own-vm"), make_vm(host, "hidden-vm")
    disk.vms.add(mine)
    grant(User.objects.get(username="mallory"), "owner", mine)
    assert "my-own-vm" in page(browser, f"/volumes/{disk.pk}/")
    disk.vms.add(hidden)
    assert browser.get(f"/volumes/{disk.pk}/").status_code == 404
    assert "/disk" not in page(browser, f"/pools/{pool.pk}/volumes/")
    assert "hidden-vm" not in page(browser, f"/pools/{pool.pk}/")


def test_what_is_refused_says_why(browser: Client, pool: StoragePool, disk: Volume) -> None:
    Volume.objects.update(state="refused", refusal="backing_file")
    shown = page(browser, f"/volumes/{disk.pk}/")
    assert "a layer over another file" in shown and "Clone" not in shown
    Volume.objects.update(state="ready", refusal="", told_format="qcow2")
    assert "its beginning is by now that of qcow2" in page(browser, f"/volumes/{disk.pk}/")
    for path in (f"/pools/{pool.pk}/", f"/pools/{pool.pk}/volumes/", f"/pools/{pool.pk}/volumes/?q=di&unused=1"):
        assert "disk" in page(browser, path)


@pytest.mark.parametrize("format", headers.FOREIGN)
def test_a_disk_that_no_vm_runs_from_says_what_to_do(
    browser: Client, pool: StoragePool, disk: Volume, mallory: User, format: str
) -> None:
    way_out = "qemu-img convert -O qcow2"
    assert way_out not in page(browser, f"/volumes/{disk.pk}/")
    Volume.objects.update(format=format)
    assert way_out in page(browser, f"/volumes/{disk.pk}/")
    assert way_out in field_sentence("vm_disk_packed") and way_out in ARCHIVE_REASONS["disk_kind"]
    grant(mallory, "editor", pool)
    assert way_out in page(browser, f"/pools/{pool.pk}/upload/")


def test_the_upload_that_brought_it_is_told_of(browser: Client, pool: StoragePool, disk: Volume, mallory: User) -> None:
    grant(mallory, "editor", pool)
    asked = []
    for number, brought in enumerate((disk, None)):
        upload, _ = uploads.ask(Actor(mallory), pool, name=f"new-{number}", size_bytes=MIB, format="raw")
        Upload.objects.filter(pk=upload.pk).update(volume=brought)
        Operation.objects.filter(pk=upload.operation_id).update(state="succeeded")
        asked.append(f"/operations/{upload.operation_id}/")
    shown = page(browser, f"/volumes/{disk.pk}/")
    assert asked[0] in shown and asked[1] not in shown


def test_a_volume_whose_pool_is_gone_still_has_its_page(browser: Client, pool: StoragePool, disk: Volume) -> None:
    StoragePool.objects.update(present=False)
    assert "disk" in page(browser, f"/volumes/{disk.pk}/")
    assert browser.post(f"/volumes/{disk.pk}/clone/", {"name": "x"}).status_code == 302
    assert browser.post(f"/volumes/{disk.pk}/check/").status_code == 302


def test_what_is_attached_to_nothing_says_so(browser: Client, pool: StoragePool, disk: Volume, host: Host) -> None:
    vm = make_vm(host, "web-07")
    assert "attached to nothing" in browser.get(f"/pools/{pool.pk}/").content.decode()
    Volume.objects.update(last_vm=vm)
    shown = browser.get(f"/volumes/{disk.pk}/").content.decode()
    assert "attached to no VM" in shown and "web-07" not in shown
    grant(User.objects.get(username="mallory"), "viewer", vm)
    assert f'The last that had it: <a href="/vms/{vm.pk}/">' in browser.get(f"/volumes/{disk.pk}/").content.decode()
    Volume.objects.create(storage=pool.storage, name="layer.qcow2", backing=disk, state="incomplete")
    assert "attached to nothing" not in browser.get(f"/pools/{pool.pk}/").content.decode()
