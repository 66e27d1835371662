"""The places of a domain's definition that name something of the host, out of libvirt's own schema."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Final

from lxml import etree

from vms.libvirtxml.validate import SCHEMAS

RNG: Final = "{http://relaxng.org/ns/structure/1.0}"
# The schema's types for paths, devices, sockets and scripts.
TYPES: Final = frozenset({"absFilePath", "absDirPath", "filePath", "dirPath", "deviceName", "vmwarePath"})
# A chain of disks is described by itself; two links say all.
DEEPEST: Final = 12

Place = tuple[str, ...]


class Schema:
    """The schema with all that it includes, walked from <domain>. typed: by place, the types that it refers to."""

    def __init__(self, folder: Path = SCHEMAS) -> None:
        self.folder = folder
        self.defined: dict[str, list[etree._Element]] = defaultdict(list)
        self.typed: dict[Place, set[str]] = defaultdict(set)
        self.read: set[str] = set()
        self.walked: set[tuple[etree._Element, Place]] = set()
        self.load("domain.rng")
        for root in self.defined["domain"]:
            self.walk(root, (), frozenset({"domain"}))

    def load(self, name: str) -> None:
        if name in self.read:
            return
        self.read.add(name)
        for element in etree.parse(self.folder / name).getroot().iter(f"{RNG}include", f"{RNG}define"):
            if element.tag == f"{RNG}include":
                self.load(str(element.get("href")))
            else:
                self.defined[str(element.get("name"))].append(element)

    def walk(self, node: etree._Element, place: Place, within: frozenset[str]) -> None:
        """Everything below a node of the schema; within are the definitions that it stands in, which may name
        themselves."""
        for child in node:
            kind = str(child.tag).removeprefix(RNG)
            if kind == "ref":
                name = str(child.get("name"))
                self.typed[place].add(name)
                if name not in within:
                    for defined in self.defined[name]:
                        self.walk(defined, place, within | {name})
            elif kind in ("element", "attribute"):
                self.enter(
                    child, (*place, *([f"@{child.get('name')}"] if kind == "attribute" else [named(child)])), within
                )
            elif kind != "name":
                self.walk(child, place, within)

    def enter(self, node: etree._Element, place: Place, within: frozenset[str]) -> None:
        if len(place) <= DEEPEST and (node, place) not in self.walked:
            self.walked.add((node, place))
            self.walk(node, place, within)

    def places(self) -> list[Place]:
        """Those with one of the types, below <domain>."""
        return sorted(place[1:] for place, types in self.typed.items() if types & TYPES)


def named(element: etree._Element) -> str:
    return str(element.get("name") or "*")
