"""A definition made after another's: the same machine, with a name, a UUID, addresses and disks of its own. Nothing is
chosen here: what is new is handed in, and what it needs is judged afterwards, as of a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.compose.system import NAMESPACE, metadata
from vms.libvirtxml.compose.wanted import Card, Drive, Guest
from vms.libvirtxml.document import parse
from vms.libvirtxml.domain import Disk, DomainXML, Graphics
from vms.libvirtxml.lenses import find
from vms.libvirtxml.network import CLEAN_TRAFFIC
from vms.libvirtxml.screen import Listen, set_listen
from vms.libvirtxml.sources import Source, source

MEDIA: Final = ("cdrom", "floppy")
# The former's own: whoever has it again is taken for it.
IDENTITY: Final = ("uuid", "title", "metadata")


@dataclass(frozen=True)
class OldDrive:
    """A disk or a drive. target: what it is called in the definition. medium: whether something is put into it and
    taken out. source: [] for an empty one. shared: it is read-only there, or made to be used by several."""

    target: str
    medium: bool
    source: Source
    shared: bool


@dataclass(frozen=True)
class Changes:
    """drives: {target: what is in it now, None for an empty drive}; one that is not named goes. cards: for each in its
    order another, the MAC where all else of it stays, None where it goes. emulator: what the host itself takes, which
    need not be said."""

    name: str
    uuid: str
    drives: Mapping[str, Drive | None]
    cards: Sequence[Card | str | None]
    listen: Listen
    emulator: str


def drives_of(domain: DomainXML) -> list[OldDrive]:
    """Its disks and drives, in order."""
    return [
        OldDrive(
            target=find(disk, "target/@dev") or "",
            medium=disk.get("device") in MEDIA,
            source=source(disk, find(disk, "driver/@type") or ""),
            shared=disk.find("readonly") is not None or disk.find("shareable") is not None,
        )
        for disk in domain.devices.iterfind("disk")
    ]


def system_of(domain: DomainXML) -> str:
    """libosinfo's address of what it has installed, "" where that is not told."""
    told = domain.element.find(f"metadata/{{{NAMESPACE}}}libosinfo/{{{NAMESPACE}}}os")
    return str(told.get("id") or "")[:200] if told is not None else ""


def cloned(domain: DomainXML, changes: Changes) -> DomainXML:
    """The new document; the former one stays as it is."""
    made = DomainXML(parse(domain.text))
    rename(made, changes, system_of(domain))
    choose_firmware(made.element)
    emulator = made.devices.find("emulator")
    if emulator is not None and changes.emulator in ("", emulator.text):
        made.devices.remove(emulator)
    for disk in made.disks:
        if (disk.target or "") not in changes.drives:
            disk.remove()
        else:
            put_in(disk, changes.drives[disk.target or ""])
    for card, other in zip(made.devices.findall("interface"), changes.cards, strict=True):
        connect(card, other)
    for screen in made.graphics:
        screen.password = screen.password_until = None
        if screen.type in ("vnc", "spice"):
            close(screen, changes.listen)
    return made


def rename(made: DomainXML, changes: Changes, system: str) -> None:
    """Another's identity goes, its own comes."""
    root = made.element
    root.attrib.pop("id", "")
    for name in IDENTITY:
        for element in root.findall(name):
            root.remove(element)
    made.name = changes.name
    after = root.find("name")
    position = list(root).index(after) + 1 if after is not None else 0
    root.insert(position, E.uuid(changes.uuid))
    for element in metadata(Guest(id=system)):
        root.insert(position + 1, element)
    generation = root.find("genid")
    if generation is not None:
        generation.text = None


def choose_firmware(root: etree._Element) -> None:
    """UEFI's files are the new host's to choose, and its variables begin anew: a file has one VM."""
    system = root.find("os")
    if system is None:
        return
    loader = system.find("loader")
    if system.get("firmware") is None and loader is not None and loader.get("type") == "pflash":
        system.set("firmware", "efi")
        if loader.get("secure") == "yes":
            system.insert(0, E.firmware(E.feature(enabled="yes", name="secure-boot")))
    if system.get("firmware") is not None:
        for name in ("loader", "nvram"):
            for element in system.findall(name):
                system.remove(element)


def put_in(disk: Disk, drive: Drive | None) -> None:
    """Another volume in the place of what it was on; what was said of that goes."""
    element = disk.element
    for name in ("source", "backingStore", "mirror", "wwn"):
        for child in element.findall(name):
            element.remove(child)
    if drive is None:
        disk.eject()
        return
    element.set("type", "volume")
    driver = element.find("driver")
    if driver is None:
        driver = E.driver()
        element.insert(0, driver)
    driver.set("name", "qemu")
    driver.set("type", drive.format)
    driver.addnext(E.source(pool=drive.pool, volume=drive.volume))


def connect(card: etree._Element, other: Card | str | None) -> None:
    parent = card.getparent()
    if other is None:
        if parent is not None:
            parent.remove(card)
        return
    for name in ("mac", "target") if isinstance(other, str) else ("mac", "target", "source", "filterref"):
        for element in card.findall(name):
            card.remove(element)
    if isinstance(other, str):
        card.insert(0, E.mac(address=other))
        return
    card.set("type", "network")
    card[0:0] = [E.mac(address=other.mac), E.source(network=other.network)]
    card.append(E.filterref(filter=CLEAN_TRAFFIC))


def close(screen: Graphics, listen: Listen) -> None:
    """As screens of new VMs: reached by the dashboard, and by nobody else."""
    for element in screen.element.findall("listen"):
        screen.element.remove(element)
    for name in ("port", "autoport", "listen", "socket", "websocket", "tlsPort"):
        screen.element.attrib.pop(name, "")
    set_listen(screen, listen)
