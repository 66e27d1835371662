"""A definition as libvirt reads it: without comments, text joined, and what can be written in two ways in one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Final

from lxml import etree

from vms.libvirtxml.document import BadXML
from vms.libvirtxml.lenses import KIB, text_of

Way = tuple[str, ...]

# Deeper and more than any definition, and few enough for those who go through them. Attributes count too.
DEEPEST: Final = 100
MOST: Final = 30_000


@dataclass(frozen=True)
class Node:
    """An element with what is in it. Two whose digests are the same differ in nothing but the order in which
    children of different names stand. A name or attribute in a namespace is written {namespace}name."""

    tag: str
    attributes: Mapping[str, str]
    text: str
    children: tuple[Node, ...]
    digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        children = [child.digest for child in sorted(self.children, key=lambda child: child.tag)]
        told = repr((self.tag, sorted(self.attributes.items()), self.text, children))
        object.__setattr__(self, "digest", blake2b(told.encode()).digest())

    def get(self, name: str) -> str | None:
        return self.attributes.get(name)

    def named(self, tag: str) -> list[Node]:
        """The children of that name."""
        return self.by_name.get(tag, [])

    @cached_property
    def by_name(self) -> dict[str, list[Node]]:
        """The children of each name."""
        found: dict[str, list[Node]] = {}
        for child in self.children:
            found.setdefault(child.tag, []).append(child)
        return found

    def but(self, **values: str | None) -> Node:
        """The same with those attributes; None takes one away."""
        attributes = {**self.attributes, **values}
        return replace(self, attributes={name: value for name, value in attributes.items() if value is not None})


def canonical(element: etree._Element, way: Way = ()) -> Node:
    """The node of an element; way is where it stands below the root. BadXML for what is neither element nor comment,
    and for what lies too deep."""
    if len(way) > DEEPEST:
        raise BadXML(f"elements lie deeper than {DEEPEST}")
    children = []
    for child in element:
        if isinstance(child, etree._ProcessingInstruction | etree._Entity):
            raise BadXML("only elements and comments are taken")
        if not isinstance(child, etree._Comment):
            children.append(canonical(child, (*way, str(child.tag))))
    text = text_of(element)
    node = Node(
        str(element.tag),
        {str(name): str(value) for name, value in element.attrib.items()},
        "" if text.isspace() else text,
        tuple(children),
    )
    return SAID_IN_ONE_WAY[way](node) if way in SAID_IN_ONE_WAY else node


def size(node: Node) -> Node:
    """In KiB, rounded up as libvirt does."""
    factor = KIB.get(node.get("unit") or "KiB")
    if factor is None or not (node.text.isascii() and node.text.isdigit() and len(node.text) < 19):
        return node
    return replace(node.but(unit=None), text=str(math.ceil(int(node.text) * factor)))


def disk(node: Node) -> Node:
    return node.but(type=node.get("type") or "file", device=node.get("device") or "disk")


def graphics(node: Node) -> Node:
    """Where it listens in its <listen> alone, and a port only where it is a chosen one."""
    if node.get("type") not in ("vnc", "spice"):
        return node
    listens = node.named("listen")
    if not listens:
        listens = [made_listen(node)]
        node = replace(node.but(listen=None, socket=None), children=(*node.children, *listens))
    elif listens[0].get("address") == node.get("listen"):
        node = node.but(listen=None)
    for name in ("port", "tlsPort"):
        port = node.get(name)
        if port == "-1" or (port is not None and port.isdecimal() and node.get("autoport") == "yes"):
            node = node.but(**{name: None})
    return node.but(autoport=None) if node.get("autoport") in ("yes", "no") else node


def made_listen(node: Node) -> Node:
    """What libvirt takes a screen without <listen> for; without an address, the one of the host's settings."""
    address, socket = node.get("listen"), node.get("socket")
    more = {"socket": socket} if socket else {"address": address} if address else {}
    return Node("listen", {"type": "socket" if socket else "address", **more}, "", ())


def devices(node: Node) -> Node:
    """The first console on a serial line is the first <serial> said again; libvirt writes both, whichever it got."""
    first, serials = next(iter(node.named("console")), None), node.named("serial")
    if first is None or any(target.get("type") not in (None, "serial") for target in first.named("target")):
        return node
    paths = [source.get("path") for source in first.named("source")]
    again = replace(first.but(tty=None) if first.get("tty") in paths else first, tag="serial")
    again = but_for(again, lambda child: is_plain(child, "target", "type", "port") or is_plain(child, "alias", "name"))
    if serials and but_for(serials[0], lambda child: child.tag in ("target", "alias")).digest != again.digest:
        return node
    kept = tuple(child for child in node.children if child is not first)
    return replace(node, children=kept if serials else (*kept, again))


def but_for(node: Node, goes: Callable[[Node], bool]) -> Node:
    """The same without some children."""
    return replace(node, children=tuple(child for child in node.children if not goes(child)))


def is_plain(node: Node, tag: str, *attributes: str) -> bool:
    """Whether it has that name and nothing but those attributes."""
    return node.tag == tag and node.attributes.keys() <= set(attributes) and not (node.text or node.children)


SAID_IN_ONE_WAY: Final[dict[Way, Callable[[Node], Node]]] = {
    ("memory",): size,
    ("currentMemory",): size,
    ("maxMemory",): size,
    ("devices",): devices,
    ("devices", "disk"): disk,
    ("devices", "graphics"): graphics,
    ("devices", "memory", "target", "size"): size,
}
