"""The operating system that a definition says is on its disks, in libosinfo's metadata, as virt-manager keeps it."""

from __future__ import annotations

from copy import deepcopy
from typing import Final

from lxml import etree

from vms.libvirtxml.compose.system import ADDRESS, NAMESPACE, OSINFO
from vms.libvirtxml.shaping.lens import Lens, Value
from vms.libvirtxml.shaping.tree import make, place, prune, remove

HOLDER: Final = f"{{{NAMESPACE}}}libosinfo"
SYSTEM: Final = f"{{{NAMESPACE}}}os"


def element_of(domain: etree._Element) -> etree._Element | None:
    return domain.find(f"metadata/{HOLDER}/{SYSTEM}")


def read_os(domain: etree._Element) -> Value:
    """libosinfo's address of it, "" where none is told."""
    found = element_of(domain)
    return found.get("id", "") if found is not None else ""


def write_os(domain: etree._Element, value: Value) -> None:
    """What others keep beside it stays."""
    found = element_of(domain)
    if not value:
        above = found.getparent() if found is not None else None
        if found is not None and above is not None:
            remove(found)
            prune(above, domain)
        return
    if found is None:
        kept = domain.find("metadata")
        kept = make(domain, "metadata") if kept is None else kept
        holder = kept.find(HOLDER)
        if holder is None:
            holder = OSINFO.libosinfo()
            place(kept, holder)
        found = OSINFO.os()
        place(holder, found)
    found.set("id", str(value))


def as_called(domain: etree._Element) -> str | None:
    """The metadata as libvirt's call for a run takes it, which puts the namespace in by itself; None where there is
    none."""
    holder = domain.find(f"metadata/{HOLDER}")
    if holder is None:
        return None
    made = deepcopy(holder)
    for element in made.iter(etree.Element):
        element.tag = str(element.tag).removeprefix(f"{{{NAMESPACE}}}")
    etree.cleanup_namespaces(made)
    return etree.tostring(made, encoding="unicode", with_tail=False)


OS: Final = Lens("os", "system", read_os, write_os, live="metadata", pattern=ADDRESS, longest=300)
