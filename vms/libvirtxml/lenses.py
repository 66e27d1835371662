"""Typed properties that read and write the live element and hold no state of their own.

A path is child names joined by "/", the last part may be "@attribute"; the first match counts. Reading what is
absent gives None; writing makes what is missing; writing None takes it away.
"""

from __future__ import annotations

from typing import Final, Protocol

from lxml import etree

KIB: Final = {
    "b": 1 / 1024, "bytes": 1 / 1024, "KB": 1000 / 1024, "k": 1, "KiB": 1, "MB": 10**6 / 1024, "M": 1 << 10,
    "MiB": 1 << 10, "GB": 10**9 / 1024, "G": 1 << 20, "GiB": 1 << 20, "TB": 10**12 / 1024, "T": 1 << 30,
    "TiB": 1 << 30,
}  # fmt: skip


class Seen(Protocol):
    """What a lens looks at."""

    @property
    def element(self) -> etree._Element: ...


def text_of(element: etree._Element) -> str:
    """The element's own text joined across comments, as libvirt reads it."""
    return "".join([element.text or "", *(child.tail or "" for child in element)])


def find(element: etree._Element, path: str) -> str | None:
    """The text or attribute at the path."""
    way, _, attribute = path.partition("@")
    found = element.find(way.rstrip("/")) if way else element
    if found is None:
        return None
    return found.get(attribute) if attribute else text_of(found)


def put(element: etree._Element, path: str, value: str | None) -> None:
    """Set the text or attribute at the path, or take it away."""
    way, _, attribute = path.partition("@")
    here = element
    for name in filter(None, way.split("/")):
        child = here.find(name)
        if child is None:
            if value is None:
                return
            child = etree.SubElement(here, name)
        here = child
    if attribute:
        if value is not None:
            here.set(attribute, value)
        elif attribute in here.attrib:
            del here.attrib[attribute]
    elif value is not None:
        for child in list(here):
            here.remove(child)
        here.text = value
    elif (parent := here.getparent()) is not None:
        parent.remove(here)


class Text:
    """A text."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __get__(self, seen: Seen, owner: type | None = None) -> str | None:
        return find(seen.element, self.path)

    def __set__(self, seen: Seen, value: str | None) -> None:
        put(seen.element, self.path, value)


class Int:
    """A whole number; None where the document holds something else."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __get__(self, seen: Seen, owner: type | None = None) -> int | None:
        try:
            return int(find(seen.element, self.path) or "")
        except ValueError:
            return None

    def __set__(self, seen: Seen, value: int | None) -> None:
        put(seen.element, self.path, None if value is None else str(value))


class Kibibytes:
    """A size in KiB whatever unit the document has; it is written in KiB."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __get__(self, seen: Seen, owner: type | None = None) -> int | None:
        size = Int(self.path).__get__(seen)
        factor = KIB.get(find(seen.element, f"{self.path}/@unit") or "KiB")
        return None if size is None or factor is None else int(size * factor)

    def __set__(self, seen: Seen, value: int | None) -> None:
        put(seen.element, self.path, None if value is None else str(value))
        if value is not None:
            put(seen.element, f"{self.path}/@unit", "KiB")
