"""A network's document, and its subnets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from typing import Final, Self

from lxml import etree

from vms.libvirtxml.document import BadXML, parse, serialize
from vms.libvirtxml.lenses import Int, Text

Subnet = IPv4Network | IPv6Network

# What ordinary cards carry, so that a guest can use no address but its own.
CLEAN_TRAFFIC: Final = "clean-traffic"


@dataclass(frozen=True)
class FixedLease:
    """An address that a guest gets always: by its MAC (IPv4), by its DUID or by its name alone (IPv6)."""

    mac: str
    address: str
    name: str = ""
    duid: str = ""


class NetworkXML:
    """The document. parse() and text give back what was there but for what was set in between."""

    name = Text("name")
    uuid = Text("uuid")
    forward = Text("forward/@mode")
    device = Text("forward/@dev")
    bridge = Text("bridge/@name")
    virtual_port = Text("virtualport/@type")
    domain = Text("domain/@name")
    inbound = Int("bandwidth/inbound/@average")
    outbound = Int("bandwidth/outbound/@average")

    def __init__(self, element: etree._Element) -> None:
        self.element = element

    @classmethod
    def parse(cls, text: str) -> Self:
        """The document; BadXML where the text is none or the root is not <network>."""
        element = parse(text)
        if element.tag != "network":
            raise BadXML("the root element is not <network>")
        return cls(element)

    @property
    def text(self) -> str:
        return serialize(self.element)

    @property
    def mode(self) -> str:
        """libvirt's forward mode, "nat" where it is not said; "isolated" without one. Of "bridge", which says three
        things, "ovs" is with a bridge of Open vSwitch and "direct" with a card instead of a bridge (macvtap)."""
        if self.element.find("forward") is None:
            return "isolated"
        mode = self.forward or "nat"
        if mode != "bridge":
            return mode
        return "direct" if not self.bridge else "ovs" if self.virtual_port == "openvswitch" else mode

    def ip(self, family: int) -> etree._Element | None:
        """The first <ip> of IPv4 or IPv6."""
        return next((ip for ip in self.element.iterfind("ip") if family_of(ip) == family), None)

    @property
    def leases(self) -> list[FixedLease]:
        """Those that are fixed, in order."""
        found = self.element.iterfind("ip/dhcp/host")
        return [
            FixedLease(
                mac=str(host.get("mac") or "").lower(),
                address=str(host.get("ip") or ""),
                name=str(host.get("name") or ""),
                duid=str(host.get("id") or "").lower(),
            )
            for host in found
        ]

    @property
    def subnets(self) -> list[Subnet]:
        """What it has for its guests; routes to elsewhere are none of them."""
        return [subnet for ip in self.element.iterfind("ip") if (subnet := subnet_of(ip)) is not None]


def family_of(ip: etree._Element) -> int:
    return 6 if ip.get("family") == "ipv6" else 4


def subnet_of(ip: etree._Element) -> Subnet | None:
    """The subnet of an <ip>; None where it has no address or no prefix that can be."""
    own = own_address(ip)
    try:
        return ip_network(own, strict=False) if own else None
    except ValueError:
        return None


def own_address(ip: etree._Element | None) -> str:
    """The host's own address there with its prefix, "" for none."""
    if ip is None or not ip.get("address"):
        return ""
    address = str(ip.get("address"))
    told = ip.get("prefix") or ip.get("netmask")
    try:
        # Without either libvirt takes the class of the address (IPv4), or 64 bits.
        return str(ip_interface(f"{address}/{told or classful(address)}"))
    except ValueError:
        return ""


def classful(address: str) -> int:
    if ":" in address:
        return 64
    first = int(address.partition(".")[0])
    return 8 if first < 128 else 16 if first < 192 else 24


def overlapping(document: NetworkXML, others: Mapping[str, str]) -> str:
    """The name of the first of the others, {name: document}, whose subnet meets one of this one's; "" for none."""
    for name, text in others.items():
        try:
            theirs = NetworkXML.parse(text).subnets
        except BadXML:
            continue
        if any(ours.version == each.version and ours.overlaps(each) for ours in document.subnets for each in theirs):
            return name
    return ""


def free_subnet(taken: Collection[Subnet]) -> str:
    """The host's address in a private /24 that meets none of those, "" where all are taken."""
    for number in (*range(50, 255), *range(0, 50)):
        wanted = IPv4Network(f"192.168.{number}.0/24")
        if not any(each.version == 4 and each.overlaps(wanted) for each in taken):
            return f"192.168.{number}.1/24"
    return ""
