"""What two documents alone cannot tell: the processor that libvirt resolved, and memory that the guest gave back or
not. There a difference is one where the next start's document says otherwise than it said when the run began."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from lxml import etree

from vms.libvirtxml.difference.canonical import canonical

UNSURE: Final = ("cpu", "currentMemory")
# Of a processor these stay as they were asked for.
ASKED: Final = ("topology", "numa", "cache", "maxphysaddr")


class Told(Protocol):
    @property
    def unsure(self) -> str: ...


def settings(root: etree._Element) -> dict[str, str]:
    """What a next start's document says in those places, as digests."""
    found = {}
    for name in UNSURE:
        element = root.find(name)
        found[name] = canonical(element, (name,)).digest.hex() if element is not None else ""
    return found


def sure(change: Told, began: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether a person asked for it. began: the settings when the run began, {} where nobody saw that."""
    return not change.unsure or began.get(change.unsure, now.get(change.unsure)) != now.get(change.unsure)
