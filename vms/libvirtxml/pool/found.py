"""What a host finds where it is told to look for storage."""

from __future__ import annotations

from typing import Final

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.document import BadXML, parse, serialize
from vms.libvirtxml.pool.spec import CHECKS, DEVICE, IQN
from vms.libvirtxml.pool.told import attribute

MOST_SOURCES: Final = 200


def source_document(server: str, port: str = "", initiator: str = "") -> str:
    """Where a host is to look for sources, and as whom."""
    source = E.source(E.host(name=server, **({"port": port} if port else {})))
    if initiator:
        source.append(E.initiator(E.iqn(name=initiator)))
    return serialize(source)


def pool_sources(text: str | None) -> list[dict[str, str]]:
    """What a host found, in the names of the specs' fields; what does not fit them is left out."""
    try:
        root = parse(text) if text else None
    except BadXML:
        return []
    found = [fields_of(source) for source in root.iterfind("source")] if root is not None else []
    return [fitting for fitting in found if fitting][:MOST_SOURCES]


def fields_of(source: etree._Element) -> dict[str, str]:
    host, name = source.find("host"), (source.findtext("name") or "").strip()
    told = {
        "server": str(host.get("name") or "") if host is not None else "",
        "export": attribute(source, "dir"),
        "target": device if IQN.match(device := attribute(source, "device")) else "",
        "device": device if DEVICE.match(device) else "",
        "group": name,
    }
    return {field: value for field, value in told.items() if value and not CHECKS[field](value)}
