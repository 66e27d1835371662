"""A network as people describe it, and what of that can be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Any, Final

Faults = dict[str, str]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}\Z")
# IFNAMSIZ leaves 15 letters.
DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}\Z")
DOMAIN: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")
# KiB a second; more than any card has.
FASTEST: Final = 1 << 27
MOST_LINES: Final = 200
# Those that have a bridge that libvirt makes, with addresses of its own.
OWN: Final = ("nat", "route", "open", "isolated")
MODES: Final = (*OWN, "bridge", "direct", "ovs")


class BadNetwork(ValueError):
    """What is described cannot be; faults: {field: code}."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(", ".join(sorted(faults)))
        self.faults = faults


@dataclass(frozen=True)
class NetworkSpec:
    """A network as people describe it; "" for what it has not.

    mode: libvirt's forward mode, "isolated" for none, "direct" for macvtap on a card, "ovs" for a bridge of Open
    vSwitch. bridge: the host's bridge that it uses; device: the host's card that it uses. ipv4, ipv6: the host's own
    address there, with the prefix ("192.168.50.1/24"). *_start, *_end: what DHCP gives. domain: the names' last part.
    forwarders: the servers that are asked for other names, with blanks between. hosts: lines of an address and its
    names. inbound, outbound: KiB a second, of all guests together. vlans: of Open vSwitch, lines of a port group's name
    and its tags.
    """

    name: str
    mode: str
    bridge: str = ""
    device: str = ""
    ipv4: str = ""
    dhcp4_start: str = ""
    dhcp4_end: str = ""
    ipv6: str = ""
    dhcp6_start: str = ""
    dhcp6_end: str = ""
    domain: str = ""
    forwarders: str = ""
    hosts: str = ""
    inbound: str = ""
    outbound: str = ""
    vlans: str = ""


FIELDS: Final = tuple(field.name for field in fields(NetworkSpec))
# What can be changed of one that is there.
CHANGED: Final = tuple(name for name in FIELDS if name not in ("name", "mode", "bridge", "vlans"))
# What only a network with its own bridge has.
OWN_FIELDS: Final = (
    "ipv4", "dhcp4_start", "dhcp4_end", "ipv6", "dhcp6_start", "dhcp6_end", "domain", "forwarders", "hosts",
)  # fmt: skip


def matching(pattern: re.Pattern[str], code: str) -> Callable[[str], str]:
    return lambda text: "" if pattern.match(text) else code


def interface_fault(text: str, kind: type[IPv4Interface] | type[IPv6Interface], prefixes: range) -> str:
    """The host's own address: one that a machine may have in its subnet."""
    try:
        own = kind(text)
    except ValueError:
        return "subnet"
    if "/" not in text or own.network.prefixlen not in prefixes:
        return "subnet"
    first, last = own.network.network_address, own.network.broadcast_address
    if own.ip == first or (own.version == 4 and own.ip == last):
        return "subnet_edge"
    return "subnet_kind" if own.is_multicast or own.is_loopback or own.is_unspecified else ""


def address_fault(text: str) -> str:
    try:
        ip_address(text)
    except ValueError:
        return "ip_address"
    return "" if "%" not in text else "ip_address"


def forwarders_fault(text: str) -> str:
    return next((fault for part in text.split() if (fault := address_fault(part))), "")


def hosts_fault(text: str) -> str:
    """Lines of an address and the names that it has."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    for address, *names in lines:
        if address_fault(address) or not names or not all(DOMAIN.match(name.lower()) for name in names):
            return "dns_hosts"
    doubled = len({line[0] for line in lines}) != len(lines)
    return "dns_hosts" if doubled or len(lines) > MOST_LINES else ""


def speed_fault(text: str) -> str:
    return "" if text.isascii() and text.isdigit() and 0 < int(text[:12]) <= FASTEST else "speed"


def vlans_fault(text: str) -> str:
    """Lines of a port group's name and its tags."""
    for line in text.splitlines():
        name, *tags = line.split() or [""]
        if not NAME.match(name) or not tags or not all(tag.isascii() and tag.isdigit() for tag in tags):
            return "vlans"
        if not all(0 < int(tag[:6]) < 4095 for tag in tags):
            return "vlans"
    return ""


CHECKS: Final[dict[str, Callable[[str], str]]] = {
    "name": matching(NAME, "network_name"),
    "mode": lambda text: "" if text in MODES else "choice",
    "bridge": matching(DEVICE, "card"),
    "device": matching(DEVICE, "card"),
    "ipv4": lambda text: interface_fault(text, IPv4Interface, range(8, 31)),
    "dhcp4_start": address_fault,
    "dhcp4_end": address_fault,
    "ipv6": lambda text: interface_fault(text, IPv6Interface, range(16, 127)),
    "dhcp6_start": address_fault,
    "dhcp6_end": address_fault,
    "domain": matching(DOMAIN, "domain_name"),
    "forwarders": forwarders_fault,
    "hosts": hosts_fault,
    "inbound": speed_fault,
    "outbound": speed_fault,
    "vlans": vlans_fault,
}


def read_network(values: Mapping[str, Any]) -> NetworkSpec:
    """What is described by the fields, all texts. BadNetwork tells what does not fit."""
    wrong: Faults = {}
    given = {name: value for name, value in values.items() if value != ""}
    for name, value in given.items():
        if name not in CHECKS:
            wrong[name] = "unknown"
        elif not isinstance(value, str):
            wrong[name] = "text"
        elif fault := CHECKS[name](value):
            wrong[name] = fault
    wrong |= {name: "missing" for name in ("name", "mode") if name not in given}
    if wrong:
        raise BadNetwork(wrong)
    spec = NetworkSpec(**given)
    if faults := together(spec):
        raise BadNetwork(faults)
    return spec


def together(spec: NetworkSpec) -> Faults:
    """What does not fit to the mode, or to the subnet."""
    wrong: Faults = {}
    if spec.mode in OWN:
        if spec.mode in ("nat", "route", "open") and not (spec.ipv4 or spec.ipv6):
            wrong["ipv4"] = "missing"
    else:
        wrong |= {name: "not_here" for name in OWN_FIELDS if getattr(spec, name)}
        needed = "device" if spec.mode == "direct" else "bridge"
        if not getattr(spec, needed):
            wrong[needed] = "missing"
    if spec.device and spec.mode not in ("nat", "route", "direct"):
        wrong["device"] = "not_here"
    if spec.mode not in ("bridge", "ovs") and spec.bridge:
        wrong["bridge"] = "not_here"
    if spec.vlans and spec.mode != "ovs":
        wrong["vlans"] = "not_here"
    if spec.mode in ("bridge", "direct", "ovs"):
        # libvirt sets them at the network's own bridge alone; these have none.
        wrong |= {name: "not_here" for name in ("inbound", "outbound") if getattr(spec, name)}
    return wrong | range_faults(spec, 4) | range_faults(spec, 6)


def range_faults(spec: NetworkSpec, family: int) -> Faults:
    """DHCP gives addresses of the subnet, first to last, without the host's own."""
    names = (f"dhcp{family}_start", f"dhcp{family}_end")
    start, end = (getattr(spec, name) for name in names)
    if not start and not end:
        return {}
    own = getattr(spec, f"ipv{family}")
    if not start or not end or not own:
        return {names[1] if start else names[0]: "missing"} if own else {f"ipv{family}": "missing"}
    there = ip_interface(own)
    first, last = ip_address(start), ip_address(end)
    wrong = {
        name: "out_of_subnet"
        for name, address in zip(names, (first, last), strict=True)
        if address.version != family or address not in there.network
    }
    if wrong:
        return wrong
    if int(first) > int(last):
        return {names[1]: "range_order"}
    return {names[0]: "range_own"} if int(first) <= int(there.ip) <= int(last) else {}
