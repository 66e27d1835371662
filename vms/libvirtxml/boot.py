"""What a VM boots from, and one device before all others."""

from __future__ import annotations

from typing import Literal

from lxml import etree

from vms.libvirtxml.domain import Disk, DomainXML

What = Literal["cd", "network"]
# {"os": the kinds of device in <os>, "devices": {"disk 0": "1"}}: the n-th of a tag, and its place in the order.
Order = dict[str, object]


def boot_order(domain: DomainXML) -> Order:
    """The order as the document gives it, as plain values."""
    return {
        "os": [str(boot.get("dev")) for boot in domain.element.findall("os/boot")],
        "devices": {
            name: str(boot.get("order"))
            for name, element in named(domain)
            if (boot := element.find("boot")) is not None
        },
    }


def named(domain: DomainXML) -> list[tuple[str, etree._Element]]:
    """The devices as "disk 0", "disk 1", "interface 0"."""
    counts: dict[str, int] = {}
    found = []
    for element in domain.element.findall("devices/*"):
        if isinstance(element.tag, str):
            number = counts.get(element.tag, 0)
            counts[element.tag] = number + 1
            found.append((f"{element.tag} {number}", element))
    return found


def can_boot_first(domain: DomainXML, what: What) -> bool:
    """Whether there is such a device, with a medium in it where it takes one."""
    return chosen(domain, what) is not None


def chosen(domain: DomainXML, what: What) -> etree._Element | None:
    """The first card, or the first CD drive that holds a medium."""
    if what == "network":
        return next((card.element for card in domain.interfaces), None)
    drives = [disk for disk in domain.disks if disk.kind == "cdrom"]
    return next((drive.element for drive in drives if drive.source), None)


def boot_first(domain: DomainXML, what: What) -> bool:
    """Put it before all that the VM boots from otherwise; False, and nothing changed, where there is none."""
    first = chosen(domain, what)
    if first is None:
        return False
    others = [element for element in in_order(domain) if element is not first]
    clear(domain)
    for place, element in enumerate([first, *others], start=1):
        etree.SubElement(element, "boot").set("order", str(place))
    return True


def in_order(domain: DomainXML) -> list[etree._Element]:
    """The devices that it boots from, by either way of writing that."""
    placed = [(element.find("boot"), element) for _, element in named(domain)]
    numbered = [(int(str(boot.get("order"))), element) for boot, element in placed if boot is not None]
    if numbered:
        return [element for _, element in sorted(numbered, key=lambda pair: pair[0])]
    kinds = [str(boot.get("dev")) for boot in domain.element.findall("os/boot")]
    return [element for kind in kinds if (element := first_of(domain, kind)) is not None]


def first_of(domain: DomainXML, kind: str) -> etree._Element | None:
    """What <boot dev=kind> in <os> means: the first device of that kind."""
    if kind == "network":
        return next((card.element for card in domain.interfaces), None)
    device = {"hd": "disk", "cdrom": "cdrom", "fd": "floppy"}.get(kind)
    return next((disk.element for disk in domain.disks if device_of(disk) == device), None)


def device_of(disk: Disk) -> str:
    return disk.kind or "disk"


def clear(domain: DomainXML) -> None:
    """Take every word about the order out."""
    for boot in [*domain.element.findall("os/boot"), *domain.element.findall("devices/*/boot")]:
        parent = boot.getparent()
        if parent is not None:
            parent.remove(boot)


def put_order(domain: DomainXML, order: Order) -> None:
    """Write the order as boot_order() gave it."""
    clear(domain)
    system = domain.element.find("os")
    kinds, devices = order["os"], order["devices"]
    if system is not None and isinstance(kinds, list):
        for kind in kinds:
            etree.SubElement(system, "boot").set("dev", str(kind))
    elements = dict(named(domain))
    for name, place in devices.items() if isinstance(devices, dict) else ():
        if name in elements:
            etree.SubElement(elements[name], "boot").set("order", str(place))
