"""What others do to a host shows on the dashboard by itself."""

from __future__ import annotations

import signal

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from tests.lab.web import Browser
from vms.libvirtxml import DomainXML


def test_a_suspend_at_the_hosts_prompt_is_told_to_open_pages(
    dashboard: Dashboard, running_guest: LabGuest, lab_host: LabHost
) -> None:
    guest = running_guest
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    browser = Browser(dashboard)
    with browser.live() as live:
        lab_host.virsh("suspend", guest.name)
        live.wait_for(f"vm:{vm}")
        dashboard.await_state(vm, "paused", within=5)
    assert "paused" in browser.page(f"/vms/{vm}/").lower()
    lab_host.virsh("resume", guest.name)


def test_a_vm_that_vanishes_keeps_its_page(dashboard: Dashboard, guests: Guests, lab_host: LabHost) -> None:
    guest = guests.make("vanishing")
    vm = dashboard.vm(guest.uuid)
    browser = Browser(dashboard)
    assert "vanishing" in browser.page(f"/vms/{vm}/")
    lab_host.virsh("undefine", guest.name)
    eventually(lambda: not dashboard.get(f"/vms/{vm}")["present"], "the dashboard knows that it is gone")
    page = browser.page(f"/vms/{vm}/")
    assert "vanishing" in page
    assert "gone since" in page.lower()
    refused = dashboard.post(f"/vms/{vm}/start")
    assert (refused.status, refused.body["code"]) == (409, "wrong_state")


def test_a_new_name_is_the_same_vm(dashboard: Dashboard, guests: Guests, lab_host: LabHost) -> None:
    guest = guests.make("old-name")
    vm = dashboard.vm(guest.uuid)
    lab_host.virsh("domrename", "old-name", "new-name")
    eventually(lambda: dashboard.get(f"/vms/{vm}")["name"] == "new-name", "the new name is shown")


def test_a_vm_with_only_spice_says_so_and_gets_a_vnc_screen_beside_it(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make("only-spice", graphics="spice", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    assert dashboard.get(f"/vms/{vm}")["graphics"] == ["spice"]
    refused = dashboard.post(f"/vms/{vm}/console", {"kind": "vnc", "mode": "drive"})
    assert (refused.status, refused.body["code"]) == (409, "no_console")

    dashboard.await_operation(dashboard.ask(vm, "add-screen"))
    next_boot = DomainXML.parse(guest.domain.XMLDesc(2))
    assert sorted(screen.type or "" for screen in next_boot.graphics) == ["spice", "vnc"]
    assert [screen.type for screen in DomainXML.parse(guest.domain.XMLDesc(0)).graphics] == ["spice"]

    dashboard.await_operation(dashboard.ask(vm, "force-off"))
    dashboard.await_operation(dashboard.ask(vm, "start"))
    eventually(lambda: "vnc" in dashboard.get(f"/vms/{vm}")["graphics"], "the screen is there after the next start")
    assert dashboard.post(f"/vms/{vm}/console", {"kind": "vnc", "mode": "drive"}).status == 200


def test_a_vm_without_a_screen_gets_one(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make("no-screen", graphics=None)
    vm = dashboard.vm(guest.uuid)
    assert dashboard.get(f"/vms/{vm}")["graphics"] == []
    dashboard.await_operation(dashboard.ask(vm, "add-screen"))
    dashboard.await_operation(dashboard.ask(vm, "start"))
    eventually(lambda: dashboard.get(f"/vms/{vm}")["graphics"] == ["vnc"], "its screen is known")
    assert dashboard.post(f"/vms/{vm}/console", {"kind": "vnc", "mode": "drive"}).status == 200


def test_libvirtd_that_is_killed_and_comes_back_is_heard_again(
    dashboard: Dashboard, running_guest: LabGuest, lab_host: LabHost
) -> None:
    guest = running_guest
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    lab_host.restart_libvirtd(signal.SIGKILL)
    lab_host.virsh("suspend", guest.name)
    dashboard.await_state(vm, "paused", within=30)
    [host] = dashboard.get("/hosts")["items"]
    eventually(lambda: dashboard.get(f"/hosts/{host['id']}")["answering"], "the host is heard again")
    lab_host.virsh("resume", guest.name)
