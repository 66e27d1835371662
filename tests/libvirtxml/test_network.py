"""A network of every kind as its document, changed in place, and what a document says."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from vms.libvirtxml import (
    BadNetwork,
    BadXML,
    NetworkXML,
    alike,
    change_network,
    described,
    faults,
    filter_name,
    filters_used,
    fix_lease,
    free_lease,
    free_subnet,
    made_network,
    overlapping,
    read_lease,
    read_network,
    updates,
    with_uuid,
)

GOLDEN = Path(__file__).parent / "golden"
SPECS = {
    "nat": {
        "ipv4": "192.168.50.1/24", "dhcp4_start": "192.168.50.2", "dhcp4_end": "192.168.50.200",
        "domain": "lab.example", "forwarders": "192.0.2.53 2001:db8::53",
        "hosts": "192.168.50.9 printer printer.lab.example", "inbound": "1000", "outbound": "2000",
    },
    "nat-device": {"mode": "nat", "ipv4": "10.1.0.1/16", "device": "eth1"},
    "route": {
        "ipv4": "192.168.51.1/24", "ipv6": "fd00:51::1/64", "dhcp6_start": "fd00:51::100", "dhcp6_end": "fd00:51::1ff",
        "device": "eth0",
    },
    "open": {"ipv4": "192.168.52.1/24"},
    "isolated": {"ipv4": "192.168.53.1/24", "dhcp4_start": "192.168.53.2", "dhcp4_end": "192.168.53.9"},
    "isolated-bare": {"mode": "isolated"},
    "bridge": {"bridge": "br0"},
    "direct": {"device": "eth0"},
    "ovs": {"bridge": "ovsbr0", "vlans": "office 10\nall 10 20 30"},
}  # fmt: skip
# What no form has a word for stands in it, to stay.
STRANGE = """<network xmlns:dnsmasq="http://libvirt.org/schemas/network/dnsmasq/1.0" ipv6="yes">
  <name>old</name>
  <uuid>6a2c1c4e-0000-4000-8000-000000000001</uuid>
  <!-- by hand -->
  <forward mode="nat"><nat><port start="1024" end="65535"/></nat></forward>
  <bridge name="virbr7" stp="on" delay="0" macTableManager="libvirt"/>
  <dns><txt name="example" value="kept"/><forwarder domain="corp.example" addr="192.0.2.1"/></dns>
  <ip address="192.168.70.1" netmask="255.255.255.0">
    <tftp root="/srv/tftp"/>
    <dhcp>
      <range start="192.168.70.10" end="192.168.70.20"><lease expiry="2" unit="hours"/></range>
      <host mac="52:54:00:00:00:07" name="seven" ip="192.168.70.7"/>
      <bootp file="pxelinux.0"/>
    </dhcp>
  </ip>
  <route address="10.9.0.0" prefix="16" gateway="192.168.70.2"/>
  <dnsmasq:options><dnsmasq:option value="log-queries"/></dnsmasq:options>
</network>"""


def spec(name: str, **more: str) -> dict[str, str]:
    return {"mode": name, "name": "lab", **SPECS[name], **more}


@pytest.mark.parametrize("name", SPECS)
def test_a_network_of_each_kind_is_as_it_was_written_down_and_valid(name: str) -> None:
    wanted = read_network(spec(name))
    text = made_network(wanted)
    assert text == (GOLDEN / f"network-{name}.xml").read_text().rstrip("\n")
    assert faults(text) == []
    assert described(NetworkXML.parse(text)) == wanted
    assert alike(text, text)


@pytest.mark.parametrize(
    ("mode", "change", "wrong"),
    [
        ("nat", {"name": ""}, {"name": "missing"}),
        ("nat", {"name": "../x"}, {"name": "network_name"}),
        ("nat", {"mode": "hostdev"}, {"mode": "choice"}),
        ("nat", {"colour": "red"}, {"colour": "unknown"}),
        ("nat", {"bootp": "/etc/shadow"}, {"bootp": "unknown"}),
        ("nat", {"ipv4": "192.168.50.0/24"}, {"ipv4": "subnet_edge"}),
        ("nat", {"ipv4": "192.168.50.255/24"}, {"ipv4": "subnet_edge"}),
        ("nat", {"ipv4": "192.168.50.1"}, {"ipv4": "subnet"}),
        ("nat", {"ipv4": "192.168.50.1/31"}, {"ipv4": "subnet"}),
        ("nat", {"ipv4": "224.0.0.1/24"}, {"ipv4": "subnet_kind"}),
        ("nat", {"ipv4": "fd00::1/64"}, {"ipv4": "subnet"}),
        ("nat", {"ipv4": "", "dhcp4_start": "", "dhcp4_end": ""}, {"ipv4": "missing"}),
        ("nat", {"dhcp4_start": "192.168.51.2"}, {"dhcp4_start": "out_of_subnet"}),
        ("nat", {"dhcp4_end": ""}, {"dhcp4_end": "missing"}),
        ("nat", {"dhcp4_start": "192.168.50.1"}, {"dhcp4_start": "range_own"}),
        ("nat", {"dhcp4_start": "192.168.50.201"}, {"dhcp4_end": "range_order"}),
        ("nat", {"domain": "Lab Example"}, {"domain": "domain_name"}),
        ("nat", {"forwarders": "dns.example"}, {"forwarders": "ip_address"}),
        ("nat", {"hosts": "192.168.50.9"}, {"hosts": "dns_hosts"}),
        ("nat", {"hosts": "192.168.50.9 a\n192.168.50.9 b"}, {"hosts": "dns_hosts"}),
        ("nat", {"inbound": "0"}, {"inbound": "speed"}),
        ("nat", {"inbound": "-1"}, {"inbound": "speed"}),
        ("nat", {"inbound": "9" * 30}, {"inbound": "speed"}),
        ("nat", {"bridge": "br0"}, {"bridge": "not_here"}),
        ("bridge", {"bridge": ""}, {"bridge": "missing"}),
        ("bridge", {"bridge": "br0; reboot"}, {"bridge": "card"}),
        ("bridge", {"ipv4": "192.168.50.1/24"}, {"ipv4": "not_here"}),
        ("direct", {"device": ""}, {"device": "missing"}),
        ("direct", {"inbound": "5"}, {"inbound": "not_here"}),
        ("ovs", {"vlans": "office 4095"}, {"vlans": "vlans"}),
        ("open", {"device": "eth0"}, {"device": "not_here"}),
    ],
)
def test_what_does_not_fit_is_named(mode: str, change: dict[str, str], wrong: dict[str, str]) -> None:
    with pytest.raises(BadNetwork) as refused:
        read_network({**spec(mode), **change})
    assert refused.value.faults == wrong


def test_a_change_touches_what_it_names_and_nothing_else() -> None:
    document = NetworkXML.parse(STRANGE)
    said = described(document)
    change_network(document, said)
    assert document.text == NetworkXML.parse(STRANGE).text
    values = {**vars(said), "dhcp4_end": "192.168.70.30", "hosts": "192.168.70.5 five", "forwarders": "192.0.2.9",
              "bridge": "", "inbound": "500", "domain": "old.example"}  # fmt: skip
    change_network(document, read_network(values))
    text = document.text
    for kept in (
        "<!-- by hand -->", "log-queries", 'file="pxelinux.0"', 'value="kept"', 'unit="hours"', 'root="/srv/tftp"',
        'netmask="255.255.255.0"', 'domain="corp.example"', 'gateway="192.168.70.2"', 'name="seven"', 'name="virbr7"',
    ):  # fmt: skip
        assert kept in text, kept
    again = described(NetworkXML.parse(text))
    assert {name: getattr(again, name) for name in values if name != "bridge"} == {
        name: value for name, value in values.items() if name != "bridge"
    }
    change_network(document, read_network({**values, "inbound": "", "domain": "", "hosts": "", "forwarders": ""}))
    assert document.element.find("bandwidth") is None and document.element.find("domain") is None
    assert faults(document.text) == []


def test_an_address_is_fixed_once_and_let_go() -> None:
    document = NetworkXML.parse(STRANGE)
    lease = read_lease({"mac": "52-54-00-AA-00-01", "address": "192.168.70.8", "name": "Eight"}, document)
    fix_lease(document, lease)
    assert [(each.mac, each.address, each.name) for each in document.leases] == [
        ("52:54:00:00:00:07", "192.168.70.7", "seven"), ("52:54:00:aa:00:01", "192.168.70.8", "eight"),
    ]  # fmt: skip
    assert faults(document.text) == []
    for wrong, field, code in (
        ({"mac": "52:54:00:00:00:07"}, "mac", "lease_mac"), ({"mac": "53:54:00:00:00:09"}, "mac", "mac"),
        ({"address": "192.168.70.7"}, "address", "lease_address"),
        ({"address": "10.0.0.1"}, "address", "out_of_subnet"),
        ({"address": "192.168.70.1"}, "address", "range_own"), ({"name": "seven"}, "name", "lease_name"),
        ({"address": "fd00::1"}, "address", "out_of_subnet"),
    ):  # fmt: skip
        with pytest.raises(BadNetwork) as refused:
            read_lease({"mac": "52:54:00:00:00:0a", "address": "192.168.70.11", "name": "", **wrong}, document)
        assert refused.value.faults == {field: code}
    assert free_lease(document, "52:54:00:AA:00:01") and not free_lease(document, "52:54:00:aa:00:01")


DUID = "00:03:00:01:52:54:00:aa:00:01"


def test_an_address_of_ipv6_is_fixed_by_duid_or_by_name_alone() -> None:
    six = {"ipv6": "fd00:5::1/64", "dhcp6_start": "fd00:5::100", "dhcp6_end": "fd00:5::1ff"}
    document = NetworkXML.parse(made_network(read_network(spec("nat", **six))))
    fix_lease(document, read_lease({"duid": DUID.upper(), "address": "FD00:5:0::7", "name": "seven"}, document))
    fix_lease(document, read_lease({"name": "eight", "address": "fd00:5::8"}, document))
    # One guest has the same name for both.
    fix_lease(document, read_lease({"mac": "52:54:00:aa:00:01", "address": "192.168.50.7", "name": "seven"}, document))
    assert [(each.mac, each.duid, each.address, each.name) for each in document.leases] == [
        ("52:54:00:aa:00:01", "", "192.168.50.7", "seven"),
        ("", DUID, "fd00:5::7", "seven"), ("", "", "fd00:5::8", "eight"),
    ]  # fmt: skip
    assert faults(document.text) == []
    for wrong, field, code in (
        ({"duid": DUID}, "duid", "lease_duid"), ({"duid": "52:54:00:aa:00:01"}, "duid", "duid"),
        ({"duid": f"{DUID}\n00"}, "duid", "duid"), ({"duid": ""}, "duid", "missing"),
        ({"mac": "52:54:00:00:00:09"}, "mac", "lease_ipv6"), ({"name": "eight"}, "name", "lease_name"),
        ({"address": "fd00:5:0:0::8"}, "address", "lease_address"),
        ({"address": "fd00:5::1"}, "address", "range_own"), ({"address": "192.168.50.9"}, "duid", "not_here"),
    ):  # fmt: skip
        with pytest.raises(BadNetwork) as refused:
            read_lease({"duid": DUID[:-1] + "2", "address": "fd00:5::9", **wrong}, document)
        assert refused.value.faults == {field: code}, wrong
    assert free_lease(document, "fd00:5:0::7") and not free_lease(document, "fd00:5::7")
    assert [each.address for each in document.leases] == ["192.168.50.7", "fd00:5::8"]


@pytest.mark.parametrize(
    "duid", ["00:01:00:01:2a:3b:4c:5d:52:54:00:aa:00:01", "00:02:00:00:ab:11:1f", DUID, "00:04" + ":5a" * 16]
)
def test_each_kind_of_duid_is_one_to_the_schema(duid: str) -> None:
    six = {"ipv6": "fd00:5::1/64", "dhcp6_start": "fd00:5::100", "dhcp6_end": "fd00:5::1ff"}
    document = NetworkXML.parse(made_network(read_network(spec("nat", **six))))
    fix_lease(document, read_lease({"duid": duid, "address": "fd00:5::7"}, document))
    assert faults(document.text) == [] and document.leases[-1].duid == duid


def test_a_running_network_is_told_what_it_can_take() -> None:
    live, wanted = NetworkXML.parse(STRANGE), NetworkXML.parse(STRANGE)
    assert updates(live, wanted) == []
    fix_lease(wanted, read_lease({"mac": "52:54:00:aa:00:01", "address": "192.168.70.8"}, wanted))
    free_lease(wanted, "52:54:00:00:00:07")
    change_network(wanted, read_network({**vars(described(wanted)), "bridge": "", "hosts": "192.168.70.5 five"}))
    assert [(step.add, step.what, step.place) for step in updates(live, wanted)] == [
        (False, "lease", 0), (True, "lease", 0), (True, "dns_host", -1),
    ]  # fmt: skip
    assert not alike(live.text, wanted.text)


def test_what_libvirt_fills_in_is_no_difference() -> None:
    running = STRANGE.replace('ipv6="yes"', 'ipv6="yes" connections="2"')
    unsaid = STRANGE.replace('<nat><port start="1024" end="65535"/></nat>', "")
    assert alike(unsaid, running) and not alike(unsaid, running.replace("1024", "2048"))
    assert alike(STRANGE, running) and not alike(STRANGE, STRANGE.replace("virbr7", "virbr8"))


def test_subnets_that_meet_are_found_and_a_free_one_is_suggested() -> None:
    mine = NetworkXML.parse(made_network(read_network(spec("open", ipv4="192.168.0.1/16"))))
    bare = made_network(read_network(spec("bridge")))
    assert overlapping(mine, {"bad": "<a/>", "bare": bare, "old": STRANGE}) == "old"
    other = NetworkXML.parse(made_network(read_network(spec("route"))))
    assert overlapping(other, {"old": STRANGE}) == ""
    assert free_subnet([]) == "192.168.50.1/24"
    assert free_subnet([ip_network("192.168.48.0/22"), ip_network("fd00::/64")]) == "192.168.52.1/24"
    assert free_subnet([ip_network("192.168.0.0/16")]) == ""


FILTER = "<filter name='mine' chain='ipv4'><filterref filter='clean-traffic'/></filter>"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<filter", "xml"),
        ("<!DOCTYPE filter [<!ENTITY a 'b'>]>" + FILTER, "xml"),
        ("<network/>", "no_filter"),
        ("<filter name='mine'><rule action='explode' direction='out'/></filter>", "filter_schema"),
        ("<filter name='" + "a" * 81 + "' chain='ipv4'/>", "filter_name"),
    ],
)
def test_a_filter_that_is_none_is_refused(text: str, code: str) -> None:
    with pytest.raises(BadXML, match=f"^{code}$"):
        filter_name(text)


def test_a_filter_keeps_its_uuid_and_names_what_it_is_made_of() -> None:
    assert filter_name(FILTER) == "mine"
    assert filters_used(FILTER) == {"clean-traffic"} and filters_used("<") == set()
    uuid = "6a2c1c4e-0000-4000-8000-000000000001"
    assert faults(with_uuid(FILTER, uuid)) == []
    assert with_uuid(with_uuid(FILTER, "x"), uuid).count("uuid>") == 2
    assert "uuid" not in with_uuid(with_uuid(FILTER, uuid), "")
