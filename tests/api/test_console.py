"""Tickets by the API."""

from __future__ import annotations

import pytest

from tests.api.conftest import Program, problem
from tests.conftest import make_vm
from vms.models import ApiToken, Console, Host, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_it_gives_a_ticket_bound_to_the_token(program: Program, vm: VirtualMachine) -> None:
    response = program.post(f"/vms/{vm.pk}/console", {"kind": "vnc", "mode": "view"})
    body = response.json()
    assert response.status_code == 200 and set(body) == {"url", "ticket"}
    assert body["url"] == f"/console/{vm.pk}?ticket={body['ticket']}"
    console = Console.objects.get()
    assert (console.mode, console.token, console.session_key) == ("view", ApiToken.objects.get(), "")
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("body", [{"kind": "spice"}, {"mode": "both"}, {"kind": "vnc", "password": "x"}, [], 7])
def test_it_refuses_another_wish(program: Program, vm: VirtualMachine, body: object) -> None:
    problem(program.post(f"/vms/{vm.pk}/console", body), 422, "invalid")
    assert not Console.objects.exists()


def test_a_vm_without_such_a_screen_has_none(program: Program, host: Host) -> None:
    problem(program.post(f"/vms/{make_vm(host, graphics=['spice']).pk}/console", {}), 409, "no_console")
    problem(program.post(f"/vms/{make_vm(host, 'off', state='shut_off').pk}/console", {}), 409, "no_console")


def test_a_vm_that_one_may_not_see_is_not_there(stranger: Program, vm: VirtualMachine) -> None:
    problem(stranger.post(f"/vms/{vm.pk}/console", {}), 404, "not_there")
