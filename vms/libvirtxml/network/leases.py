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
# RFC 8415: by link layer and time, by enterprise, by link layer, by UUID; as libvirt's schema has it.
DUID: Final = re.compile(
    r"00:(?:01:00:0[1-9a-f](?::[0-9a-f]{2}){10,12}|02(?::[0-9a-f]{2}){5,128}"
    r"|03:00:0[1-9a-f](?::[0-9a-f]{2}){6,8}|04(?::[0-9a-f]{2}){16})\Z"
)


def host_element(lease: FixedLease) -> etree._Element:
    host = etree.Element("host")
    for name, value in (("id", lease.duid), ("mac", lease.mac), ("name", lease.name), ("ip", lease.address)):
        if value:
            host.set(name, value)
    return host


def read_lease(values: Mapping[str, Any], document: NetworkXML) -> FixedLease:
    """The fixed lease that is described by mac, address and name, of IPv6 by duid instead of mac, or by name alone.
    BadNetwork tells what does not fit to the network."""
    mac, address, name, duid = (str(values.get(key, "")).strip() for key in ("mac", "address", "name", "duid"))
    mac, name, duid = mac.lower().replace("-", ":"), name.lower(), duid.lower()
    wrong: Faults = {}
    if mac and not MAC.match(mac):
        wrong["mac"] = "mac"
    if duid and not DUID.match(duid):
        wrong["duid"] = "duid"
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
        elif wanted.version == 4 and duid:
            wrong["duid"] = "not_here"
        elif wanted.version == 6 and mac:
            wrong["mac"] = "lease_ipv6"
        elif not (mac if wanted.version == 4 else duid or name):
            wrong["mac" if wanted.version == 4 else "duid"] = "missing"
        address = str(wanted)
    for known in document.leases:
        for field, value in (("mac", mac), ("duid", duid), ("name", name)):
            if value and value == getattr(known, field) and is_six(known.address) == is_six(address):
                wrong.setdefault(field, f"lease_{field}")
        if same_address(known.address, address):
            wrong.setdefault("address", "lease_address")
    if wrong:
        raise BadNetwork(wrong)
    return FixedLease(mac, address, name, duid)


def is_six(address: str) -> bool:
    return ":" in address


def same_address(one: str, other: str) -> bool:
    """Whether both are one address, which IPv6 writes in several ways."""
    try:
        return ip_address(one) == ip_address(other)
    except ValueError:
        return False


def fix_lease(document: NetworkXML, lease: FixedLease) -> None:
    """Put it into the subnet that its address is in."""
    wanted = ip_address(lease.address)
    for ip in document.element.iterfind("ip"):
        subnet = subnet_of(ip)
        if subnet is not None and wanted in subnet:
            dhcp = ip.find("dhcp")
            (dhcp if dhcp is not None else etree.SubElement(ip, "dhcp")).append(host_element(lease))
            return


def free_lease(document: NetworkXML, which: str) -> bool:
    """Take out the fixed lease of that MAC or address; False where there is none."""
    for dhcp in document.element.iterfind("ip/dhcp"):
        for host in dhcp.findall("host"):
            if str(host.get("mac") or "").lower() == which.lower() or same_address(str(host.get("ip") or ""), which):
                dhcp.remove(host)
                return True
    return False


def address_of(own: str) -> str:
    return own.partition("/")[0]
