"""Network cards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Final

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.compose.wanted import Wanted
from vms.libvirtxml.network import CLEAN_TRAFFIC

# QEMU's own range.
RANGE: Final = "52:54:00"


def new_mac() -> str:
    """One of the range, at random; whoever takes it looks whether another VM has it."""
    return ":".join([RANGE, *(f"{byte:02x}" for byte in secrets.token_bytes(3))])


def cards(wanted: Wanted) -> Iterator[etree._Element]:
    """Filtered, so that no guest speaks for another's address (security: layer-2 neighbours)."""
    for card in wanted.cards:
        yield E.interface(
            E.mac(address=card.mac),
            E.source(network=card.network),
            E.model(type="virtio" if wanted.guest.virtio_net else "e1000e"),
            E.filterref(filter=CLEAN_TRAFFIC),
            type="network",
        )
