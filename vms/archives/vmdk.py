"""The data of a VMDK that is one file (VMware's Virtual Disk Format 5.0), in ascending order and only what is there."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from vms.archives.reading import LARGEST, Read, exactly
from vms.errors import RefusedArchive
from vms.headers import ENOUGH, capacity, require

SECTOR: Final = 512
COMPRESSED: Final = 1 << 16
# What follows a marker of this kind.
END, TABLE, DIRECTORY, FOOTER = 0, 1, 2, 3
AT_END: Final = 2**64 - 1
# A grain that is not there; one of zeros.
ABSENT, ZEROS = 0, 1


def read_vmdk(read: Read, size: int) -> Iterator[tuple[int, bytes]]:
    """(offset in the disk, bytes) of all that was ever written, both in bytes; what is left out are zeros.

    Raises RefusedImage as vms.headers does, RefusedArchive: bad_disk, cut_off, order (its grains come in no order in
    which they could pass through), packed (a grain that unpacks to more than it is).
    """
    first = read(0, min(size, ENOUGH))
    require(first, "vmdk", size=size)
    total = capacity(first, size=size)
    flags, grain = struct.unpack_from("<I", first, 8)[0], struct.unpack_from("<Q", first, 20)[0] * SECTOR
    if grain > LARGEST:
        raise RefusedArchive(reason="bad_disk")
    if flags & COMPRESSED:
        start = struct.unpack_from("<Q", first, 64)[0] * SECTOR
        yield from streamed(read, size, start, grain, total)
    else:
        entries, directory = struct.unpack_from("<I", first, 44)[0], struct.unpack_from("<Q", first, 56)[0]
        yield from tabled(read, size, directory * SECTOR, entries, grain, total)


def streamed(read: Read, size: int, at: int, grain: int, total: int) -> Iterator[tuple[int, bytes]]:
    """Grains as they come, each packed by itself, with its place before it."""
    place = -1
    while at + SECTOR <= size:
        value, length, kind = struct.unpack("<QII", exactly(read, at, 16))
        if not length:
            if kind == END:
                return
            if kind not in (TABLE, DIRECTORY, FOOTER) or value > size // SECTOR:
                raise RefusedArchive(reason="bad_disk")
            at += SECTOR * (1 + value)
            continue
        if length > 2 * grain or value * SECTOR >= total or value * SECTOR % grain:
            raise RefusedArchive(reason="bad_disk")
        if value <= place:
            raise RefusedArchive(reason="order")
        place = value
        # The last one may end with the disk.
        least = min(grain, total - value * SECTOR)
        yield value * SECTOR, unpacked(exactly(read, at + 12, length), least, grain)[:least]
        at += -(-(12 + length) // SECTOR) * SECTOR
    raise RefusedArchive(reason="cut_off")


def unpacked(packed: bytes, least: int, grain: int) -> bytes:
    """One grain, from so many bytes to a whole one."""
    way = zlib.decompressobj()
    try:
        found = way.decompress(packed, grain + 1)
    except zlib.error:
        raise RefusedArchive(reason="bad_disk") from None
    if not way.eof or not least <= len(found) <= grain:
        raise RefusedArchive(reason="packed")
    return found


def tabled(
    read: Read, size: int, directory: int, entries: int, grain: int, total: int
) -> Iterator[tuple[int, bytes]]:  # fmt: skip
    """Grains by their tables; neighbours that lie side by side come together."""
    span = entries * grain
    count = -(-total // span)
    if directory in (0, AT_END * SECTOR) or count > LARGEST // 4:
        raise RefusedArchive(reason="bad_disk")
    tables = struct.unpack(f"<{count}I", exactly(read, directory, 4 * count))
    for number, table in enumerate(tables):
        if not table:
            continue
        places = struct.unpack(f"<{entries}I", exactly(read, table * SECTOR, 4 * entries))
        for start, place, length in runs(places, grain):
            offset = number * span + start * grain
            if offset < total:
                yield offset, exactly(read, place * SECTOR, min(length, total - offset))


def runs(places: tuple[int, ...], grain: int) -> Iterator[tuple[int, int, int]]:
    """(number of the first grain, its sector, bytes) of grains that follow each other in both, 1 MiB at most."""
    start = place = length = 0
    for number, here in enumerate(places):
        if length and here == place + length // SECTOR and length + grain <= LARGEST:
            length += grain
            continue
        if length:
            yield start, place, length
        start, place, length = (number, here, grain) if here not in (ABSENT, ZEROS) else (0, 0, 0)
    if length:
        yield start, place, length
