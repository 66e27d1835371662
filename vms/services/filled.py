"""What libvirt has added to a version beside what somebody asked for on the Hardware page: places on buses, what holds
a device, what stands for a choice of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from vms.kinds.shaping import ADD_DISK, SHAPE
from vms.libvirtxml import BadXML, DomainXML, mask, spread
from vms.libvirtxml.shaping import BadValue, Stale, shape
from vms.models import Operation, Version
from vms.services.shaping import AUTOSTART
from vms.services.xml import Line, lines_between

KINDS: Final = (SHAPE.name, ADD_DISK.name)
ATTRIBUTE: Final = re.compile(r'[\w:.-]+="[^"]*"')
TAG: Final = re.compile(r"</?([\w:.-]+)")
# Where nobody asked for one of them, but for another.
PLACES: Final = ("address", "alias")


def marked(lines: Sequence[Line], version: Version, before: Version) -> tuple[Line, ...]:
    """The lines from the version before to this one, and of those that came which libvirt added. None is marked where
    nobody knows what was asked for."""
    wished = asked_for(before.xml, version.operation) if version.operation else None
    if wished is None:
        return tuple(lines)
    asked = [line for line in lines_between(before.xml, wished, context=0) if line.how == "+"]
    known, tags = {key(line.text) for line in asked}, {tag(line.text) for line in asked}
    return tuple(
        replace(line, filled=line.how == "+" and is_filled(line.text, known, tags)) for line in lines
    )  # fmt: skip


def is_filled(text: str, known: set[str], tags: set[str]) -> bool:
    """A line with the name of one that was asked for is that one, written otherwise."""
    return key(text) not in known and tag(text) != "" and (tag(text) in PLACES or tag(text) not in tags)


def asked_for(before: str, operation: Operation) -> str | None:
    """The definition as the operation's edits make it, without secrets and with an element a line; None where it was
    no change of hardware, or they do not fit."""
    if operation.kind not in KINDS:
        return None
    try:
        document = DomainXML.parse(before)
        shape(document, [edit for edit in operation.params["edits"] if edit["do"] != AUTOSTART])
        return spread(mask(document.text))
    except (BadXML, BadValue, Stale):
        return None


def key(text: str) -> str:
    """The line, whatever the order of its attributes, and whether something is in its element."""
    said = ATTRIBUTE.sub("", text).replace("/>", ">").split()
    return " ".join([*said, *sorted(ATTRIBUTE.findall(text))])


def tag(text: str) -> str:
    found = TAG.search(text)
    return found[1] if found else ""
