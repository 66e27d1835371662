"""Reading and writing the text of a document. What a host or a user sends is input: bounded, and without tricks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from lxml import etree

LONGEST = 1 << 20


class BadXML(ValueError):
    """The text is no document that we take; the message says why, with the line where the parser knows it. line: where,
    0 where nobody can tell."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def parse(text: str) -> etree._Element:
    """The root element. BadXML for a DOCTYPE, a processing instruction, more than 1 MiB, or text that is no XML.

    Entities are never resolved and nothing is fetched.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise BadXML(str(error)) from None
    if len(data) > LONGEST:
        raise BadXML(f"the document is longer than {LONGEST} bytes")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, encoding="utf-8")
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise BadXML(str(error), error.lineno or 0) from None
    tree = root.getroottree()
    if tree.docinfo.internalDTD is not None or tree.docinfo.externalDTD is not None:
        raise BadXML("a document type declaration is not taken")
    if next(root.iter(etree.PI), None) is not None or next(outside(root, etree.PI), None) is not None:
        raise BadXML("a processing instruction is not taken")
    return root


def line_of(element: etree._Element) -> int:
    """Where it begins in the text that was parsed, 0 where nobody can tell."""
    line: Any = element.sourceline
    return int(line or 0)


def outside(root: etree._Element, kind: Any) -> Iterator[Any]:
    """Nodes of that kind before and after the root element."""
    return chain(root.itersiblings(kind, preceding=True), root.itersiblings(kind))


def serialize(root: etree._Element) -> str:
    """The text of the tree as it is: nothing reordered, nothing reformatted."""
    return etree.tostring(root, encoding="unicode")


def spread(text: str) -> str:
    """The document with an element a line, as libvirt writes it. BadXML as parse()."""
    root = parse(text)
    etree.indent(root)
    return serialize(root)
