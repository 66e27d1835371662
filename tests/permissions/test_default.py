"""The default is no, and what one may not see does not exist."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import Http404

from tests.conftest import make_vm
from vms import permissions
from vms.kinds.privileges import PRIVILEGES
from vms.models import Host, User, VirtualMachine


def test_an_administrator_may_everything(alice: User, vm: VirtualMachine) -> None:
    assert all(permissions.may(alice, privilege, vm) for privilege in PRIVILEGES)


def test_staff_and_superuser_answer_nothing(mallory: User, vm: VirtualMachine) -> None:
    assert not any(permissions.may(mallory, privilege, vm) for privilege in PRIVILEGES)


def test_a_disabled_administrator_may_nothing(alice: User, vm: VirtualMachine) -> None:
    alice.is_active = False
    assert not permissions.may(alice, "vm.view", vm)


def test_nobody_may_nothing() -> None:
    assert not permissions.may(None, "vm.view")
    assert not permissions.may(AnonymousUser(), "vm.view")


def test_a_privilege_that_does_not_exist_is_an_error(alice: User) -> None:
    with pytest.raises(ValueError, match="no such privilege"):
        permissions.may(alice, "vm.fly")


def test_what_one_may_not_see_answers_like_what_is_not_there(mallory: User, vm: VirtualMachine, host: Host) -> None:
    for pk in (vm.pk, 10**9):
        with pytest.raises(Http404):
            permissions.get_vm_or_404(mallory, pk)
    with pytest.raises(Http404):
        permissions.get_host_or_404(mallory, host.pk)
    assert permissions.visible_names(mallory, ["vm:1", "*"]) == []


def test_the_list_comes_in_one_query(alice: User, host: Host, django_assert_num_queries: pytest.FixtureRequest) -> None:
    for number in range(3):
        make_vm(host, f"vm-{number}")
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert [vm.placement.host.name for vm in permissions.visible_vms(alice) if vm.placement] == ["host-a"] * 3
