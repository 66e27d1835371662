"""The differences, each once for what a person changes at once: memory, the processor, a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Final, Literal

from lxml import etree

from vms.libvirtxml.difference.canonical import MOST, Node, canonical
from vms.libvirtxml.difference.pairing import kind
from vms.libvirtxml.document import BadXML
from vms.libvirtxml.pending.runtime import cleaned, settle
from vms.libvirtxml.pending.settled import ASKED

# What one changes at once, by the names of the elements.
TOPICS: Final = {"currentMemory": "memory", "maxMemory": "memory"}
BOOT: Final = ("boot", "bootmenu")
# What libvirt adds beside what needs it, and takes away with it.
COMPANIONS: Final = ("controller", "hub", "audio", "panic")
# By what devices are told from others of their name: the element and attribute in them.
NAMED: Final = {
    "disk": ("target", "dev"),
    "interface": ("mac", "address"),
    "channel": ("target", "name"),
    "serial": ("target", "port"),
    "filesystem": ("target", "dir"),
}
# So many pairs of one name are compared each with each.
MOST_PAIRS: Final = 4096
MOST_PARTS: Final = 20
LONGEST: Final = 200
LONGEST_XML: Final = 4000

How = Literal["added", "changed", "removed"]


@dataclass(frozen=True)
class Part:
    """A node that differs, as "driver/@cache", and what it is in the run and in the next start, "" for nothing."""

    place: str
    was: str
    now: str


@dataclass(frozen=True)
class Change:
    """place: "memory", "boot", "devices/disk". which: of devices which one, "" where there is no telling. was and now:
    the XML in the run and in the next start, "" for nothing. unsure: vms.libvirtxml.pending.settled."""

    place: str
    which: str
    how: How
    parts: tuple[Part, ...]
    was: str
    now: str
    unsure: str = ""


def pending(run: etree._Element, then: etree._Element) -> tuple[Change, ...]:
    """The differences between the document of a run and that of the next start; both with secrets or both without.
    BadXML for what has more in it than any definition."""
    if any(sum(1 + len(each.attrib) for each in root.iter(etree.Element)) > MOST for root in (run, then)):
        raise BadXML(f"more than {MOST} elements and attributes")
    old, new = canonical(cleaned(deepcopy(run))), canonical(cleaned(deepcopy(then)))
    found = [*of_root(settle_root(old, new), new), *of_devices(devices(old), devices(new))]
    return tuple(but_companions(as_one("boot", found)))


def as_one(place: str, found: list[Change]) -> list[Change]:
    """The changes with those of this place put together: the order in which devices are started from stands at the
    root or at the devices, and an edit of it may move it from the one to the others."""
    these = [each for each in found if each.place == place]
    if len(these) < 2:
        return found
    hows = {each.how for each in these}
    made = replace(
        these[0],
        how=these[0].how if len(hows) == 1 else "changed",
        parts=tuple(part for each in these for part in each.parts)[:MOST_PARTS],
        was="\n".join(filter(None, (each.was for each in these)))[:LONGEST_XML],
        now="\n".join(filter(None, (each.now for each in these)))[:LONGEST_XML],
    )
    return [made if each is these[0] else each for each in found if each is these[0] or each.place != place]


def settle_root(old: Node, new: Node) -> Node:
    """Without its devices, which are paired otherwise."""
    return settle(replace(old, children=tuple(each for each in old.children if each.tag != "devices")), new)


def devices(root: Node) -> list[Node]:
    return [device for holder in root.named("devices") for device in holder.children]


def of_root(old: Node, new: Node) -> Iterator[Change]:
    """All but the devices themselves; the order in which they are started from is of the root."""
    if old.attributes != new.attributes:
        yield change("domain", "", replace(old, children=()), replace(new, children=()))
    was, now = topics(old), topics(new)
    for topic in sorted({*was, *now}):
        one, other = was.get(topic, ()), now.get(topic, ())
        if [node.digest for node in one] == [node.digest for node in other]:
            continue
        found = change(topic, "", holder(topic, one), holder(topic, other))
        yield replace(found, unsure=unsure(topic, one, other))


def topics(root: Node) -> dict[str, tuple[Node, ...]]:
    found: dict[str, tuple[Node, ...]] = {}
    for node in sorted(root.children, key=lambda child: child.tag):
        if node.tag == "devices":
            continue
        parts = [(TOPICS.get(node.tag, node.tag), node)]
        if node.tag == "os":
            rest = tuple(child for child in node.children if child.tag not in BOOT)
            parts = [("os", replace(node, children=rest))]
            parts += [("boot", child) for child in node.children if child.tag in BOOT]
        for topic, part in parts:
            found[topic] = (*found.get(topic, ()), part)
    return found


def holder(topic: str, nodes: tuple[Node, ...]) -> Node | None:
    """One node for them: themselves where there is one."""
    if len(nodes) == 1 and topic == nodes[0].tag:
        return nodes[0]
    return Node("", {}, "", nodes) if nodes else None


def unsure(topic: str, old: tuple[Node, ...], new: tuple[Node, ...]) -> str:
    """By what it is settled whether somebody asked for it, "" where these two say it."""
    if topic == "memory":
        sizes = [{node.tag: node.digest for node in nodes if node.tag != "currentMemory"} for nodes in (old, new)]
        return "currentMemory" if sizes[0] == sizes[1] else ""
    if topic == "cpu" and old and old[0].get("mode") == "custom" and old[0].get("check") == "full":
        asked = [[part.digest for cpu in nodes for part in cpu.children if part.tag in ASKED] for nodes in (old, new)]
        return "cpu" if asked[0] == asked[1] else ""
    return ""


def of_devices(old: list[Node], new: list[Node]) -> Iterator[Change]:
    """Each device once; the order in which they are started from is one change of its own."""
    orders = [
        [(node.tag, which(node), boot.get("order")) for node in nodes for boot in node.named("boot")]
        for nodes in (old, new)
    ]
    found: list[Change] = []
    for tag in dict.fromkeys(node.tag for node in (*old, *new)):
        found += of_name(tag, *([bare(node) for node in nodes if node.tag == tag] for nodes in (old, new)))
    yield from found
    gone = {(each.place.partition("/")[2], each.which) for each in found if each.how != "changed"}
    was, now = ([each for each in order if (each[0], each[1]) not in gone] for order in orders)
    if was != now:
        yield change("boot", "", *(holder("boot", tuple(ordered(*each) for each in order)) for order in (was, now)))


def ordered(tag: str, name: str, order: str | None) -> Node:
    return Node(tag, {**({"which": name} if name else {}), "order": order or ""}, "", ())


def bare(node: Node) -> Node:
    """Without its place in the order of starting."""
    return replace(node, children=tuple(child for child in node.children if child.tag != "boot"))


def which(node: Node) -> str:
    """By what a device is told from others of its name, "" where there is nothing."""
    if node.tag in NAMED:
        tag, name = NAMED[node.tag]
        return next((found.get(name) or "" for found in node.named(tag)), "")
    return node.get("type") or "" if node.tag in ("graphics", "input") else ""


def of_name(tag: str, old: list[Node], new: list[Node]) -> Iterator[Change]:
    """Of the devices of one name."""
    place = f"devices/{tag}"
    pairs = paired(old, new)
    for at, one in enumerate(old):
        if at not in pairs:
            yield change(place, which(one), settled(one, Node(tag, {}, "", ())), None)
        elif settled(one, new[pairs[at]]).digest != new[pairs[at]].digest:
            other = new[pairs[at]]
            yield change(place, which(other) or which(one), settled(one, other), other)
    for at in sorted(set(range(len(new))) - set(pairs.values())):
        yield change(place, which(new[at]), None, new[at])


def settled(one: Node, other: Node) -> Node:
    return settle(one, other, ("devices", one.tag), (Node("devices", {}, "", ()), one))


def paired(old: list[Node], new: list[Node]) -> dict[int, int]:
    """{place of one in the run: of the same in the next start}: first what is the same, then what has the same name,
    then what could have been made of it."""
    pairs: dict[int, int] = {}

    def match(fits: Callable[[Node, Node], bool]) -> None:
        for at, one in enumerate(old):
            free = [place for place in range(len(new)) if place not in pairs.values()] if at not in pairs else []
            place = next((place for place in free if fits(one, new[place])), None)
            if place is not None:
                pairs[at] = place

    if len(old) * len(new) > MOST_PAIRS:
        return {at: at for at in range(min(len(old), len(new)))}
    match(lambda one, other: which(one) == which(other) and settled(one, other).digest == other.digest)
    match(lambda one, other: bool(which(one)) and which(one) == which(other))
    match(lambda one, other: source(one) == source(other) is not None)
    match(lambda one, other: one.tag != "disk" and kind(one) == kind(other))
    match(lambda one, other: one.tag not in ("disk", "interface", "hostdev", "input", "graphics", "channel"))
    return pairs


def source(node: Node) -> bytes | None:
    """What a disk is on; None for what is no disk, or empty."""
    if node.tag != "disk":
        return None
    return next((replace(found.but(index=None), children=()).digest for found in node.named("source")), None)


def but_companions(found: list[Change]) -> list[Change]:
    """Without what libvirt adds and takes away by itself beside others."""
    if all(is_companion(each) for each in found):
        return found
    return [each for each in found if not (is_companion(each) and each.how != "changed")]


def is_companion(each: Change) -> bool:
    text = each.was or each.now
    return (
        each.place in {f"devices/{tag}" for tag in COMPANIONS}
        or (each.place == "devices/input" and 'bus="ps2"' in text)
        # What draws for a card.
        or (each.place == "devices/graphics" and 'type="egl-headless"' in text)
    )


def change(place: str, name: str, old: Node | None, new: Node | None) -> Change:
    how: How = "added" if old is None else "removed" if new is None else "changed"
    parts = tuple(parts_of("", old, new))[:MOST_PARTS] if old and new else ()
    was, now = (written(node)[:LONGEST_XML] if node else "" for node in (old, new))
    return Change(place, name[:LONGEST], how, parts, was, now)


def parts_of(way: str, old: Node, new: Node) -> Iterator[Part]:
    """The nodes that differ below two of the same name."""
    if old.digest == new.digest:
        return
    here = f"{way}/" if way else ""
    for name in sorted({*old.attributes, *new.attributes}):
        was, now = old.attributes.get(name, ""), new.attributes.get(name, "")
        if was != now:
            yield part(f"{here}@{plain(name)}", was, now)
    if old.text != new.text:
        yield part(way, old.text, new.text)
    for tag in dict.fromkeys([*old.by_name, *new.by_name]):
        ones, others = old.by_name.get(tag, []), new.by_name.get(tag, [])
        for at in range(max(len(ones), len(others))):
            if at < len(ones) and at < len(others):
                yield from parts_of(f"{here}{plain(tag)}", ones[at], others[at])
            else:
                side = " ".join(written((ones if at < len(ones) else others)[at]).split())
                yield part(f"{here}{plain(tag)}", *((side, "") if at < len(ones) else ("", side)))


def part(place: str, was: str, now: str) -> Part:
    return Part(place[:LONGEST], was[:LONGEST], now[:LONGEST])


def written(node: Node) -> str:
    """Its XML, with an element a line; of one without a name, what is in it."""
    if not node.tag:
        return "\n".join(written(child) for child in node.children)
    element = made(node)
    etree.indent(element)
    return etree.tostring(element, encoding="unicode")


def made(node: Node) -> etree._Element:
    element = etree.Element(plain(node.tag), {plain(name): value for name, value in node.attributes.items()})
    element.text = node.text or None
    element.extend([made(child) for child in node.children])
    return element


def plain(name: str) -> str:
    """Without its namespace."""
    return name.rpartition("}")[2]
