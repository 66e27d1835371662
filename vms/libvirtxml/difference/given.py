"""What a definition may take from its host without vm.define, because rows of ours say that its maker may use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from vms.libvirtxml.compose.system import NAMESPACE
from vms.libvirtxml.document import parse, serialize
from vms.libvirtxml.network import CLEAN_TRAFFIC
from vms.libvirtxml.read_only import is_at
from vms.libvirtxml.sources import source as where_of


@dataclass(frozen=True)
class Given:
    """volumes: {(pool, volume): the format that is remembered}. networks: their names; only behind the filter.
    macs: of our range, lower case. uuid: the one that was made for it. system: libosinfo's address of what it installs,
    which nobody acts by. shared: those of the volumes that may be shareable. read_only: (how, where) of disks of which
    our rows say whether they are read only. files: as volumes, by their paths. offers: devices and
    folders of the host, as plain() has them. media: (how, where) of what may lie in a CD drive, where nobody writes."""

    volumes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()
    macs: frozenset[str] = frozenset()
    uuid: str = ""
    system: str = ""
    shared: frozenset[tuple[str, str]] = frozenset()
    read_only: frozenset[tuple[str, str]] = frozenset()
    files: Mapping[str, str] = field(default_factory=dict)
    offers: frozenset[bytes] = frozenset()
    media: frozenset[tuple[str, str]] = frozenset()


def without(text: str, given: Given) -> str:
    """The document but for what is given, exactly as it was given: what else is said of the same thing stays, and is
    judged. BadXML as parse()."""
    root = parse(text)
    uuid = root.find("uuid")
    if uuid is not None and given.uuid and uuid.text == given.uuid:
        root.remove(uuid)
    generation = root.find("genid")
    if generation is not None and given.uuid and not (generation.text or len(generation) or generation.attrib):
        # The host gives it a new one.
        root.remove(generation)
    take_system(root, given)
    for disk in root.findall("devices/disk"):
        if is_at(disk, given.read_only):
            take_read_only(disk)
        if disk.get("device") == "cdrom" and tuple(where_of(disk, "")[:2]) in given.media:
            take_medium(disk)
        take_volume(disk, given)
    for card in root.findall("devices/interface"):
        take_network(card, given)
    if given.offers:
        take_offers(root, given)
    return serialize(root)


def plain(device: etree._Element) -> bytes:
    """What a device or folder of the host is given as, without what libvirt adds: where it is in the guest, and what it
    found of it on the host."""
    made = etree.fromstring(etree.tostring(device, with_tail=False))
    for child in [*made.findall("address"), *made.findall("alias")]:
        made.remove(child)
    for driver in made.findall("driver"):
        if set(driver.attrib) == {"name"} and driver.get("name") == "vfio":
            made.remove(driver)
    for source in made.findall("source"):
        if source.find("vendor") is not None:
            for place in source.findall("address"):
                source.remove(place)
    for element in made.iter(etree.Element):
        element.text = element.tail = None
    return bytes(etree.tostring(made, method="c14n", with_comments=True))


def take_offers(root: etree._Element, given: Given) -> None:
    """With the memory that a shared folder needs: it is nobody's but its QEMU's and of what that hands it to."""
    for device in [*root.findall("devices/hostdev"), *root.findall("devices/filesystem")]:
        parent = device.getparent()
        if parent is not None and plain(device) in given.offers:
            parent.remove(device)
    backing = root.find("memoryBacking")
    if backing is None or not any(each.startswith(b"<filesystem") for each in given.offers):
        return
    for name, key, value in (("source", "type", "memfd"), ("access", "mode", "shared")):
        for child in backing.findall(name):
            if set(child.attrib) == {key} and child.get(key) == value and not len(child):
                backing.remove(child)
    if not len(backing) and not backing.attrib:
        root.remove(backing)


def take_system(root: etree._Element, given: Given) -> None:
    found = root.find("metadata")
    if found is None or not given.system:
        return
    told = [(str(element.tag), element.get("id", ""), len(element.attrib)) for element in found.iter()]
    if told == [
        ("metadata", "", 0),
        (f"{{{NAMESPACE}}}libosinfo", "", 0),
        (f"{{{NAMESPACE}}}os", given.system, 1),
    ]:
        root.remove(found)


def take_volume(disk: etree._Element, given: Given) -> None:
    """One that is read as another format than is remembered is not the one that was given."""
    source, driver, how = disk.find("source"), disk.find("driver"), disk.get("type")
    if source is None or driver is None or len(source):
        return
    where = (source.get("pool", ""), source.get("volume", ""))
    if how == "volume":
        known = given.volumes.get(where) if set(source.attrib) == {"pool", "volume"} else None
    else:
        [name] = {"file": ["file"], "block": ["dev"]}.get(str(how), [""])
        known = given.files.get(source.get(name, "")) if set(source.attrib) == {name} else None
    if known and known == driver.get("type"):
        disk.remove(source)
        # Bytes as they are need no permission; a drive has them before and after.
        if driver.get("type") != "raw":
            del driver.attrib["type"]
        shareable = disk.find("shareable")
        if shareable is not None and where in given.shared and not (len(shareable) or shareable.attrib):
            disk.remove(shareable)


def take_medium(disk: etree._Element) -> None:
    """As bytes, whatever they are."""
    source, driver = disk.find("source"), disk.find("driver")
    if source is None or len(source) or driver is None or driver.get("type") != "raw":
        return
    if set(source.attrib) <= {"file", "pool", "volume"}:
        disk.remove(source)


def take_read_only(disk: etree._Element) -> None:
    for told in disk.findall("readonly"):
        if not len(told) and not told.attrib:
            disk.remove(told)


def take_network(card: etree._Element, given: Given) -> None:
    source, rule, mac = card.find("source"), card.find("filterref"), card.find("mac")
    if source is None or rule is None or mac is None or len(source) or len(rule) or len(mac):
        return
    if (
        set(rule.attrib) == {"filter"}
        and rule.get("filter") == CLEAN_TRAFFIC
        and set(source.attrib) == {"network"}
        and source.get("network") in given.networks
        and set(mac.attrib) == {"address"}
        and mac.get("address", "").lower() in given.macs
    ):
        for part in (source, rule, mac):
            card.remove(part)
