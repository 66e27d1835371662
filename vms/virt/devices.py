"""Reading a host's devices, one document each; what has gone since it was listed is left out."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import libvirt
from lxml import etree

from vms.libvirtxml import parse
from vms.virt.hardware import number
from vms.virt.links import OF_VMS
from vms.virt.machine import DeviceInfo
from vms.virt.optional import listed, optional

# A host that lists more is not read further: nobody looks through them, and each is a question.
MOST: Final = 1500
LONGEST: Final = 255
CAPABILITIES: Final = ("PCI_DEV", "USB_DEV", "NET", "STORAGE", "SCSI", "MDEV")


def read(handle: Any) -> tuple[DeviceInfo, ...]:
    """Its devices by name; none where it has no driver for them."""
    flags = 0
    for name in CAPABILITIES:
        flags |= getattr(libvirt, f"VIR_CONNECT_LIST_NODE_DEVICES_CAP_{name}")
    found: list[DeviceInfo] = []
    for device in listed(lambda: handle.listAllDevices(flags))[:MOST]:
        document = optional(partial(document_of, device), None)
        if document is not None:
            found += described(document)
    return tuple(sorted(found[:MOST], key=lambda device: device.name))


def is_card_of_vm(name: str) -> bool:
    """Whether libvirt's name is of a card that comes and goes with a VM, and so is none of the host's own."""
    return name.startswith(tuple(f"net_{card}" for card in OF_VMS))


def document_of(device: Any) -> etree._Element:
    return parse(device.XMLDesc())


def described(document: etree._Element) -> list[DeviceInfo]:
    """The device that the document describes, and what instances it can be split into."""
    capability = document.find("capability")
    kind = capability.get("type") if capability is not None else None
    if capability is None or kind not in DESCRIBES:
        return []
    common = {
        "name": said(document, "name"),
        "parent": said(document, "parent"),
        "driver": said(document, "driver/name"),
        "path": said(document, "devnode[@type='dev']"),
    }
    device = DESCRIBES[kind](capability, common)
    if device is None or not device.name:
        return []
    return [device, *(mdev_type(told, device) for told in capability.findall(".//capability[@type='mdev_types']/type"))]


def said(root: etree._Element, path: str) -> str:
    """Its text in one line, "" where it is not there."""
    return " ".join((root.findtext(path) or "").split())[:LONGEST]


def named(root: etree._Element, path: str) -> tuple[str, str]:
    """(what it is called, its number)."""
    found = root.find(path)
    return (said(root, path), str(found.get("id") or "")[:LONGEST]) if found is not None else ("", "")


def group(root: etree._Element) -> int | None:
    found = root.find("iommuGroup")
    return number(found.get("number")) if found is not None else None


def node(root: etree._Element) -> int | None:
    found = root.find("numa")
    told = str(found.get("node") or "") if found is not None else ""
    return number(told) if told.isascii() and told.isdigit() else None


def at(element: etree._Element) -> str:
    """An address element's attributes as people write them."""
    parts = [number_of(element.get(name)) for name in ("domain", "bus", "slot", "function")]
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*parts)


def number_of(told: str | None) -> int:
    """A number in C's ways to write one, 0 for anything else."""
    try:
        return int((told or "0")[:20], 0)
    except ValueError:
        return 0


def pci(capability: etree._Element, common: dict[str, Any]) -> DeviceInfo:
    place = [number(capability.findtext(name)) for name in ("domain", "bus", "slot", "function")]
    vendor, vendor_id = named(capability, "vendor")
    product, product_id = named(capability, "product")
    functions = capability.find("capability[@type='virt_functions']")
    physical = capability.find("capability[@type='phys_function']/address")
    return DeviceInfo(
        kind="pci",
        vendor=vendor,
        vendor_id=vendor_id,
        product=product,
        product_id=product_id,
        sort=said(capability, "class"),
        address="{:04x}:{:02x}:{:02x}.{:x}".format(*place),
        iommu_group=group(capability),
        physical=at(physical) if physical is not None else "",
        functions=len(functions.findall("address")) if functions is not None else 0,
        most_functions=number(functions.get("maxCount")) if functions is not None else 0,
        numa_node=node(capability),
        **common,
    )


def usb(capability: etree._Element, common: dict[str, Any]) -> DeviceInfo:
    vendor, vendor_id = named(capability, "vendor")
    product, product_id = named(capability, "product")
    return DeviceInfo(
        kind="usb",
        vendor=vendor,
        vendor_id=vendor_id,
        product=product,
        product_id=product_id,
        address=f"{number(capability.findtext('bus')):03d}:{number(capability.findtext('device')):03d}",
        **common,
    )


def mdev(capability: etree._Element, common: dict[str, Any]) -> DeviceInfo:
    kind = capability.find("type")
    return DeviceInfo(
        kind="mdev",
        product=str(kind.get("id") or "")[:LONGEST] if kind is not None else "",
        address=said(capability, "uuid"),
        iommu_group=group(capability),
        **common,
    )


def mdev_type(told: etree._Element, device: DeviceInfo) -> DeviceInfo:
    """A sort of instances of the device; its name is ours, since libvirt gives it none."""
    sort = str(told.get("id") or "")
    return DeviceInfo(
        name=f"{device.name}/{sort}"[:LONGEST],
        kind="mdev_type",
        parent=device.name,
        vendor=device.vendor,
        product=said(told, "name") or sort[:LONGEST],
        product_id=sort[:LONGEST],
        sort=said(told, "deviceAPI"),
        address=device.address,
        free=number(told.findtext("availableInstances")),
    )


def net(capability: etree._Element, common: dict[str, Any]) -> DeviceInfo | None:
    card = said(capability, "interface")
    if card == "lo" or card.startswith(OF_VMS):
        return None
    link = capability.find("link")
    state = str(link.get("state") or "") if link is not None else ""
    return DeviceInfo(
        kind="net", product=card, address=said(capability, "address"), state=state[:LONGEST], **common
    )  # fmt: skip


def block(capability: etree._Element, common: dict[str, Any]) -> DeviceInfo:
    media = capability.findtext("capability[@type='removable']/media_size")
    return DeviceInfo(
        kind="block",
        vendor=said(capability, "vendor"),
        product=said(capability, "model"),
        sort=said(capability, "drive_type"),
        address=said(capability, "serial"),
        size_bytes=number(capability.findtext("size")) or number(media),
        **{**common, "path": common["path"] or said(capability, "block")},
    )


def scsi(capability: etree._Element, common: dict[str, Any]) -> DeviceInfo:
    place = ":".join(str(number(capability.findtext(name))) for name in ("host", "bus", "target", "lun"))
    return DeviceInfo(kind="scsi", sort=said(capability, "type"), address=place, **common)


DESCRIBES: Final[dict[str, Any]] = {
    "pci": pci, "usb_device": usb, "mdev": mdev, "net": net, "storage": block, "scsi": scsi,
}  # fmt: skip
