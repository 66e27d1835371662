"""Where a domain's definition does not fit libvirt's schema. libxml2 blames all of <devices> for one word in it, so
each part is put by itself into a definition that fits, and what is wrong in it is found by leaving things out.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from typing import Final, NamedTuple

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.difference import difference
from vms.libvirtxml.document import BadXML, line_of, parse
from vms.libvirtxml.validate import faults, schema

# libxml2 takes time with the square of what stands in one element.
WIDEST: Final = 1_000
# Parts of a document that are looked at by themselves, elements and attributes of one that are left out in turn, and
# faults that are told.
PARTS: Final = 500
TRIES: Final = 300
MOST: Final = 20
LONGEST: Final = 80


class Fault(NamedTuple):
    """line: 0 where nobody can tell. code: "xml" and "schema", where said is the parser's own word; "attribute",
    "element" and "text", where it is what is not taken there; "twice", where it is the element."""

    line: int
    code: str
    said: str


def blame(text: str) -> list[Fault]:
    """What is wrong, [] for a definition that fits the schema, and where there is no schema to ask."""
    try:
        root = parse(text)
        if root.tag != "domain":
            return [Fault(line_of(root), "element", named(root))]
        refuse_wide(root)
        difference(None, text)
    except BadXML as bad:
        # The parser's message says the line once more.
        return [Fault(bad.line, "xml", str(bad).partition(", line ")[0].strip())]
    found, rules = faults(text), schema("domain")
    if not found or rules is None:
        return []
    told = [*islice(in_parts(rules, root), MOST), *doubled(rules, root)][:MOST]
    return told or [Fault(line, "schema", said) for line, said in found if line][:MOST]


def refuse_wide(root: etree._Element) -> None:
    """BadXML for an element with more in it than any definition has."""
    for element in root.iter(etree.Element):
        if len(element) > WIDEST or len(element.attrib) > WIDEST // 10:
            raise BadXML(f"more than {WIDEST} elements in one", line_of(element))


def in_parts(rules: etree.RelaxNG, root: etree._Element) -> Iterator[Fault]:
    """What is wrong with each part by itself: the root's attributes, and each element but <devices>, of which each."""
    bare = skeleton(root, attributes=False)
    if not rules.validate(bare):
        return
    if not rules.validate(skeleton(root)):
        yield from attributes_of(rules, root)
        return
    parts = [part for part in root if isinstance(part.tag, str) and part.tag != "devices"]
    for part in islice(parts, PARTS):
        frame = skeleton(root)
        for old in frame.findall(str(part.tag)):
            frame.remove(old)
        yield from in_part(rules, frame, frame, part)
    devices = [part for holder in root.findall("devices") for part in holder if isinstance(part.tag, str)]
    for part in islice(devices, PARTS):
        frame = skeleton(root)
        yield from in_part(rules, frame, etree.SubElement(frame, "devices"), part)


def skeleton(root: etree._Element, *, attributes: bool = True) -> etree._Element:
    """The least that fits."""
    kind = root.findtext("os/type") or "hvm"
    made: etree._Element = E.domain(
        E.name("a"), E.memory("1"), E.os(E.type(kind if kind.isalnum() else "hvm")), type="kvm"
    )  # fmt: skip
    for name, value in written(root) if attributes else ():
        made.set(name, value)
    return made


def attributes_of(rules: etree.RelaxNG, root: etree._Element) -> Iterator[Fault]:
    for name, value in written(root):
        frame = skeleton(root, attributes=False)
        frame.set(name, value)
        if not rules.validate(frame):
            yield Fault(line_of(root), "attribute", shown(name, value))


def in_part(
    rules: etree.RelaxNG, frame: etree._Element, holder: etree._Element, part: etree._Element
) -> Iterator[Fault]:  # fmt: skip
    """The least of the part that, left out, makes it fit; the part itself where several are wrong."""
    made = deepcopy(part)
    made.tail = None
    holder.append(made)
    if rules.validate(frame):
        return
    yield next(left_out(rules, frame, made), whole(part))


def left_out(rules: etree.RelaxNG, frame: etree._Element, part: etree._Element) -> Iterator[Fault]:
    """Attributes first, then elements, the deepest first."""
    elements = list(part.iter(etree.Element))
    if sum(1 + len(element.attrib) for element in elements) > TRIES:
        return
    for element in reversed(elements):
        for name, value in written(element):
            del element.attrib[name]
            fits = rules.validate(frame)
            element.set(name, value)
            if fits:
                yield Fault(line_of(element), "attribute", shown(name, value))
    for element in reversed(elements[1:]):
        parent = element.getparent()
        if parent is None:
            continue
        place = parent.index(element)
        parent.remove(element)
        fits = rules.validate(frame)
        parent.insert(place, element)
        if fits:
            yield whole(element)


def doubled(rules: etree.RelaxNG, root: etree._Element) -> Iterator[Fault]:
    """Those of the root that are there once too often."""
    first: dict[str, etree._Element] = {}
    for part in islice(root.iterchildren(etree.Element), PARTS):
        tag = str(part.tag)
        if tag in first and not fit_together(rules, root, first[tag], part):
            yield Fault(line_of(part), "twice", named(part))
        first.setdefault(tag, part)


def fit_together(rules: etree.RelaxNG, root: etree._Element, *parts: etree._Element) -> bool:
    """Whether several elements of one name are taken, as those of security labels are."""
    frame = skeleton(root)
    for old in frame.findall(str(parts[0].tag)):
        frame.remove(old)
    frame.extend(deepcopy(part) for part in parts)
    return bool(rules.validate(frame))


def whole(element: etree._Element) -> Fault:
    """It is not taken there."""
    text = len(element) == 0 and (element.text or "").strip()
    return Fault(line_of(element), "text" if text else "element", named(element))


def written(element: etree._Element) -> list[tuple[str, str]]:
    """Its attributes, to be changed meanwhile."""
    return [(str(name), str(value)) for name, value in element.attrib.items()]


def named(element: etree._Element) -> str:
    """ "<memory>1k</memory>", of one with others in it "<disk>"."""
    tag = str(element.tag).rpartition("}")[2]
    text = (element.text or "").strip() if len(element) == 0 else ""
    return f"<{tag}>{text[:LONGEST]}</{tag}>" if text else f"<{tag}>"


def shown(name: str, value: str) -> str:
    return f'{name.rpartition("}")[2]}="{value[:LONGEST]}"'
