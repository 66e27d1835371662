"""Addresses that a network gives always to the same guest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final

from lxml import etree

from vms.libvirtxml.network.document import FixedLease, NetworkXML, own_address, subnet_of
from vms.libvirtxml.network.spec import DOMAIN, BadNetwork, Faults, address_fault

MAC: Final = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}\Z")


def host_element(lease: FixedLease) -> etree._Element:
    host = etree.Element("host")
    for name, value in (("mac", lease.mac), ("name", lease.name), ("ip", lease.address)):
        if value:
            host.set(name, value)
    return host


def read_lease(values: Mapping[str, Any], document: NetworkXML) -> FixedLease:
    """The fixed lease that is described by mac, address and name. BadNetwork tells what does not fit to the network."""
    mac, address, name = (str(values.get(key, "")).strip() for key in ("mac", "address", "name"))
    mac, name = mac.lower().replace("-", ":"), name.lower()
    wrong: Faults = {}
    if not MAC.match(mac):
        wrong["mac"] = "mac"
    if name and not DOMAIN.match(name):
        wrong["name"] = "domain_name"
    if fault := address_fault(address):
        wrong["address"] = fault
    else:
        wanted = ip_address(address)
        there = document.ip(wanted.version)
        subnet = subnet_of(there) if there is not None else None
        if subnet is None or wanted not in subnet:
            wrong["address"] = "out_of_subnet"
        elif address_of(own_address(there)) == str(wanted):
            wrong["address"] = "range_own"
        elif wanted.version == 6:
            wrong["address"] = "lease_ipv6"
        address = str(wanted)
    for known in document.leases:
        if known.mac == mac:
            wrong.setdefault("mac", "lease_mac")
        if known.address == address:
            wrong.setdefault("address", "lease_address")
        if name and known.name == name:
            wrong.setdefault("name", "lease_name")
    if wrong:
        raise BadNetwork(wrong)
    return FixedLease(mac, address, name)


def fix_lease(document: NetworkXML, lease: FixedLease) -> None:
    """Put it into the subnet that its address is in."""
    wanted = ip_address(lease.address)
    for ip in document.element.iterfind("ip"):
        subnet = subnet_of(ip)
        if subnet is not None and wanted in subnet:
            dhcp = ip.find("dhcp")
            (dhcp if dhcp is not None else etree.SubElement(ip, "dhcp")).append(host_element(lease))
            return


def free_lease(document: NetworkXML, mac: str) -> bool:
    """Take out the fixed lease of that MAC; False where there is none."""
    for dhcp in document.element.iterfind("ip/dhcp"):
        for host in dhcp.findall("host"):
            if str(host.get("mac") or "").lower() == mac.lower():
                dhcp.remove(host)
                return True
    return False


def address_of(own: str) -> str:
    return own.partition("/")[0]
