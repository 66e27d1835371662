"""What the nodes that differ need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lxml import etree

from vms.libvirtxml.difference.allowed import ALLOWED, FILLED_IN, MANY, UNORDERED
from vms.libvirtxml.difference.canonical import MOST, Node, Way, canonical
from vms.libvirtxml.difference.lines import How, Table
from vms.libvirtxml.difference.pairing import identity, pair
from vms.libvirtxml.document import BadXML, parse

DEFINE: Final = "vm.define"
NOTHING: Final = ""
# A name may be as long as the document.
LONGEST: Final = 200

ASKED: Final = Table(ALLOWED)
ANSWERED: Final = Table((*FILLED_IN, *ALLOWED))

Change = Literal["added", "changed", "removed"]


@dataclass(frozen=True, order=True)
class Need:
    """A node that differs, as "devices/disk[vda]/source/@file", and the privilege for that."""

    privilege: str
    place: str
    how: Literal["added", "changed", "removed", "moved", "doubled"]


def difference(before: str | None, after: str) -> tuple[Need, ...]:
    """What it takes to make the domain's definition `after` out of `before`, None for none. In order, each once.

    Both are looked at with their secrets or both without. BadXML for what parse() does not take.
    """
    return told(walked(ASKED, before, after))


def strayed(before: str | None, answer: str) -> tuple[Need, ...]:
    """What needs vm.define in the definition that libvirt answers after it had `before`, but for what it fills in by
    itself."""
    return tuple(sorted({need for need in walked(ANSWERED, before, answer) if need.privilege == DEFINE}))


def filled(before: str | None, answer: str) -> tuple[Need, ...]:
    """The same with every privilege, of a definition of a run that libvirt made of one for a start."""
    return told(walked(ANSWERED, before, answer))


def told(needs: Iterable[Need]) -> tuple[Need, ...]:
    """Those that need anything, in order, each once."""
    return tuple(sorted({need for need in needs if need.privilege != NOTHING}))


def walked(table: Table, before: str | None, after: str) -> Iterator[Need]:
    old, new = (read(before) if before is not None else Node("domain", {}, "", ())), read(after)
    return Walk(table).both((), [new], old, new)


def read(text: str) -> Node:
    root = parse(text)
    if sum(1 + len(element.attrib) for element in root.iter(etree.Element)) > MOST:
        raise BadXML(f"more than {MOST} elements and attributes")
    if root.tag != "domain":
        raise BadXML("the root element is not <domain>")
    return canonical(root)


def uncovered(needs: Sequence[Need], held: frozenset[str]) -> list[Need]:
    """Those that the privileges do not cover, what equals root first; vm.define covers everything."""
    if DEFINE in held:
        return []
    return sorted((need for need in needs if need.privilege not in held), key=lambda need: need.privilege != DEFINE)


@dataclass(frozen=True)
class Walk:
    """Goes through two nodes at once. nodes are the elements from the root to here, as they will be; ways leave the
    root out."""

    table: Table

    def both(self, way: Way, nodes: list[Node], old: Node, new: Node) -> Iterator[Need]:
        """Of an element that is in both."""
        if old.digest == new.digest:
            return
        was, will = old.attributes, new.attributes
        for name in sorted({**was, **will}):
            if was.get(name) != will.get(name):
                how: Change = "added" if name not in was else "removed" if name not in will else "changed"
                yield self.need((*way, f"@{name}"), nodes, will.get(name, ""), how)
        if old.text != new.text:
            yield self.need(way, nodes, new.text, "changed")
        children, others = old.by_name, new.by_name
        for tag in sorted({**children, **others}):
            yield from self.children((*way, tag), nodes, children.get(tag, []), others.get(tag, []))

    def children(self, way: Way, nodes: list[Node], old: list[Node], new: list[Node]) -> Iterator[Need]:
        """Of all the elements of one name."""
        pairs = pair(old, new, way)
        found = [
            *(need for one, other in pairs.both for need in self.both(way, [*nodes, other], one, other)),
            *(need for node in pairs.gone for need in self.whole(way, [*nodes, node], "removed")),
            *(need for node in pairs.come for need in self.whole(way, [*nodes, node], "added")),
        ]
        yield from found
        if pairs.moved and way not in UNORDERED:
            node = [*nodes, pairs.both[0][1]]
            yield Need(self.privilege(way, node, "", "changed"), shown(way, node), "moved")
        # Readers disagree which of two counts where only one makes sense.
        if found and len(new) > 1 and way not in MANY and not self.table.is_below(way):
            yield Need(DEFINE, shown(way, [*nodes, new[1]]), "doubled")

    def whole(self, way: Way, nodes: list[Node], how: Literal["added", "removed"]) -> Iterator[Need]:
        """Of an element with all that is in it; where it needs vm.define itself, the rest is not asked about."""
        node = nodes[-1]
        if how == "removed" and (privilege := self.privilege(way, nodes, "", "whole")) != DEFINE:
            yield Need(privilege, shown(way, nodes), how)
            return
        need = self.need(way, nodes, node.text, how)
        yield need
        if need.privilege == DEFINE:
            return
        for name, value in node.attributes.items():
            yield self.need((*way, f"@{name}"), nodes, value, how)
        for tag, children in node.by_name.items():
            yield from self.children((*way, tag), nodes, *((children, []) if how == "removed" else ([], children)))

    def need(self, way: Way, nodes: list[Node], value: str, how: Change) -> Need:
        privilege = self.privilege(way, nodes, value, how)
        return Need(privilege, shown(way, nodes) if privilege != NOTHING else "", how)

    def privilege(self, way: Way, nodes: list[Node], value: str, how: How) -> str:
        found = self.table.privilege(way, nodes[1:], value, how)
        return DEFINE if found is None else found


def shown(way: Way, nodes: Sequence[Node]) -> str:
    """The way in words: namespaces left out, and of devices which one."""
    parts = [plain(name) for name in way]
    if len(way) > 1 and way[0] == "devices" and len(nodes) > 2 and (which := identity(nodes[2], way[:2])):
        parts[1] += f"[{which}]"
    return "/".join(parts)[:LONGEST] or "domain"


def plain(name: str) -> str:
    """Without its namespace."""
    return f"@{name[1:].rpartition('}')[2]}" if name.startswith("@") else name.rpartition("}")[2]
