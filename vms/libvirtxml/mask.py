"""The public form of a document: what may carry a secret is replaced, the rest stays byte for byte.

libvirt leaves out VNC and SPICE passwords by itself unless asked (SECURE); this also covers what it does not.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from vms.libvirtxml.document import parse, serialize

SECRET: Final = "(secret)"  # noqa: S105  (what stands in a secret's place)
DROPPED_ATTRIBUTES: Final = frozenset({"passwd", "passwdValidTo", "password"})
SECRET_TEXT: Final = frozenset({"cookie", "initarg", "initenv", "dhCert", "session", "idBlock", "idAuth", "hostData"})
OSINFO: Final = "{http://libosinfo.org/xmlns/libvirt/domain/1.0}"
VALUE: Final = re.compile(r"=\S+")


def mask(text: str) -> str:
    """The document without secrets. BadXML for what parse() does not take."""
    return serialize(masked(text))


def masked(text: str) -> etree._Element:
    """The same as a tree, for those who go on reading it."""
    root = parse(text)
    for comment in list(root.iter(etree.Comment)):
        drop(comment)
    for element in root.iter():
        mask_element(element)
    for metadata in root.iterfind("metadata"):
        for foreign in metadata:
            if not foreign.tag.startswith(OSINFO):
                replace_content(foreign)
    return root


def mask_element(element: etree._Element) -> None:
    """Replace what this element alone tells."""
    for name in DROPPED_ATTRIBUTES & set(map(str, element.attrib)):
        del element.attrib[name]
    tag = str(element.tag)
    if tag in SECRET_TEXT:
        element.text = SECRET
    elif tag == "cmdline" and element.text:
        element.text = SECRET if re.search(r"[\"']", element.text) else VALUE.sub(f"={SECRET}", element.text)
    elif tag == "entry":
        mask_entry(element)
    elif tag == "source" and "query" in element.attrib:
        element.set("query", SECRET)
    elif tag.startswith("{") and "value" in element.attrib:
        element.set("value", SECRET)


def mask_entry(entry: etree._Element) -> None:
    """SMBIOS OEM strings and serial numbers and fw_cfg texts reach the guest and often carry its first password."""
    parent = entry.getparent()
    if parent is None:
        return
    if parent.tag == "oemStrings" or parent.get("type") == "fwcfg" or entry.get("name") == "serial":
        entry.text = SECRET


def replace_content(element: etree._Element) -> None:
    """Keep the element's name, nothing of what is in it."""
    for child in list(element):
        element.remove(child)
    for name in list(element.attrib):
        del element.attrib[name]
    element.text = SECRET


def drop(node: etree._Element) -> None:
    """Take a comment out and leave the text behind it."""
    parent = node.getparent()
    if parent is None:
        return
    before = node.getprevious()
    if before is not None:
        before.tail = (before.tail or "") + (node.tail or "")
    else:
        parent.text = (parent.text or "") + (node.tail or "")
    node.tail = None
    parent.remove(node)
