"""Elements that come and go in a document that keeps its looks: no line is moved but those that change."""

from __future__ import annotations

from typing import Final

from lxml import etree

# Where libvirt has what stands directly in <domain>; the rest comes at the end.
ORDER: Final = {
    "domain": (
        "name", "uuid", "genid", "title", "description", "metadata", "maxMemory", "memory", "currentMemory",
        "memoryBacking", "vcpu", "vcpus", "iothreads", "iothreadids", "cputune", "numatune", "resource", "sysinfo",
        "os", "features", "cpu", "clock", "on_poweroff", "on_reboot", "on_crash", "pm", "devices",
    ),
    "os": ("type", "firmware", "loader", "nvram", "boot", "bootmenu"),
    "disk": ("driver", "auth", "source", "backingStore", "target", "iotune", "readonly", "shareable", "serial"),
    "interface": ("mac", "source", "bandwidth", "model", "driver", "filterref", "link", "boot"),
}  # fmt: skip


def make(parent: etree._Element, tag: str) -> etree._Element:
    """A new child in its place."""
    child = etree.Element(tag)
    place(parent, child)
    return child


def place(parent: etree._Element, child: etree._Element) -> None:
    """Put the child behind those that come before it, indented as its neighbours are."""
    order = ORDER.get(str(parent.tag), ())
    earlier = order[: order.index(str(child.tag))] if child.tag in order else None
    place_at(parent, child, last_of(parent, earlier) if earlier is not None else len(parent))


def place_behind(sibling: etree._Element, child: etree._Element) -> None:
    """Put the child directly behind its sibling."""
    parent = sibling.getparent()
    if parent is not None:
        place_at(parent, child, parent.index(sibling) + 1)


def place_device(devices: etree._Element, device: etree._Element) -> None:
    """Put the device behind the last of its sort, or where the first of it belongs."""
    alike = devices.findall(str(device.tag))
    if alike:
        place_behind(alike[-1], device)
    else:
        place(devices, device)


def last_of(parent: etree._Element, tags: tuple[str, ...]) -> int:
    """The place behind the last child of one of these names."""
    return max((number + 1 for number, child in enumerate(parent) if child.tag in tags), default=0)


def place_at(parent: etree._Element, child: etree._Element, number: int) -> None:
    indent = parent.text if not (parent.text or "").strip() else None
    if number < len(parent):
        child.tail = indent
    elif len(parent):
        last = parent[-1]
        child.tail = last.tail
        if not (last.tail or "").strip():
            last.tail = indent
        else:
            child.tail = None
    parent.insert(number, child)


def remove(child: etree._Element) -> None:
    """Take the child out; text behind it stays."""
    parent = child.getparent()
    if parent is None:
        return
    before, tail = child.getprevious(), child.tail
    if (tail or "").strip():
        if before is not None:
            before.tail = (before.tail or "") + (tail or "")
        else:
            parent.text = (parent.text or "") + (tail or "")
    elif child.getnext() is None:
        if before is not None and not (before.tail or "").strip():
            before.tail = tail
        elif before is None and not (parent.text or "").strip():
            parent.text = None
    child.tail = None
    parent.remove(child)


def put(element: etree._Element, path: str, value: str | None) -> None:
    """Set the text or attribute at the path as vms.libvirtxml.lenses has paths, or take it away, with the elements on
    the way that hold nothing more."""
    way, _, attribute = path.partition("@")
    here = element
    for name in filter(None, way.split("/")):
        child = here.find(name)
        if child is None:
            if value is None:
                return
            child = make(here, name)
        here = child
    if value is None:
        if attribute:
            here.attrib.pop(attribute, "")
        else:
            above = here.getparent()
            remove(here)
            here = element if above is None else above
        prune(here, element)
    elif attribute:
        here.set(attribute, value)
    else:
        for child in list(here):
            here.remove(child)
        here.text = value or None


def prune(here: etree._Element, upto: etree._Element) -> None:
    """Take away what holds nothing, from here up to the element, which stays."""
    while here is not upto and not len(here) and not here.attrib and not (here.text or "").strip():
        above = here.getparent()
        remove(here)
        if above is None:
            return
        here = above
