"""Putting the secrets of a definition into a text that was made of its public form: each to the place where it was, and
nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Final, NamedTuple

from lxml import etree

from vms.libvirtxml.document import line_of, parse, serialize
from vms.libvirtxml.mask import DROPPED_ATTRIBUTES, OSINFO, SECRET, drop, mask_element, masked

LONGEST: Final = 200
PRETENDED: Final = "a-secret"


class Lost(NamedTuple):
    """A place where a secret's stand-in is and no secret was. line: in the text that was handed in."""

    line: int
    place: str


def grafted(secure: str, public: str, *, passwords: bool = True) -> tuple[str, list[Lost]]:
    """(the public text with the secrets of the secure one, the places for which there is none). passwords: screens keep
    theirs. BadXML as parse()."""
    kept, root = parse(secure), parse(public)
    for comment in list(kept.iter(etree.Comment)):
        drop(comment)
    shown = deepcopy(kept)
    for element in shown.iter(etree.Element):
        mask_element(element)
    if not passwords:
        for screen in kept.iterfind("devices/graphics"):
            for name in DROPPED_ATTRIBUTES & set(map(str, screen.attrib)):
                del screen.attrib[name]
    if root.tag == kept.tag:
        put(root, shown, kept)
        put_metadata(root, kept)
    literal = {one.place for one in lost(kept)}
    return serialize(root), [one for one in lost(root) if one.place not in literal]


def ungrafted(before: str, after: str) -> list[Lost]:
    """The places in the second public form for whose stand-ins the definition of the first will have no secret."""
    pretended, literal = parse(before), {one.place for one in lost(parse(before))}
    for element in pretended.iter(etree.Element):
        if element.text and SECRET in element.text:
            element.text = element.text.replace(SECRET, PRETENDED)
        for name, value in [(str(name), str(value)) for name, value in element.attrib.items() if value == SECRET]:
            element.set(name, value.replace(SECRET, PRETENDED))
    secure = serialize(pretended)
    literal -= {one.place for one in lost(masked(secure))}
    return [one for one in grafted(secure, after)[1] if one.place not in literal]


def stand_ins(text: str) -> list[Lost]:
    """The places where a secret's stand-in is."""
    return lost(parse(text))


def put(here: etree._Element, shown: etree._Element, kept: etree._Element) -> None:
    """Into one element and what is in it. shown: kept without its secrets."""
    for name, value in [(str(name), str(value)) for name, value in kept.attrib.items()]:
        dropped = name in DROPPED_ATTRIBUTES and name not in here.attrib
        if dropped or (here.get(name) == shown.get(name) != value and name in here.attrib):
            here.set(name, value)
    if (here.text or "") == (shown.text or "") != (kept.text or ""):
        here.text = kept.text
    for mine, theirs, secret in pairs(here, shown, kept):
        put(mine, theirs, secret)


def pairs(
    here: etree._Element, shown: etree._Element, kept: etree._Element
) -> Iterator[tuple[etree._Element, etree._Element, etree._Element]]:
    """The elements that are the same in both: of those of one name and key as many as there were."""
    mine = by_key(here)
    theirs = by_key(shown)
    secret = {id(one): other for one, other in zip(shown, kept, strict=True)}
    for key, ones in mine.items():
        others = theirs.get(key, [])
        if len(ones) == len(others):
            yield from ((one, other, secret[id(other)]) for one, other in zip(ones, others, strict=True))


def by_key(parent: etree._Element) -> dict[tuple[str, ...], list[etree._Element]]:
    """Its elements by name and by what tells them from others of it."""
    found: dict[tuple[str, ...], list[etree._Element]] = {}
    for element in parent.iterchildren(etree.Element):
        found.setdefault((str(element.tag), *key(element)), []).append(element)
    return found


def key(element: etree._Element) -> tuple[str, ...]:
    """Its type, and of disks where it is: what a disk's secret opens is the disk's."""
    if element.tag == "disk":
        target, source = element.find("target"), element.find("source")
        told = source.attrib.items() if source is not None else ()
        where = sorted((str(name), str(value)) for name, value in told if name != "query")
        return (str(element.get("type")), str(target.get("dev")) if target is not None else "", repr(where))
    return tuple(str(element.get(name) or "") for name in ("type", "name", "id"))


def put_metadata(root: etree._Element, kept: etree._Element) -> None:
    """What others keep in the metadata: whole, or not."""
    for element in [each for holder in root.iterfind("metadata") for each in holder.iterchildren(etree.Element)]:
        if str(element.tag).startswith(OSINFO) or element.text != SECRET or len(element) or element.attrib:
            continue
        there = [other for holder in kept.iterfind("metadata") for other in holder if other.tag == element.tag]
        parent = element.getparent()
        if len(there) == 1 and parent is not None:
            new = deepcopy(there[0])
            new.tail = element.tail
            parent.replace(element, new)


def lost(root: etree._Element) -> list[Lost]:
    found = []
    for element in root.iter(etree.Element):
        attributes = [(str(name), str(value)) for name, value in element.attrib.items()]
        values = [("", element.text or ""), *((f"/@{name}", value) for name, value in attributes)]
        found += [
            Lost(line_of(element), f"{way(element)}{name}"[:LONGEST])
            for name, value in values
            if value == SECRET or (element.tag == "cmdline" and f"={SECRET}" in value)
        ]
    return found


def way(element: etree._Element) -> str:
    names = [str(each.tag).rpartition("}")[2] for each in element.iterancestors()]
    return "/".join([*names[::-1][1:], str(element.tag).rpartition("}")[2]])
