"""A network's document in the words of the description, made of it, or changed by it in place."""

from __future__ import annotations

from lxml import etree

from vms.libvirtxml.network.document import NetworkXML, own_address
from vms.libvirtxml.network.spec import OWN, NetworkSpec


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
