"""A volume's document: what a host tells of one, and what it is asked to make."""

from __future__ import annotations

from typing import Final

from lxml.builder import E

from vms.libvirtxml.document import parse, serialize
from vms.libvirtxml.lenses import Int, Text

# Longer units than bytes are what others write; a host answers in bytes.
BYTES: Final = "bytes"


class VolumeXML:
    """What a host tells; sizes in bytes, None where it does not say. mtime: seconds since 1970, as text."""

    type = Text("@type")
    name = Text("name")
    capacity = Int("capacity")
    allocation = Int("allocation")
    physical = Int("physical")
    path = Text("target/path")
    format = Text("target/format/@type")
    mtime = Text("target/timestamps/mtime")
    backing_path = Text("backingStore/path")

    def __init__(self, text: str) -> None:
        self.element = parse(text)


def volume_document(
    name: str, capacity: int, format: str, *, whole: bool, backing: tuple[str, str] | None = None
) -> str:  # fmt: skip
    """A new volume of so many bytes; format "" where its pool has none. whole: all of its space is taken at
    once, else as it is written. backing: the path on the host and the format of what it is a layer over."""
    sizes = [E.capacity(str(capacity), unit=BYTES)]
    if not whole:
        sizes.append(E.allocation("0", unit=BYTES))
    target = [E.target(E.format(type=format))] if format else []
    below = [E.backingStore(E.path(backing[0]), E.format(type=backing[1]))] if backing else []
    return serialize(E.volume(E.name(name), *sizes, *target, *below))
