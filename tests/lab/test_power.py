"""Power, from the request over the API to what the guest says on its serial line."""

from __future__ import annotations

import time

import pytest

from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard


def test_one_life_from_start_to_shut_down(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make("one-life")
    vm = dashboard.vm(guest.uuid)

    dashboard.await_operation(dashboard.ask(vm, "start"))
    dashboard.await_state(vm, "running")
    guest.wait_for_boot(1)

    dashboard.await_operation(dashboard.ask(vm, "pause"))
    dashboard.await_state(vm, "paused")
    assert guest.stands_still()
    dashboard.await_operation(dashboard.ask(vm, "resume"))
    guest.wait_for_count()

    dashboard.await_operation(dashboard.ask(vm, "reset"))
    guest.wait_for_boot(2)

    dashboard.await_operation(dashboard.ask(vm, "reboot"))
    guest.wait_for_boot(3)

    dashboard.await_operation(dashboard.ask(vm, "shutdown"))
    dashboard.await_state(vm, "shut_off")
    assert guest.is_off()
    assert len(guest.boots()) == 3


def test_a_guest_that_ignores_shut_down_is_waited_for_and_force_off_works_at_once(
    dashboard: Dashboard, guests: Guests
) -> None:
    guest = guests.make("deaf-to-shutdown", obeys=False, start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    asked = dashboard.ask(vm, "shutdown")
    dashboard.await_operation(asked, "waiting")
    guest.wait_for_count()
    assert dashboard.operation(asked)["state"] == "waiting"

    began = time.monotonic()
    forced = dashboard.await_operation(dashboard.ask(vm, "force-off"))
    assert time.monotonic() - began < 10
    assert guest.is_off()
    dashboard.await_state(vm, "shut_off")
    ended = dashboard.operation(asked)
    assert (ended["state"], ended["superseded_by"]) == ("superseded", forced["id"])


def test_asking_again_takes_the_place_of_the_first_question(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make("asked-twice", obeys=False, start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    first = dashboard.ask(vm, "shutdown")
    dashboard.await_operation(first, "waiting")
    second = dashboard.ask(vm, "shutdown")
    dashboard.await_operation(second, "waiting")
    assert dashboard.operation(first)["state"] == "superseded"
    assert dashboard.post(f"/operations/{second}/cancel").status == 202
    assert dashboard.operation(second)["state"] == "cancelled"
    guest.wait_for_count()


def test_a_stopped_network_is_named_and_the_way_out_works(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost
) -> None:
    guest = guests.make("needs-its-network", network="default")
    vm = dashboard.vm(guest.uuid)
    failed = dashboard.await_operation(dashboard.ask(vm, "start"), "failed")
    assert failed["error"]["code"] == "network_stopped"
    assert failed["error"]["params"] == {"network": "default"}
    assert "default" in failed["error"]["detail"]
    assert guest.is_off()

    try:
        dashboard.await_operation(dashboard.ask(vm, "start-with-networks"))
        guest.wait_for_line("address 192.168.122.", within=60)
        eventually(lambda: dashboard.get(f"/vms/{vm}")["addresses"], "its address is shown", within=60)
    finally:
        lab_host.virsh("net-destroy", "default")


@pytest.mark.parametrize("verb", ["shutdown", "reboot", "reset", "force-off", "pause", "resume"])
def test_what_makes_no_sense_for_a_vm_that_is_off_is_refused(dashboard: Dashboard, guests: Guests, verb: str) -> None:
    vm = dashboard.vm(guests.make(f"off-{verb}").uuid)
    refused = dashboard.post(f"/vms/{vm}/{verb}")
    assert (refused.status, refused.body["code"]) == (409, "wrong_state")
