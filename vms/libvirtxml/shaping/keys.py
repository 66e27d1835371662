"""The names by which devices are told apart: a disk's target, else libvirt's word for such devices and its place."""

from __future__ import annotations

from typing import Final

from lxml import etree

WORDS: Final = {"interface": "net", "memballoon": "balloon", "filesystem": "fs", "redirdev": "redir"}
# What libvirt adds to machines by itself, and nobody shapes.
UNSEEN: Final = frozenset({"emulator", "audio", "hub"})


def keyed(domain: etree._Element) -> list[tuple[str, etree._Element]]:
    """(key, device) of each, as they stand: "vda", "net0", "usb0", "graphics0". A console that is a serial line said
    again is left out."""
    counts: dict[str, int] = {}
    found: list[tuple[str, etree._Element]] = []
    has_serial = domain.find("devices/serial") is not None
    for element in domain.findall("devices/*"):
        if not isinstance(element.tag, str) or element.tag in UNSEEN:
            continue
        word = str(element.get("type")) if element.tag == "controller" else WORDS.get(element.tag, element.tag)
        number = counts.get(word, 0)
        counts[word] = number + 1
        target = element.find("target") if element.tag == "disk" else None
        if element.tag == "console" and number == 0 and has_serial and is_serial(element):
            continue
        found.append(((target.get("dev") if target is not None else None) or f"{word}{number}", element))
    return found


def is_serial(console: etree._Element) -> bool:
    target = console.find("target")
    return target is None or target.get("type") in (None, "serial")
