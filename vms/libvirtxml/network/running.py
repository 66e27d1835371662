"""A network as it runs and as it is kept: what differs, and what libvirt can change while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from vms.libvirtxml.document import BadXML, parse, serialize
from vms.libvirtxml.network.document import NetworkXML

# What libvirt writes into a running network whose definition says nothing.
USUAL_PORTS: Final = {"start": "1024", "end": "65535"}


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
