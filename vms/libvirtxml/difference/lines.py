"""A line of the allow-list, and whether it names a node.

place                a/b, a/b/@attribute, a/** for all that is below a; "*" is any name
libosinfo:a          one of libosinfo's namespace
a[@type=x|y]         only where it has that attribute; [@passwd] any value
+ place              only where nothing was before
> place              only where another was before
- place              only an element that goes with all that is in it, which is not looked at then
place = x|y          the text or attribute that it may be given: # is a whole number, ~ a plain word, * any text,
                     a word in capitals the path of such a file of the host's packages, or the address of such a
                     system. Without it none, so that an element may only be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from vms.libvirtxml.compose.system import ADDRESS, NAMESPACE
from vms.libvirtxml.difference.canonical import Node, Way

How = Literal["added", "changed", "removed", "whole"]
Only = Literal["", "+", ">", "-"]
MARKS: Final[dict[str, Only]] = {"+ ": "+", "> ": ">", "- ": "-"}
FOR: Final = {"+": "added", ">": "changed"}

SEGMENT: Final = re.compile(r"(?P<name>@?(libosinfo:)?[\w*-]+)(?P<conditions>(\[[^\]]*\])*)", re.ASCII)
CONDITION: Final = re.compile(r"\[@(?P<name>\w+)(=(?P<values>[^\]]*))?\]", re.ASCII)
SHAPES: Final = {
    "QEMU": re.compile(r"/usr/(bin/qemu-system-[a-z0-9_]{1,20}|bin/kvm|libexec/qemu-kvm)"),
    "FIRMWARE": re.compile(r"/usr/share(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}){1,9}"),
    "NVRAM": re.compile(r"/var/lib/libvirt/qemu/nvram/[^/\0\n]{1,200}_VARS\.(fd|qcow2)"),
    "SYSTEM": ADDRESS,
    "#": re.compile(r"-?[0-9]{1,18}"),
    "~": re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}"),
    "*": re.compile(r"(?s).*"),
}


@dataclass(frozen=True)
class Condition:
    """name: of an attribute that must be there. values: those of which it has one, None for any."""

    name: str
    values: frozenset[str] | None

    def holds(self, node: Node) -> bool:
        value = node.get(self.name)
        return value is not None and (self.values is None or value in self.values)


@dataclass(frozen=True)
class Line:
    """names: the way to the node. conditions: for each element on it. values: what it may be given."""

    privilege: str
    names: Way
    conditions: tuple[tuple[Condition, ...], ...]
    values: tuple[str, ...]
    only: Only

    @classmethod
    def parse(cls, privilege: str, text: str) -> Self:
        """The line that the text writes; ValueError for one that is none."""
        place, _, values = text.partition(" = ")
        only: Only = MARKS.get(place[:2], "")
        segments = [SEGMENT.fullmatch(part) for part in place[2 if only else 0 :].split("/")]
        found = [segment for segment in segments if segment]
        if len(found) != len(segments):
            raise ValueError(f"no line: {text}")
        return cls(
            privilege,
            tuple(segment["name"].replace("libosinfo:", f"{{{NAMESPACE}}}") for segment in found),
            tuple(tuple(map(condition, CONDITION.finditer(segment["conditions"]))) for segment in found),
            tuple(values.split("|")) if values else (),
            only,
        )

    def fits(self, way: Way, nodes: Sequence[Node], value: str, how: How) -> bool:
        """Whether it names the node at the end of the way, which is given the value or is taken away. nodes: the
        elements on the way, as they will be."""
        if (self.only == "-") != (how == "whole") or (self.only in FOR and how != FOR[self.only]):
            return False
        return (
            self.names_way(way)
            and all(
                condition.holds(node)
                for node, conditions in zip(nodes, self.conditions, strict=False)
                for condition in conditions
            )
            and (how in ("removed", "whole") or self.takes(value))
        )

    def names_way(self, way: Way) -> bool:
        if self.names[-1] == "**":
            known = self.names[:-1]
            below = way[len(known) :]
            return bool(below) and self.same(known, way[: len(known)]) and not any("{" in name for name in below)
        return len(way) == len(self.names) and self.same(self.names, way)

    @staticmethod
    def same(names: Way, way: Way) -> bool:
        return all(name == here or (name == "*" and "{" not in here) for name, here in zip(names, way, strict=True))

    def takes(self, value: str) -> bool:
        if self.names[-1] == "**":
            return True
        if not value and not self.names[-1].startswith("@"):
            return True
        return any(SHAPES[one].fullmatch(value) if one in SHAPES else one == value for one in self.values)


class Table:
    """Lines, found by their last name and by how far below they are; deep: those that take all that is below."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.named: dict[tuple[str, int], list[Line]] = {}
        self.deep: list[Line] = []
        for line in lines:
            if line.names[-1] == "**":
                self.deep.append(line)
            else:
                self.named.setdefault((line.names[-1], len(line.names)), []).append(line)

    def privilege(self, way: Way, nodes: Sequence[Node], value: str, how: How) -> str | None:
        """Of the first line that fits, None for none."""
        lines = (*self.named.get((way[-1], len(way)), ()), *self.deep) if way else ()
        return next((line.privilege for line in lines if line.fits(way, nodes, value, how)), None)

    def is_below(self, way: Way) -> bool:
        """Whether a line takes all that is below an element on the way."""
        return any(line.names_way(way) for line in self.deep)


def condition(found: re.Match[str]) -> Condition:
    values = frozenset(found["values"].split("|")) if found["values"] is not None else None
    return Condition(found["name"], values)
