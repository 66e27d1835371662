"""Tickets by the API."""

from __future__ import annotations

import pytest
from django.utils import timezone

from tests.api.conftest import Program, problem
from tests.conftest import make_vm
from vms.models import ApiToken, Console, Host, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_it_gives_a_ticket_bound_to_the_token(program: Program, vm: VirtualMachine) -> None:
    response = program.post(f"/vms/{vm.pk}/console", {"kind": "vnc", "mode": "view"})
    body = response.json()
    assert response.status_code == 200 and set(body) == {"url", "ticket", "console", "mode"}
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


@pytest.fixture
def serial(host: Host) -> VirtualMachine:
    return make_vm(host, "serial", graphics=[], serials=["serial0", "serial1"])


def test_a_ticket_for_a_serial_line(program: Program, serial: VirtualMachine) -> None:
    body = program.post(f"/vms/{serial.pk}/console", {"kind": "serial", "device": "serial1"}).json()
    console = Console.objects.get(pk=body["console"])
    assert (body["mode"], console.kind, console.device, console.force) == ("drive", "serial", "serial1", False)
    assert program.post(f"/vms/{serial.pk}/console", {"kind": "serial"}).json()["mode"] == "drive"
    assert Console.objects.latest("pk").device == "serial0"


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "vnc", "device": "serial0"},
        {"kind": "vnc", "force": True},
        {"kind": "serial", "mode": "view", "force": True},
        {"kind": "serial", "device": "x" * 41},
    ],
)
def test_a_wish_that_makes_no_sense(program: Program, serial: VirtualMachine, wish: object) -> None:
    assert program.post(f"/vms/{serial.pk}/console", wish).status_code == 422
    assert not Console.objects.exists()


@pytest.mark.parametrize("device", ["serial2", "/dev/pts/0", "../serial0", "serial0 "])
def test_only_a_device_that_the_vm_has(program: Program, serial: VirtualMachine, device: str) -> None:
    problem(program.post(f"/vms/{serial.pk}/console", {"kind": "serial", "device": device}), 409, "no_console")


def test_taking_over(program: Program, alice: User, serial: VirtualMachine) -> None:
    driver = Console.objects.create(
        user=alice, session_key="other", vm=serial, kind="serial", device="serial0", opened_at=timezone.now()
    )
    mine = program.post(f"/vms/{serial.pk}/console", {"kind": "serial"}).json()
    assert mine["mode"] == "view"
    taken = program.post(f"/vms/{serial.pk}/console/take-over", {"console": mine["console"]})
    assert (taken.status_code, taken.json()) == (200, {"console": mine["console"], "mode": "drive"})
    driver.refresh_from_db()
    assert (driver.mode, driver.taken_by) == ("view", alice)
    for other in (driver.pk, 0, 2**63):
        answer = program.post(f"/vms/{serial.pk}/console/take-over", {"console": other})
        assert answer.status_code == (409 if other == driver.pk else 422)


def test_a_vm_that_one_may_not_see_is_not_there(stranger: Program, vm: VirtualMachine) -> None:
    problem(stranger.post(f"/vms/{vm.pk}/console", {}), 404, "not_there")
