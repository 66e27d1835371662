"""A name gives nobody a right that who names could not give, and who makes a VM owns it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group

from tests.conftest import make_vm
from tests.grants import grant
from vms.errors import NameGivesRights
from vms.models import AuditEvent, Host, User, VirtualMachine
from vms.permissions import Actor, held
from vms.services import grants, selectors
from vms.services.sentences import sentence

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


def refused(who: User, vm: VirtualMachine, name: str) -> bool:
    try:
        selectors.refuse_name(Actor(who), vm, name)
    except NameGivesRights as error:
        assert name in sentence(error.code, error.params)
        return True
    return False


@pytest.mark.parametrize("on", [{"name": "dev-1"}, {"prefix": "dev-"}, {"prefix": "d"}])
def test_an_editor_names_no_vm_into_others_hands(
    carol: User, alice: User, mallory: User, vm: VirtualMachine, on: dict[str, Any]
) -> None:
    staff = Group.objects.create(name="staff")
    staff.user_set.add(mallory)
    grant(staff, "owner", **on)
    grant(carol, "editor", vm)
    assert refused(carol, vm, "dev-1")
    assert not refused(carol, vm, "DEV-1")
    assert not refused(carol, vm, "web-2")
    assert not refused(alice, vm, "dev-1")


def test_an_owner_may_give_by_a_name_what_he_has(carol: User, mallory: User, vm: VirtualMachine) -> None:
    grant(mallory, "owner", prefix="dev-")
    grant(carol, "owner", vm)
    assert not refused(carol, vm, "dev-1")


def test_who_reaches_it_already_gains_nothing(carol: User, mallory: User, vm: VirtualMachine) -> None:
    grant(mallory, "owner", prefix="dev-")
    grant(carol, "editor", vm)
    assert refused(carol, vm, "dev-1")
    grant(mallory, "owner", vm)
    assert not refused(carol, vm, "dev-1")


def test_who_makes_a_vm_owns_it_and_may_name_it_so(carol: User, mallory: User, host: Host) -> None:
    grant(mallory, "owner", prefix="dev-")
    made = make_vm(host, "new")
    assert refused(carol, made, "dev-1")
    grants.own(Actor(carol), made)
    assert "vm.delete" in held(carol, made)
    assert not refused(carol, made, "dev-1")
    event = AuditEvent.objects.get(action="gave:grant")
    assert (event.user_name, event.facts["to"], event.facts["role"]) == ("carol", "carol", "owner")
