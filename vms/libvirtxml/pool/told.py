"""What a pool's document says, and which pools are one storage by it."""

from __future__ import annotations

import posixpath
import re
from typing import Final

from lxml import etree

from vms.libvirtxml.document import BadXML, parse, serialize
from vms.libvirtxml.mask import SECRET, VALUE, masked

OCTAL: Final = re.compile("[0-7]{1,6}")


def public_pool(text: str) -> str:
    """The definition without secrets, and without what the host counts; "" for what is not taken."""
    try:
        root = masked(text)
    except BadXML:
        return ""
    for name in ("capacity", "allocation", "available"):
        for counted in root.findall(name):
            root.remove(counted)
    for option in root.iter("{*}option"):
        if option.tag != "option" and "name" in option.attrib:
            option.set("name", VALUE.sub(f"={SECRET}", str(option.get("name"))))
    etree.indent(root)
    return serialize(root)


def is_closed(text: str) -> bool:
    """Whether the folder of a running pool is root's, and nobody else writes in it."""
    told = parse(text).find("target/permissions")
    if told is None or told.findtext("owner") != "0":
        return False
    mode = told.findtext("mode") or ""
    return bool(OCTAL.fullmatch(mode)) and not int(mode, 8) & 0o022


def canonical(text: str) -> tuple[str, str]:
    """(kind, source) of what the bytes of a pool are, in one way for all hosts; source is "" for what is its host's
    own, and for a document that is not taken."""
    try:
        root = parse(text)
    except BadXML:
        return "", ""
    kind, source = str(root.get("type") or ""), root.find("source")
    if source is None:
        return kind, ""
    name = (source.findtext("name") or "").strip()
    hosts = ",".join(sorted(address(host) for host in source.iterfind("host")))
    folder, device = attribute(source, "dir"), attribute(source, "device")
    if kind == "netfs" and hosts and folder:
        sort = source.find("format")
        told = str(sort.get("type")) if sort is not None else "auto"
        return kind, f"{'nfs' if told == 'auto' else told}://{hosts}{posixpath.normpath('/' + folder.strip('/'))}"
    if kind in ("iscsi", "iscsi-direct") and hosts and device:
        return "iscsi", f"iscsi://{hosts}/{device}"
    if kind == "rbd" and hosts and name:
        return kind, f"rbd://{hosts}/{name}"
    if kind == "gluster" and hosts and name:
        return kind, f"gluster://{hosts}/{name}{posixpath.normpath('/' + folder.strip('/'))}"
    return (kind, f"vstorage://{name}") if kind == "vstorage" and name else (kind, "")


def address(host: etree._Element) -> str:
    """Names in small letters; the usual port as none."""
    name, port = str(host.get("name") or "").lower().rstrip("."), str(host.get("port") or "")
    return f"{name}:{port}" if port not in ("", "0", "3260", "6789", "24007") else name


def attribute(source: etree._Element, tag: str) -> str:
    found = source.find(tag)
    return str(found.get("path") or "") if found is not None else ""
