"""Every file, device and volume that a domain's document names as something it reads or writes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, Literal

from lxml import etree

from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.lenses import find

How = Literal["path", "volume", "network"]
# [how, where, format]: a path of the host; "pool/volume" by their names; "protocol:name". format "" where none is said.
Source = list[str]
FILES: Final = ("os/loader", "os/nvram", "os/kernel", "os/initrd", "os/dtb")


def sources(domain: DomainXML) -> list[Source]:
    """Each once, in order: disks with what lies below them as far as the document tells, and the files it boots."""
    found = []
    for disk in domain.devices.iterfind("disk"):
        found.append(source(disk, find(disk, "driver/@type") or ""))
        for layer in disk.iter("backingStore", "mirror"):
            found.append(source(layer, find(layer, "format/@type") or ""))
    for share in domain.devices.iterfind("filesystem"):
        found.append(source(share, ""))
    found += [["path", path, "raw"] for place in FILES if (path := find(domain.element, place))]
    return sorted({tuple(one): one for one in found if one}.values())


def disk_at(domain: DomainXML, wanted: Collection[tuple[How, str]]) -> str | None:
    """The target of the disk whose own source is one of these places, not what lies below it."""
    for disk in domain.devices.iterfind("disk"):
        if tuple(source(disk, "")[:2]) in wanted:
            return find(disk, "target/@dev")
    return None


def source(holder: etree._Element, format: str) -> Source:
    """Where it is, [] where it is nowhere."""
    element = holder.find("source")
    return next(([how, where, format] for how, where in places(element)), []) if element is not None else []


def places(element: etree._Element) -> Iterator[tuple[How, str]]:
    for name in ("file", "dev", "dir"):
        if path := element.get(name):
            yield "path", path
    if (pool := element.get("pool")) and (volume := element.get("volume")):
        yield "volume", f"{pool}/{volume}"
    if (protocol := element.get("protocol")) and (name := element.get("name") or ""):
        yield "network", f"{protocol}:{name}"
