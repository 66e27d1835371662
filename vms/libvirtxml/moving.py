"""A definition on its way to another host, where its disks may be called otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

from lxml import etree

from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.shaping.tree import make, remove
from vms.libvirtxml.sources import source

# What a card that is plugged into a network may have beside it: nothing of these is the host's.
CARD: Final = frozenset(
    {"mac", "source", "model", "driver", "address", "alias", "target", "filterref", "link", "boot", "mtu", "bandwidth"}
)
SOURCE: Final = frozenset({"network", "portgroup", "bridge", "portid"})


@dataclass(frozen=True)
class Place:
    """Where a disk is on a host: the path of a file or (block) of a device, or the pool with the volume."""

    path: str = ""
    block: bool = False
    pool: str = ""
    volume: str = ""


def moved(document: DomainXML, places: Mapping[tuple[str, str], Place]) -> DomainXML:
    """The document with its disks where the other host has them, {where each is here: where it is there}; what is in
    no line stays. What lies below a disk that moves is left out: the host looks for it."""
    made = DomainXML(deepcopy(document.element))
    for disk in made.devices.iterfind("disk"):
        found = source(disk, "")
        place = places.get((found[0], found[1])) if found else None
        if place is not None:
            put(disk, place)
    return made


def put(disk: etree._Element, place: Place) -> None:
    for name in ("source", "backingStore"):
        for element in disk.findall(name):
            remove(element)
    there = make(disk, "source")
    if place.pool:
        disk.set("type", "volume")
        there.set("pool", place.pool)
        there.set("volume", place.volume)
    else:
        disk.set("type", "block" if place.block else "file")
        there.set("dev" if place.block else "file", place.path)


def plugged(document: DomainXML, networks: Collection[str]) -> DomainXML:
    """The document without the cards that are in one of these networks and have nothing else of their host."""
    made = DomainXML(deepcopy(document.element))
    for card in made.devices.findall("interface"):
        there = card.find("source")
        if (
            card.get("type") == "network"
            and there is not None
            and there.get("network") in networks
            and set(there.attrib) <= SOURCE
            and {str(child.tag) for child in card.iterchildren(etree.Element)} <= CARD
        ):
            remove(card)
    return made
