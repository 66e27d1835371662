"""libosinfo's database of operating systems as its files tell it: facts by name, nothing inherited yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lxml import etree

from vms.libvirtxml.document import LONGEST, BadXML, parse

MOST_FILES: Final = 5000
SIMPLE: Final = ("name", "version", "family", "distro", "release-date", "eol-date", "release-status")
LABEL: Final = ("volume-id", "system-id", "publisher-id", "application-id", "volume-size")


@dataclass
class Told:
    """One system. id: an address that names it and leads nowhere; texts: what is told once ("name", "eol-date"); like:
    the ids of those that it comes from or is a clone of. devices, firmware: (id, whether it can do with that);
    resources: {(architecture, "minimum" or "recommended", "ram"): number}; media: what the labels of its ISOs match,
    with their architecture as "arch"."""

    id: str
    short_ids: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    like: list[str] = field(default_factory=list)
    devices: list[tuple[str, bool]] = field(default_factory=list)
    firmware: list[tuple[str, bool]] = field(default_factory=list)
    resources: dict[tuple[str, str, str], int] = field(default_factory=dict)
    media: list[dict[str, str]] = field(default_factory=list)


def read_osinfo(folders: Iterable[Path]) -> dict[str, Told]:
    """{id: system} of all that the folders hold, where a later one adds to an earlier one and is right where both
    tell. A file that cannot be read, or is none of libosinfo's, tells nothing."""
    found: dict[str, Told] = {}
    for folder in folders:
        for path in sorted((folder / "os").rglob("*.xml"))[:MOST_FILES]:
            for node in systems_in(path):
                add(found.setdefault(node.get("id", ""), Told(node.get("id", ""))), node)
    found.pop("", None)
    return found


def systems_in(path: Path) -> Iterator[etree._Element]:
    try:
        if path.stat().st_size > LONGEST:
            return
        root = parse(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, BadXML):
        return
    if root.tag == "libosinfo":
        yield from root.iterfind("os")


def add(told: Told, node: etree._Element) -> None:
    """What the element tells of it."""
    told.short_ids += [text for text in map(text_of, node.iterfind("short-id")) if text not in told.short_ids]
    # Without a language is before all that are in one.
    told.texts |= {name: text for name in SIMPLE if (text := text_of(node.find(name)))}
    told.like += [each.get("id", "") for name in ("derives-from", "clones") for each in node.iterfind(name)]
    told.devices += [(each.get("id", ""), is_supported(each)) for each in node.iterfind("devices/device")]
    told.firmware += [
        (each.get("type", ""), is_supported(each)) for each in node.iterfind("firmware") if each.get("arch") == "x86_64"
    ]
    for resources in node.iterfind("resources"):
        for level in resources.iterfind("*"):
            for each in level.iterfind("*"):
                if number := number_in(text_of(each)):
                    told.resources[resources.get("arch", "all"), str(level.tag), str(each.tag)] = number
    for iso in node.iterfind("media/iso"):
        texts = {name: text for name in LABEL if (text := text_of(iso.find(name)))}
        told.media.append({"arch": parent(iso).get("arch", ""), **texts})


def text_of(node: etree._Element | None) -> str:
    return (node.text or "").strip() if node is not None else ""


def parent(node: etree._Element) -> etree._Element:
    found = node.getparent()
    return node if found is None else found


def is_supported(node: etree._Element) -> bool:
    return node.get("supported") != "false"


def number_in(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
