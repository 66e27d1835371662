"""The CD that installs a VM is offered for ejection when that has started anew, and not before."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.grants import grant
from vms.models import AuditEvent, Document, Operation, Role, RolePrivilege, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
DRIVE: dict[str, Any] = {"target": "sda", "bus": "sata", "device": "cdrom", "format": "raw", "source": "p/debian.iso"}


@pytest.fixture
def installing(vm: VirtualMachine) -> VirtualMachine:
    """Made to install from a CD, and started anew since."""
    VirtualMachine.objects.filter(pk=vm.pk).update(installs_from="p/debian.iso", restarted_at=timezone.now())
    Document.objects.update(facts={"disks": [{**DRIVE, "device": "disk"}, DRIVE, {**DRIVE, "target": "sdb"}]})
    return vm


def header(client: Client, vm: VirtualMachine) -> str:
    return client.get(f"/vms/{vm.pk}/header").content.decode()


def test_it_is_offered(client_alice: Client, installing: VirtualMachine) -> None:
    text = header(client_alice, installing)
    assert "debian.iso" in text and 'name="drive" value="sda"' in text
    sent = client_alice.post(f"/vms/{installing.pk}/eject/", {"drive": "sda"})
    assert sent.status_code == 302
    assert Operation.objects.get().params == {"drive": "sda"}
    assert "installed" not in header(client_alice, installing), "its ejection is under way"


@pytest.mark.parametrize(
    "change",
    [{"restarted_at": None}, {"installs_from": ""}, {"installs_from": "p/another.iso"}],
    ids=["not started anew", "kept", "out"],
)
def test_it_is_not_offered(client_alice: Client, installing: VirtualMachine, change: dict[str, Any]) -> None:
    VirtualMachine.objects.update(**change)
    assert "eject/" not in header(client_alice, installing)


def test_only_who_may_change_media_is_asked(mallory: User, client_mallory: Client, installing: VirtualMachine) -> None:
    grant(mallory, "operator", on=installing)
    assert "eject/" not in header(client_mallory, installing)
    assert client_mallory.post(f"/vms/{installing.pk}/eject/", {"drive": "sda"}).status_code == 403
    assert client_mallory.post(f"/vms/{installing.pk}/keep-cd/").status_code == 403
    grant(mallory, "editor", on=installing)
    assert "debian.iso" in header(client_mallory, installing)


def test_who_may_not_read_its_definition_is_not_told_what_lies_in_it(
    mallory: User, client_mallory: Client, installing: VirtualMachine
) -> None:
    role = Role.objects.create(name="media")
    for name in ("vm.view", "vm.media"):
        RolePrivilege.objects.create(role=role, name=name)
    grant(mallory, "media", on=installing)
    text = header(client_mallory, installing)
    assert "eject/" in text and "debian.iso" not in text


def test_it_is_left_in(client_alice: Client, installing: VirtualMachine) -> None:
    assert client_alice.post(f"/vms/{installing.pk}/keep-cd/", headers={"HX-Request": "true"}).status_code == 204
    assert "eject/" not in header(client_alice, installing)
    assert AuditEvent.objects.filter(action="kept:cd").exists()


def test_each_cd_can_be_ejected(client_alice: Client, installing: VirtualMachine) -> None:
    text = client_alice.get(f"/vms/{installing.pk}/").content.decode()
    assert "Eject the CD in sda" in text and "Eject the CD in sdb" in text
    Document.objects.update(facts={"disks": [{**DRIVE, "source": ""}]})
    assert "Eject the CD in" not in client_alice.get(f"/vms/{installing.pk}/").content.decode()
