"""The page of advice, and the forms that it leads to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, sign_in
from tests.data.shapes import MACHINE
from tests.grants import grant
from tests.metrics.emptied import emptied
from tests.metrics.weeks import IDLE, week
from vms.models import Document, Host, LeftAlone, Operation, Placement, StoragePool, User, VirtualMachine, Volume

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
BUSY = {"cpu": 6.0, "net_in": 1e6}


@pytest.fixture(autouse=True)
def store(db: None) -> Iterator[None]:
    yield from emptied()


@pytest.fixture
def sleepy(host: Host) -> VirtualMachine:
    vm = make_vm(host, "sleepy")
    week(vm.pk, IDLE)
    return vm


def read(client: Client) -> str:
    return client.get("/advice/").content.decode()


def test_it_can_be_left_alone_and_given_again(client_alice: Client, sleepy: VirtualMachine) -> None:
    text = read(client_alice)
    assert "sleepy" in text and "frees 2 processors, 1 GiB of memory" in text
    assert f'formaction="/vms/{sleepy.pk}/shutdown/"' in text
    assert client_alice.post(f"/advice/idle-{sleepy.pk}/leave/")["Location"] == "/advice/"
    text = read(client_alice)
    assert "alice left it alone" in text and "Shut down" not in text and "Nothing to be said" in text
    client_alice.post(f"/advice/idle-{sleepy.pk}/take-back/")
    assert not LeftAlone.objects.exists() and "Shut down" in read(client_alice)


def test_who_may_only_look_is_offered_nothing(mallory: User, sleepy: VirtualMachine) -> None:
    grant(mallory, "viewer", sleepy)
    text = read(sign_in(mallory))
    assert "sleepy" in text and "Leave it alone" not in text and "Shut down" not in text


def test_nothing_changes_by_looking(client_alice: Client, sleepy: VirtualMachine) -> None:
    for verb in ("leave", "take-back"):
        assert client_alice.get(f"/advice/idle-{sleepy.pk}/{verb}/").status_code == 405
    assert not LeftAlone.objects.exists()


def test_another_size_is_the_form_filled_in_with_what_it_changes(client_alice: Client, host: Host) -> None:
    vm = make_vm(host, "large", "shut_off", vcpus=2, memory_kib=1 << 20)
    Document.objects.filter(placement__vm=vm).update(next_boot=MACHINE)
    Placement.objects.filter(vm=vm).update(state="running")
    week(vm.pk, BUSY, {"cpu": 10.0})
    address = f"/vms/{vm.pk}/hardware/?part=cpu&cpus=1&apply=next"
    assert address.replace("&", "&amp;") in read(client_alice)
    text = client_alice.get(address).content.decode()
    assert 'id="id_cpus" value="1"' in text and "Processors: 2 → 1" in text and "lines of XML change" in text
    assert not Operation.objects.exists()
    # What others write into an address is judged as what one types.
    for given in ("0", "-1", "x", "99999", ""):
        text = client_alice.get(f"/vms/{vm.pk}/hardware/?part=cpu&cpus={given}").content.decode()
        assert "lines of XML change" not in text, given
    assert "lines of XML change" not in client_alice.get(f"/vms/{vm.pk}/hardware/?part=cpu&cpus=2").content.decode()


def test_a_volume_is_deleted_by_its_own_question(client_alice: Client, host: Host) -> None:
    pool = StoragePool.objects.create(host=host, uuid=UUID(int=1), name="default", active=True)
    volume = Volume.objects.create(
        storage=pool.storage, name="left", allocation_bytes=1 << 30, changed_at=timezone.now() - timedelta(days=9)
    )
    text = read(client_alice)
    assert f'href="/volumes/{volume.pk}/delete/"' in text and "default / left" in text
    assert client_alice.get(f"/volumes/{volume.pk}/delete/").status_code == 200
