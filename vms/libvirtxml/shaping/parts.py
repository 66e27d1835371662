"""The parts of a definition in the order of virt-manager's list, each with its properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from vms.libvirtxml.document import serialize
from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.lenses import find
from vms.libvirtxml.shaping import devices, machine
from vms.libvirtxml.shaping.keys import keyed
from vms.libvirtxml.shaping.lens import Lens, Value

# Of the machine itself.
MACHINE: Final[Mapping[str, tuple[Lens, ...]]] = {
    "overview": machine.OVERVIEW,
    "cpu": machine.CPU,
    "memory": machine.MEMORY,
    "boot": machine.BOOT,
}
# Of devices, by their elements' names.
DEVICES: Final[Mapping[str, tuple[Lens, ...]]] = {
    "disk": devices.DISK,
    "interface": devices.CARD,
    "input": (),
    "graphics": devices.GRAPHICS,
    "sound": devices.SOUND,
    "serial": (),
    "parallel": (),
    "console": (),
    "channel": devices.CHANNEL,
    "hostdev": (),
    "redirdev": (),
    "filesystem": (),
    "video": devices.VIDEO,
    "watchdog": devices.WATCHDOG,
    "controller": (),
    "smartcard": (),
    "tpm": devices.TPM,
    "rng": devices.RNG,
    "panic": devices.PANIC,
    "vsock": devices.VSOCK,
    "memballoon": devices.BALLOON,
}
# Without these no machine is one, or libvirt puts them back.
FIXED_CONTROLLERS: Final = ("pci", "ide", "fdc", "sata", "usb", "virtio-serial")


@dataclass(frozen=True)
class Part:
    """key: its name in this document. sort: "overview", or a device's element. lenses: the properties that it has.
    about: what tells it in a list, by libvirt's words."""

    key: str
    sort: str
    element: etree._Element

    @property
    def lenses(self) -> tuple[Lens, ...]:
        known = MACHINE.get(self.sort) or DEVICES.get(self.sort, ())
        if self.sort == "controller":
            known = devices.CONTROLLERS.get(str(self.element.get("type")), ())
        return tuple(lens for lens in known if lens.only(self.element))

    def lens(self, name: str) -> Lens | None:
        return next((lens for lens in self.lenses if lens.name == name), None)

    @property
    def values(self) -> dict[str, Value]:
        return {lens.name: lens.read(self.element) for lens in self.lenses}

    @property
    def about(self) -> dict[str, str]:
        """What tells it apart in words: its type, model, bus, source, name, address."""
        paths = {
            "device": "@device", "type": "@type", "model": "model/@type", "bus": "target/@bus", "mac": "mac/@address",
            "network": "source/@network", "bridge": "source/@bridge", "filter": "filterref/@filter",
            "channel": "target/@name", "format": "driver/@type", "alias": "alias/@name", "listen": "listen/@type",
            "backend": "backend/@type", "own_model": "@model", "own_bus": "@bus",
        }  # fmt: skip
        if self.sort in MACHINE:
            return {}
        found = {name: value for name, path in paths.items() if (value := find(self.element, path))}
        if self.sort == "disk":
            found["source"] = str(devices.read_medium(self.element))
        return found

    @property
    def can_go(self) -> bool:
        """Whether it can be taken out."""
        if self.sort == "controller":
            return self.element.get("type") not in FIXED_CONTROLLERS
        return self.sort not in (*MACHINE, "memballoon") and self.element.get("bus") != "ps2"

    @property
    def text(self) -> str:
        """The element by itself, as libvirt takes a device."""
        return serialize(self.element).strip()


def parts(document: DomainXML) -> list[Part]:
    """All of them, in order."""
    found = [Part(key, str(element.tag), element) for key, element in keyed(document.element)]
    rank = {sort: number for number, sort in enumerate(DEVICES)}
    shown = sorted((part for part in found if part.sort in rank), key=lambda part: rank[part.sort])
    return [*(Part(name, name, document.element) for name in MACHINE), *shown]


def part(document: DomainXML, key: str) -> Part | None:
    return next((one for one in parts(document) if one.key == key), None)


def twin(document: DomainXML, of: Part, among: Sequence[Part] | None = None) -> Part | None:
    """The same part in the other document of its VM: a card by its MAC, others by their key and place on the bus.
    among: that document's parts, where they are known already."""
    there = parts(document) if among is None else among
    if of.sort == "interface":
        mac = find(of.element, "mac/@address")
        return next((one for one in there if mac and find(one.element, "mac/@address") == mac), None)
    if of.sort in MACHINE or of.sort == "disk":
        return next((one for one in there if one.key == of.key), None)
    alike = [one for one in there if one.sort == of.sort]
    where = place_of(of.element)
    if where:
        return next((one for one in alike if place_of(one.element) == where), None)
    return next((one for one in alike if one.key == of.key), None)


def place_of(element: etree._Element) -> tuple[tuple[str, str], ...]:
    """Its address on a bus of the machine."""
    address = element.find("address")
    return (
        tuple(sorted((str(name), str(value)) for name, value in address.attrib.items())) if address is not None else ()
    )
