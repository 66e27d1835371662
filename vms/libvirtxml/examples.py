"""Rare parts of a machine as valid examples, put where libvirt has them, for whoever goes on writing there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.lenses import find
from vms.libvirtxml.shaping.lens import kib
from vms.libvirtxml.shaping.tree import make, place_device


class ThereAlready(ValueError):
    """There is one, and a second makes no sense."""


def add(text: str, name: str) -> str:
    """The definition with the example of that name. BadXML as parse(), ThereAlready, KeyError for a name that none
    has."""
    document = DomainXML.parse(text)
    EXAMPLES[name](document)
    return document.text


def device(element: etree._Element, *, once: bool = False) -> Callable[[DomainXML], None]:
    def put(document: DomainXML) -> None:
        if once and document.devices.find(str(element.tag)) is not None:
            raise ThereAlready
        place_device(document.devices, etree.fromstring(etree.tostring(element)))

    return put


def numa(document: DomainXML) -> None:
    """Its processors and memory in two halves; one of a machine with one processor."""
    root = document.element
    if root.find("cpu/numa") is not None:
        raise ThereAlready
    cpus, memory = document.vcpus or 1, kib(root, "memory") or 0
    cpu = root.find("cpu")
    if cpu is None:
        cpu = make(root, "cpu")
    nodes = make(cpu, "numa")
    half = cpus // 2
    cells = [(0, half, memory // 2), (half, cpus, memory - memory // 2)] if half else [(0, cpus, memory)]
    for number, (first, end, size) in enumerate(cells):
        cell = make(nodes, "cell")
        named = str(first) if end - first == 1 else f"{first}-{end - 1}"
        for key, value in (("id", str(number)), ("cpus", named), ("memory", str(size)), ("unit", "KiB")):
            cell.set(key, value)
    etree.indent(cpu, level=1)


def iothreads(document: DomainXML) -> None:
    """One, for its first disk on virtio."""
    root = document.element
    if root.find("iothreads") is not None:
        raise ThereAlready
    make(root, "iothreads").text = "1"
    for disk in root.iterfind("devices/disk"):
        driver = disk.find("driver")
        if find(disk, "target/@bus") == "virtio" and driver is not None and driver.get("iothread") is None:
            driver.set("iothread", "1")
            return


EXAMPLES: Final[Mapping[str, Callable[[DomainXML], None]]] = {
    "smartcard": device(E.smartcard(mode="passthrough", type="spicevmc"), once=True),
    "redirdev": device(E.redirdev(bus="usb", type="spicevmc")),
    "iommu": device(E.iommu(model="intel"), once=True),
    "numa": numa,
    "iothreads": iothreads,
}
