"""What an OVF envelope says of a VM (DMTF DSP0243): so much of it as becomes a VM here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from vms.libvirtxml.document import BadXML, parse

# CIM_ResourceAllocationSettingData.ResourceType (DSP8042).
PROCESSOR, MEMORY, ETHERNET, DISK = "3", "4", "10", "17"
CONTROLLERS: Final = ("5", "6", "20")
# What is left out, and what all VMs have here anyway.
LEFT_OUT: Final = {"14": "floppy", "15": "cd", "16": "cd", "23": "usb", "35": "sound"}
OURS: Final = ("2", "13", "18", "21", "24")
MOST_DISKS, MOST_CARDS = 16, 8
# Words of others are shown, and not longer than this.
LONGEST: Final = 100
UNIT: Final = re.compile(r"byte(?: \* (?:2\^(?P<power>[0-9]{1,2})|(?P<factor>[0-9]{1,12})))?")
OLD_UNITS: Final = {"kilobytes": 1 << 10, "megabytes": 1 << 20, "gigabytes": 1 << 30, "terabytes": 1 << 40}
FILE: Final = re.compile(r"[^/\\:]+")
NUMBER: Final = re.compile(r"[0-9]{1,18}")
STREAM: Final = "vmdk.html"


@dataclass(frozen=True)
class PackedDisk:
    """A disk: the file beside the envelope, "" for an empty one, and its size in bytes. packed: as VMDK. file_bytes:
    how long the file is, 0 where that is not said."""

    file: str
    capacity_bytes: int
    packed: bool
    file_bytes: int = 0


@dataclass(frozen=True)
class PackedCard:
    """What it is, and what its network was called, as its maker says both."""

    model: str
    network: str


@dataclass(frozen=True)
class PackedVm:
    """system: what its maker calls the system in it. firmware: "efi" or "bios". controllers: of its disks, as its
    maker calls them. left_out: what else it had, by our words, each once."""

    name: str
    system: str
    cpus: int
    memory_mib: int
    firmware: str
    disks: tuple[PackedDisk, ...]
    cards: tuple[PackedCard, ...]
    controllers: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def read_ovf(text: str) -> PackedVm:
    """The VM of the envelope. BadXML with a code: bad_ovf, several (a collection of VMs), elsewhere (a file that is not
    beside it), disk_kind (a packed file, or a disk over another)."""
    try:
        root = parse(text)
    except BadXML:
        raise BadXML("bad_ovf") from None
    if etree.QName(root).localname != "Envelope":
        raise BadXML("bad_ovf")
    systems = list(root.iter("{*}VirtualSystem"))
    if len(systems) != 1 or root.find(".//{*}VirtualSystemCollection") is not None:
        raise BadXML("several" if systems else "bad_ovf")
    system = systems[0]
    items = list(items_of(system))
    files, disks = files_of(root), {key: each for each in root.iter("{*}Disk") if (key := named(each, "diskId"))}
    chosen = [disks.get(disk_id(item)) for item in items if said(item, "ResourceType") == DISK]
    if len(chosen) > MOST_DISKS:
        raise BadXML("bad_ovf")
    return PackedVm(
        name=(said(system, "Name") or named(system, "id"))[:LONGEST],
        system=said(system.find("{*}OperatingSystemSection"), "Description")[:LONGEST],
        cpus=max(1, sum(quantity(item) for item in items if said(item, "ResourceType") == PROCESSOR)),
        memory_mib=sum(
            quantity(item) * unit(said(item, "AllocationUnits"), 1 << 20)
            for item in items
            if said(item, "ResourceType") == MEMORY
        )
        >> 20,
        firmware="efi" if firmware(system) == "efi" else "bios",
        disks=tuple(disk(each, files) for each in chosen),
        cards=tuple(card(item) for item in items if said(item, "ResourceType") == ETHERNET)[:MOST_CARDS],
        controllers=each_once(controller(item) for item in items if said(item, "ResourceType") in CONTROLLERS),
        left_out=each_once(left_out(said(item, "ResourceType")) for item in items),
    )


def items_of(system: etree._Element) -> Iterator[etree._Element]:
    for section in system.iterfind("{*}VirtualHardwareSection"):
        for kind in ("Item", "StorageItem", "EthernetPortItem"):
            yield from section.iterfind(f"{{*}}{kind}")


def card(item: etree._Element) -> PackedCard:
    return PackedCard(said(item, "ResourceSubType")[:LONGEST], said(item, "Connection")[:LONGEST])


def controller(item: etree._Element) -> str:
    return (said(item, "ResourceSubType") or "IDE" * (said(item, "ResourceType") == "5"))[:LONGEST]


def left_out(kind: str) -> str:
    """Our word for it, "" for what a VM here has too."""
    known = (PROCESSOR, MEMORY, ETHERNET, DISK, *CONTROLLERS, *OURS)
    return "" if kind in known else LEFT_OUT.get(kind, "other")


def each_once(words: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word))


def files_of(root: etree._Element) -> dict[str, etree._Element]:
    return {key: each for each in root.iterfind("{*}References/{*}File") if (key := named(each, "id"))}


def disk_id(item: etree._Element) -> str:
    """Of "ovf:/disk/vmdisk1" the last part."""
    return said(item, "HostResource").rpartition("/disk/")[2]


def disk(told: etree._Element | None, files: dict[str, etree._Element]) -> PackedDisk:
    if told is None:
        raise BadXML("bad_ovf")
    if named(told, "parentRef"):
        raise BadXML("disk_kind")
    capacity = number(named(told, "capacity")) * unit(named(told, "capacityAllocationUnits"), 1)
    if not (reference := named(told, "fileRef")):
        return PackedDisk("", capacity, packed=False)
    file = files.get(reference)
    name = named(file, "href") if file is not None else ""
    if not FILE.fullmatch(name):
        raise BadXML("elsewhere")
    if named(file, "compression") not in ("", "identity"):
        raise BadXML("disk_kind")
    size = named(file, "size")
    return PackedDisk(name, capacity, packed=STREAM in named(told, "format"), file_bytes=number(size) if size else 0)


def firmware(system: etree._Element) -> str:
    """As VMware and VirtualBox say it, for OVF itself knows nothing of it; "" where nobody does."""
    for each in system.iter("{*}Config"):
        if named(each, "key") == "firmware":
            return named(each, "value").lower()
    found = system.find(".//{*}Firmware")
    return "efi" if found is not None and str(found.get("type", "")).lower().startswith("efi") else ""


def said(element: etree._Element | None, name: str) -> str:
    """The text of that child, whatever its name space."""
    found = element.find(f"{{*}}{name}") if element is not None else None
    return (found.text or "").strip() if found is not None else ""


def named(element: etree._Element | None, name: str) -> str:
    """The value of that attribute, whatever its name space."""
    if element is None:
        return ""
    return next((str(value) for key, value in element.attrib.items() if etree.QName(key).localname == name), "").strip()


def quantity(item: etree._Element) -> int:
    return number(said(item, "VirtualQuantity"))


def number(text: str) -> int:
    if not NUMBER.fullmatch(text):
        raise BadXML("bad_ovf")
    return int(text)


def unit(text: str, otherwise: int) -> int:
    """Bytes in one: "byte * 2^20" (DSP0004), or a word as before that; otherwise where nothing is said."""
    if not text:
        return otherwise
    if text.lower() in OLD_UNITS:
        return OLD_UNITS[text.lower()]
    found = UNIT.fullmatch(text.lower())
    if not found:
        raise BadXML("bad_ovf")
    return 1 << int(found["power"]) if found["power"] else int(found["factor"] or 1)
