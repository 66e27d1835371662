"""Networks by the API on a real host, with its dnsmasq and a guest that asks it for an address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Answer, Dashboard

Add = Callable[..., dict[str, Any]]
OWN = {
    "name": "own",
    "mode": "nat",
    "ipv4": "192.168.61.1/24",
    "dhcp4_start": "192.168.61.2",
    "dhcp4_end": "192.168.61.99",
    "ipv6": "fd00:61::1/64",
    "dhcp6_start": "fd00:61::100",
    "dhcp6_end": "fd00:61::1ff",
}
# Of itself no filter can be made; libvirt alone sees that.
LOOP = "<filter name='lab-filter'><filterref filter='lab-filter'/></filter>"
DUID = "00:03:00:01:52:54:00:aa:00:01"


def end(dashboard: Dashboard, answer: Answer, *states: str) -> dict[str, Any]:
    """The operation that was asked for, ended."""
    assert answer.status == 202, answer.body
    return dashboard.await_operation(int(answer.body["operation"]["id"]), *states, within=60)


@pytest.fixture
def host_id(dashboard: Dashboard) -> int:
    return int(dashboard.get("/hosts")["items"][0]["id"])


def find(dashboard: Dashboard, name: str) -> dict[str, Any] | None:
    """The network as the dashboard knows it."""
    return next((each for each in dashboard.get("/networks?page_size=200")["items"] if each["name"] == name), None)


@pytest.fixture
def add(dashboard: Dashboard, lab_host: LabHost, host_id: int) -> Iterator[Add]:
    """add(spec): the network; what was made is gone after the test, whatever came of it."""

    def asked(spec: dict[str, str]) -> dict[str, Any]:
        ended = end(dashboard, dashboard.post(f"/hosts/{host_id}/networks", {"spec": spec}), "succeeded", "failed")
        assert ended["state"] == "succeeded", ended
        return eventually(lambda: find(dashboard, spec["name"]), "the network has a row")

    before = set(lab_host.virsh("net-list", "--all", "--name").split())
    yield asked
    connection = lab_host.connect()
    for network in connection.listAllNetworks():
        if network.name() not in before:
            if network.isActive():
                network.destroy()
            network.undefine()
    connection.close()


def test_a_guest_gets_the_address_that_is_fixed_for_it(
    dashboard: Dashboard, lab_host: LabHost, guests: Guests, add: Add
) -> None:
    known = add(OWN)
    assert (known["active"], known["autostart"], known["subnets"]) == (True, True, ["192.168.61.0/24", "fd00:61::/64"])
    assert known["bridge"].startswith("virbr")
    pk = known["id"]
    guest = guests.make("web", network="own")
    vm = dashboard.vm(guest.domain.UUIDString())
    [user] = eventually(lambda: dashboard.get(f"/networks/{pk}/users")["items"], "the VM is told as connected")
    assert (user["vm"], user["name"], user["now"], user["later"]) == (vm, guest.domain.name(), False, True)

    lease = {"mac": user["mac"], "address": "192.168.61.77", "name": "web"}
    end(dashboard, dashboard.post(f"/networks/{pk}/leases", lease))
    for which in ((), ("--inactive",)):
        assert "ip='192.168.61.77'" in lab_host.virsh("net-dumpxml", *which, "own")
    assert not dashboard.get(f"/networks/{pk}")["restart"]
    assert dashboard.post(f"/networks/{pk}/leases", lease).body["code"] == "bad_fields"
    end(dashboard, dashboard.post(f"/networks/{pk}/leases", {"duid": DUID, "address": "fd00:61::7", "name": "web"}))
    for which in ((), ("--inactive",)):
        assert f"id='{DUID}'" in lab_host.virsh("net-dumpxml", *which, "own")
    assert not dashboard.get(f"/networks/{pk}")["restart"]
    guest.start()
    guest.wait_for_line("address 192.168.61.77", within=60)
    told = eventually(
        lambda: next((each for each in dashboard.get(f"/networks/{pk}/leases")["items"] if each["active"]), None),
        "the lease is told", within=60,
    )  # fmt: skip
    assert (told["address"], told["fixed"], told["vm"]) == ("192.168.61.77", True, vm)
    [user] = dashboard.get(f"/networks/{pk}/users")["items"]
    assert (user["now"], user["later"], user["addresses"]) == (True, True, ["192.168.61.77"])
    # That a guest is in it is no change that waits for a restart.
    assert not dashboard.get(f"/networks/{pk}")["restart"]
    refused = dashboard.request("DELETE", f"/api/v1/networks/{pk}")
    assert (refused.status, refused.body["code"]) == (409, "network_in_use")

    # What DHCP gives and DNS says applies at once, the rest when it is restarted, and told so.
    changes = {"dhcp4_end": "192.168.61.199", "hosts": "192.168.61.9 printer"}
    end(dashboard, dashboard.request("PATCH", f"/api/v1/networks/{pk}", {"changes": changes}))
    live = lab_host.virsh("net-dumpxml", "own")
    assert "end='192.168.61.199'" in live and "<hostname>printer</hostname>" in live
    assert not dashboard.get(f"/networks/{pk}")["restart"]
    end(dashboard, dashboard.request("PATCH", f"/api/v1/networks/{pk}", {"changes": {"domain": "lab.example"}}))
    assert "lab.example" not in lab_host.virsh("net-dumpxml", "own")
    assert dashboard.get(f"/networks/{pk}")["restart"]
    for gone in (user["mac"], "fd00:61::7"):
        end(dashboard, dashboard.request("DELETE", f"/api/v1/networks/{pk}/leases/{gone}"))
    live = lab_host.virsh("net-dumpxml", "own")
    assert "192.168.61.77" not in live and DUID not in live


def test_each_mode_is_made_and_what_meets_another_subnet_is_refused(
    dashboard: Dashboard, lab_host: LabHost, add: Add, host_id: int
) -> None:
    lab_host.run("ip", "link", "add", "br-lab", "type", "bridge")
    try:
        made = [
            add({"name": mode, "mode": mode, "ipv4": f"192.168.{place}.1/24"})
            for place, mode in enumerate(("isolated", "route", "open"), start=62)
        ] + [
            add({"name": "lan", "mode": "bridge", "bridge": "br-lab"}),
            add({"name": "macvtap", "mode": "direct", "device": "br-lab"}),
        ]
        assert [each["mode"] for each in made] == ["isolated", "route", "open", "bridge", "direct"]
        assert all(each["active"] and not each["restart"] for each in made)
        wish = {"spec": {"name": "meets", "mode": "isolated", "ipv4": "192.168.0.1/16"}}
        refused = dashboard.post(f"/hosts/{host_id}/networks", wish)
        assert (refused.status, refused.body["code"]) == (409, "subnet_taken")
        pk = made[0]["id"]
        end(dashboard, dashboard.post(f"/networks/{pk}/stop"))
        assert not dashboard.get(f"/networks/{pk}")["active"]
        end(dashboard, dashboard.post(f"/networks/{pk}/start"))
        assert dashboard.get(f"/networks/{pk}")["active"]
        end(dashboard, dashboard.request("PATCH", f"/api/v1/networks/{pk}", {"changes": {"domain": "lab.example"}}))
        assert dashboard.get(f"/networks/{pk}")["restart"]
        end(dashboard, dashboard.post(f"/networks/{pk}/restart"))
        assert "lab.example" in lab_host.virsh("net-dumpxml", "isolated")
        assert not dashboard.get(f"/networks/{pk}")["restart"]
        end(dashboard, dashboard.request("PATCH", f"/api/v1/networks/{pk}", {"autostart": False}))
        assert "isolated" not in lab_host.virsh("net-list", "--all", "--autostart", "--name").split()
        assert not dashboard.get(f"/networks/{pk}")["autostart"]
        for each in made:
            end(dashboard, dashboard.request("DELETE", f"/api/v1/networks/{each['id']}"))
        assert not {each["name"] for each in made} & set(lab_host.virsh("net-list", "--all", "--name").split())
    finally:
        lab_host.run("ip", "link", "del", "br-lab")


def test_a_filter_is_set_changed_and_forgotten(dashboard: Dashboard, lab_host: LabHost, host_id: int) -> None:
    text = "<filter name='lab-filter' chain='ipv4'><rule action='drop' direction='out' priority='{}'/></filter>"
    for priority in (500, 400):
        end(dashboard, dashboard.post(f"/hosts/{host_id}/nwfilters", {"document": text.format(priority)}))
        assert f"priority='{priority}'" in lab_host.virsh("nwfilter-dumpxml", "lab-filter")

    def told() -> dict[str, Any] | None:
        rows = dashboard.get(f"/hosts/{host_id}/nwfilters")
        return next((row for row in rows if row["name"] == "lab-filter"), None)

    row = eventually(told, "the filter is told")
    where = f"/api/v1/hosts/{host_id}/nwfilters/{row['uuid']}"
    above = "<filter name='lab-above'><filterref filter='lab-filter'/></filter>"
    card = "<interface type='network'><source network='default'/><filterref filter='lab-filter'/></interface>"
    domain = (
        "<domain type='qemu'><name>behind-it</name><memory>1024</memory><os><type>hvm</type></os>"
        f"<devices>{card}</devices></domain>"
    )
    connection = lab_host.connect()
    for made in (connection.nwfilterDefineXML(above), connection.defineXML(domain)):
        try:
            refused = end(dashboard, dashboard.request("DELETE", where), "failed")
            assert (refused["error"]["code"], refused["error"]["params"]["user"]) == ("filter_in_use", made.name())
        finally:
            made.undefine()
    connection.close()
    strange = end(dashboard, dashboard.post(f"/hosts/{host_id}/nwfilters", {"document": LOOP}), "failed")
    assert strange["error"]["code"] == "host_refused" and strange["error"]["detail"]
    end(dashboard, dashboard.request("DELETE", where))
    assert "lab-filter" not in lab_host.virsh("nwfilter-list")
