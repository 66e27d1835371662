"""Virtual networks: one description, the document that is made of it or changed by it, and what a document says."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address, ip_interface, ip_network
from typing import Any, Final, Self

from lxml import etree

from vms.libvirtxml.document import BadXML, parse, serialize
from vms.libvirtxml.lenses import Int, Text

Subnet = IPv4Network | IPv6Network
Faults = dict[str, str]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}\Z")
# IFNAMSIZ leaves 15 letters.
DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}\Z")
DOMAIN: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")
MAC: Final = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}\Z")
# KiB a second; more than any card has.
FASTEST: Final = 1 << 27
MOST_LINES: Final = 200
# Those that have a bridge that libvirt makes, with addresses of its own.
OWN: Final = ("nat", "route", "open", "isolated")
MODES: Final = (*OWN, "bridge", "direct", "ovs")
# What ordinary cards carry, so that a guest can use no address but its own.
CLEAN_TRAFFIC: Final = "clean-traffic"


class BadNetwork(ValueError):
    """What is described cannot be; faults: {field: code}."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(", ".join(sorted(faults)))
        self.faults = faults


@dataclass(frozen=True)
class NetworkSpec:
    """A network as people describe it; "" for what it has not.

    mode: libvirt's forward mode, "isolated" for none, "direct" for macvtap on a card, "ovs" for a bridge of Open
    vSwitch. bridge: the host's bridge that
    it uses; device: the host's card that it uses. ipv4, ipv6: the host's own address there, with the prefix
    ("192.168.50.1/24"). *_start, *_end: what DHCP gives. domain: the names' last part. forwarders: the servers that are
    asked for other names, with blanks between. hosts: lines of an address and its names. inbound, outbound: KiB a
    second, of all guests together. vlans: of Open vSwitch, lines of a port group's name and its tags.
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
# What libvirt writes into a running network whose definition says nothing.
USUAL_PORTS: Final = {"start": "1024", "end": "65535"}
# What only a network with its own bridge has.
OWN_FIELDS: Final = (
    "ipv4", "dhcp4_start", "dhcp4_end", "ipv6", "dhcp6_start", "dhcp6_end", "domain", "forwarders", "hosts",
)  # fmt: skip


@dataclass(frozen=True)
class FixedLease:
    """An address that a guest gets always: by its MAC (IPv4), or by name alone (IPv6)."""

    mac: str
    address: str
    name: str = ""


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
            FixedLease(str(host.get("mac") or "").lower(), str(host.get("ip") or ""), str(host.get("name") or ""))
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


def described(document: NetworkXML) -> NetworkSpec:
    """What the document says in the description's words; what it has beside them is not in it."""
    four, six = document.ip(4), document.ip(6)
    ranges = [(child(ip, "dhcp/range", "start"), child(ip, "dhcp/range", "end")) for ip in (four, six)]
    hosts = [
        " ".join([str(host.get("ip") or ""), *(name.text or "" for name in host.iterfind("hostname"))])
        for host in document.element.iterfind("dns/host")
    ]
    forwarders = [str(each.get("addr")) for each in document.element.iterfind("dns/forwarder") if is_plain(each)]
    groups = [
        " ".join([str(group.get("name") or ""), *(str(tag.get("id")) for tag in group.iterfind("vlan/tag"))])
        for group in document.element.iterfind("portgroup")
    ]
    return NetworkSpec(
        name=(document.name or "").strip(),
        mode=document.mode,
        bridge=document.bridge or "",
        device=document.device or child(document.element, "forward/interface", "dev"),
        ipv4=own_address(four),
        dhcp4_start=ranges[0][0],
        dhcp4_end=ranges[0][1],
        ipv6=own_address(six),
        dhcp6_start=ranges[1][0],
        dhcp6_end=ranges[1][1],
        domain=document.domain or "",
        forwarders=" ".join(forwarders),
        hosts="\n".join(hosts),
        inbound=str(document.inbound or ""),
        outbound=str(document.outbound or ""),
        vlans="\n".join(groups),
    )


def is_plain(forwarder: etree._Element) -> bool:
    """Whether it is asked for all names."""
    return bool(forwarder.get("addr")) and not forwarder.get("domain")


def child(element: etree._Element | None, path: str, attribute: str) -> str:
    found = element.find(path) if element is not None else None
    return str(found.get(attribute) or "") if found is not None else ""


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


def made_network(spec: NetworkSpec) -> str:
    """The document that is defined."""
    root = etree.Element("network")
    etree.SubElement(root, "name").text = spec.name
    document = NetworkXML(root)
    if spec.mode != "isolated":
        etree.SubElement(root, "forward").set("mode", "bridge" if spec.mode not in OWN else spec.mode)
    if spec.mode in OWN:
        # Without a name libvirt takes a free one.
        bridge = etree.SubElement(root, "bridge")
        bridge.set("stp", "on")
        bridge.set("delay", "0")
    elif spec.bridge:
        etree.SubElement(root, "bridge").set("name", spec.bridge)
    if spec.mode == "ovs":
        etree.SubElement(root, "virtualport").set("type", "openvswitch")
        for number, line in enumerate(spec.vlans.splitlines()):
            root.append(port_group(line.split(), first=number == 0))
    change_network(document, spec)
    etree.indent(root)
    return document.text


def port_group(words: list[str], *, first: bool) -> etree._Element:
    group = etree.Element("portgroup", name=words[0])
    if first:
        group.set("default", "yes")
    vlan = etree.SubElement(group, "vlan")
    if len(words) > 2:
        vlan.set("trunk", "yes")
    for tag in words[1:]:
        etree.SubElement(vlan, "tag").set("id", tag)
    return group


def change_network(document: NetworkXML, spec: NetworkSpec) -> None:
    """Let the document say what the description says, in place; all that the description has no word for stays."""
    before = described(document)
    if spec.device != before.device:
        set_device(document, spec)
    document.inbound = int(spec.inbound) if spec.inbound else None
    document.outbound = int(spec.outbound) if spec.outbound else None
    drop_empty(document.element, "bandwidth")
    if spec.domain != before.domain:
        set_domain(document, spec.domain)
    if spec.forwarders.split() != before.forwarders.split():
        set_forwarders(document, spec.forwarders.split())
    if host_lines(spec.hosts) != host_lines(before.hosts):
        set_hosts(document, host_lines(spec.hosts))
    drop_empty(document.element, "dns")
    for family in (4, 6):
        set_ip(document, spec, before, family)


def set_device(document: NetworkXML, spec: NetworkSpec) -> None:
    """The host's card, in each of the two places where libvirt has it."""
    forward = document.element.find("forward")
    if forward is None:
        return
    for old in forward.findall("interface"):
        forward.remove(old)
    forward.attrib.pop("dev", "")
    if spec.device:
        forward.set("dev", spec.device)
        etree.SubElement(forward, "interface").set("dev", spec.device)


def set_domain(document: NetworkXML, name: str) -> None:
    document.domain = name or None
    there = document.element.find("domain")
    if there is None:
        return
    if not name:
        document.element.remove(there)
    elif there.get("localOnly") is None:
        # What is not known here is nobody's: the names of guests are not asked for in the world.
        there.set("localOnly", "yes")


def drop_empty(root: etree._Element, tag: str) -> None:
    there = root.find(tag)
    if there is None:
        return
    for speed in there.findall("inbound") + there.findall("outbound"):
        if not speed.attrib:
            there.remove(speed)
    if not there.attrib and not len(there):
        root.remove(there)


def dns_of(document: NetworkXML) -> etree._Element:
    found = document.element.find("dns")
    return found if found is not None else etree.SubElement(document.element, "dns")


def set_forwarders(document: NetworkXML, addresses: list[str]) -> None:
    dns = dns_of(document)
    for old in dns.findall("forwarder"):
        if is_plain(old):
            dns.remove(old)
    for place, address in enumerate(addresses):
        dns.insert(place, etree.Element("forwarder", addr=address))


def host_lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


def set_hosts(document: NetworkXML, lines: list[list[str]]) -> None:
    dns = dns_of(document)
    for old in dns.findall("host"):
        dns.remove(old)
    for address, *names in lines:
        dns.append(dns_host(address, names))


def dns_host(address: str, names: list[str]) -> etree._Element:
    host = etree.Element("host", ip=address)
    for name in names:
        etree.SubElement(host, "hostname").text = name
    return host


def set_ip(document: NetworkXML, spec: NetworkSpec, before: NetworkSpec, family: int) -> None:
    """The host's address and what DHCP gives; fixed leases and further ranges stay."""
    wanted, had = ([getattr(each, name) for name in names_of(family)] for each in (spec, before))
    if wanted == had:
        return
    own, start, end = wanted
    ip = document.ip(family)
    if not own:
        if ip is not None:
            document.element.remove(ip)
        return
    if ip is None:
        ip = etree.SubElement(document.element, "ip")
        if family == 6:
            ip.set("family", "ipv6")
    if own != had[0]:
        address, _, prefix = own.partition("/")
        ip.attrib.pop("netmask", "")
        ip.set("address", address)
        ip.set("prefix", prefix)
    set_range(ip, start, end)


def names_of(family: int) -> tuple[str, str, str]:
    return f"ipv{family}", f"dhcp{family}_start", f"dhcp{family}_end"


def set_range(ip: etree._Element, start: str, end: str) -> None:
    dhcp, there = ip.find("dhcp"), ip.find("dhcp/range")
    if not start:
        if dhcp is not None and there is not None:
            dhcp.remove(there)
        if dhcp is not None and not len(dhcp):
            ip.remove(dhcp)
        return
    if dhcp is None:
        dhcp = etree.SubElement(ip, "dhcp")
    if there is None:
        there = etree.Element("range")
        dhcp.insert(0, there)
    there.set("start", start)
    there.set("end", end)


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


@dataclass(frozen=True)
class Update:
    """One thing that libvirt changes in a running network. what: a section of virNetworkUpdate ("range", "lease",
    "dns_host", "portgroup"); place: which <ip> it is in, -1 for none."""

    add: bool
    what: str
    place: int
    text: str


SECTIONS: Final = {"range": "ip/dhcp/range", "lease": "ip/dhcp/host", "dns_host": "dns/host", "portgroup": "portgroup"}


def updates(live: NetworkXML, wanted: NetworkXML) -> list[Update]:
    """What makes the running network like the wanted one, as far as libvirt can while it runs: deleted first."""
    found: list[Update] = []
    for what in SECTIONS:
        there, will = entries(live, what), entries(wanted, what)
        found += [Update(False, what, place, text) for place, text in there if (place, text) not in will]
        found += [Update(True, what, place, text) for place, text in will if (place, text) not in there]
    return sorted(found, key=lambda update: update.add)


def entries(document: NetworkXML, what: str) -> list[tuple[int, str]]:
    """(which <ip>, the element's text) of each of them."""
    if not SECTIONS[what].startswith("ip/"):
        return [(-1, bare(element)) for element in document.element.iterfind(SECTIONS[what])]
    inner = SECTIONS[what].partition("/")[2]
    return [
        (place, bare(element))
        for place, ip in enumerate(document.element.iterfind("ip"))
        for element in ip.iterfind(inner)
    ]


def bare(element: etree._Element) -> str:
    """The element's text without the blanks around and in it."""
    copy = parse(etree.tostring(element, encoding="unicode", with_tail=False))
    for each in copy.iter():
        each.tail = None
        if len(each) and not (each.text or "").strip():
            each.text = None
    return serialize(copy)


def alike(first: str, second: str) -> bool:
    """Whether two documents of one network say the same, but for what libvirt fills in while it runs."""
    try:
        return settled(first) == settled(second)
    except BadXML:
        return False


def settled(text: str) -> list[str]:
    """The lines that people wrote."""
    root = NetworkXML.parse(text).element
    root.attrib.pop("connections", "")
    for forward in root.iterfind("forward"):
        for nat in forward.findall("nat"):
            if not nat.attrib and [dict(each.attrib) for each in nat] == [USUAL_PORTS]:
                forward.remove(nat)
        for interface in forward.iterfind("interface"):
            interface.attrib.pop("connections", "")
    return sorted(facts_in(root, ""))


def facts_in(element: etree._Element, path: str) -> Iterator[str]:
    here = f"{path}/{element.tag}"
    told = sorted(f"{key!s}={value!s}" for key, value in element.attrib.items())
    yield f"{here} {' '.join(told)} {(element.text or '').strip()}"
    for each in element:
        if isinstance(each.tag, str):
            yield from facts_in(each, here)
