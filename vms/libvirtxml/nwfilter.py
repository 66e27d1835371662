"""Filters that libvirt puts before a VM's network cards."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from vms.libvirtxml.document import BadXML, parse, serialize
from vms.libvirtxml.validate import faults

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}\Z")


def filter_name(text: str) -> str:
    """The name in the definition; BadXML says by a code why it is not taken."""
    try:
        root = parse(text)
    except BadXML:
        raise BadXML("xml") from None
    if root.tag != "filter":
        raise BadXML("no_filter")
    if faults(text):
        raise BadXML("filter_schema")
    name = str(root.get("name") or "")
    if not NAME.match(name):
        raise BadXML("filter_name")
    return name


def filters_used(text: str) -> set[str]:
    """The names of the filters that a domain's cards have, or that a filter is made of."""
    try:
        return {str(used.get("filter")) for used in parse(text).iter("filterref") if used.get("filter")}
    except BadXML:
        return set()


def with_uuid(text: str, uuid: str) -> str:
    """The definition for the filter that has this UUID on its host, "" for a new one: libvirt goes by it."""
    root = parse(text)
    for old in root.findall("uuid"):
        root.remove(old)
    if uuid:
        made = etree.Element("uuid")
        made.text = uuid
        root.insert(0, made)
    return serialize(root)


def written(text: str) -> str:
    """The definition with one element a line; what is no XML as it is."""
    try:
        root = parse(text)
    except BadXML:
        return text
    for each in root.iter():
        if len(each) and not (each.text or "").strip():
            each.text = None
        if not (each.tail or "").strip():
            each.tail = None
    etree.indent(root)
    return serialize(root)
