"""What an ISO 9660 image says of itself, read from fixed places of its first 64 KiB; nothing is followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SECTOR: Final = 2048
# The descriptors begin here, and so many are looked at.
FIRST, MOST = 16, 16
ENOUGH: Final = SECTOR * (FIRST + MOST)
PRIMARY, BOOT, END = 1, 0, 255
EL_TORITO: Final = b"EL TORITO SPECIFICATION"


@dataclass(frozen=True)
class Label:
    """volume: its name ("Debian 12.5.0 amd64 n"). bootable: there is something for a machine to start from.
    size_bytes: of its file system, which is not all of the file."""

    volume: str
    system: str
    publisher: str
    application: str
    bootable: bool
    size_bytes: int = 0


def read_label(first: bytes) -> Label | None:
    """What the image that begins so says; None where it is no ISO, or its beginning is cut off."""
    found: bytes | None = None
    bootable = False
    for number in range(FIRST, FIRST + MOST):
        sector = first[number * SECTOR : (number + 1) * SECTOR]
        if len(sector) < SECTOR or sector[1:6] != b"CD001" or sector[0] == END:
            break
        if sector[0] == PRIMARY and found is None:
            found = sector
        if sector[0] == BOOT and sector[7 : 7 + len(EL_TORITO)] == EL_TORITO:
            bootable = True
    if found is None:
        return None
    return Label(
        text(found, 40, 32), text(found, 8, 32), text(found, 318, 128), text(found, 574, 128), bootable,
        int.from_bytes(found[80:84], "little") * int.from_bytes(found[128:130], "little"),
    )  # fmt: skip


def text(sector: bytes, at: int, length: int) -> str:
    """The text there, without what no screen shows."""
    told = sector[at : at + length].decode("ascii", "replace")
    return "".join(sign if sign.isprintable() else " " for sign in told).strip()
