"""What a guest sees on a disk: as it is now, or as it was when a snapshot was kept inside it, with what lies below.
QEMU's docs/interop/qcow2.txt describes the format."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from vms.archives.reading import LARGEST, Read, exactly
from vms.errors import RefusedArchive

MAGIC: Final = b"QFI\xfb"
SECTOR: Final = 512
# Incompatible features that say nothing of what is read here: not closed properly; how clusters are packed, which is
# looked at only where one is.
DIRTY, PACKING = 1 << 0, 1 << 3
OFFSET: Final = 0x00FFFFFFFFFFFE00
PACKED, ZEROS = 1 << 62, 1
# QEMU's own limits: of a table of the first level, of how many snapshots one image has, and of what each says of
# itself beside its names.
TABLE_BYTES, SNAPSHOTS, EXTRA_BYTES = 32 << 20, 65536, 1024
ENTRY: Final = ">QIHHIIQII"
# So much before what is packed by deflate can be referred to.
WINDOW_BITS: Final = 12

Sort = Literal["data", "zeros", "packed", "absent"]


@dataclass(frozen=True)
class Layer:
    """A file of a chain: its bytes, how many they are, and its format as it is remembered, "qcow2" or "raw". snapshot:
    the name of the one inside it that is meant, "" for what it holds now."""

    read: Read
    size: int
    format: str
    snapshot: str = ""


@dataclass(frozen=True)
class Extent:
    """length bytes of the disk from offset on. at: where its data are in the file, in bytes; stored: how many those are
    at most, where they are packed."""

    offset: int
    length: int
    sort: Sort
    at: int = 0
    stored: int = 0


@dataclass(frozen=True)
class Table:
    """The disk that a table of the first level describes: of a whole image, or of one of its snapshots. roots: None for
    a raw one, of which all is data."""

    read: Read
    disk_bytes: int
    roots: tuple[int, ...] | None = None
    bits: int = 0
    deflated: bool = False

    def extents(self, offset: int, length: int) -> Iterator[Extent]:
        """What this part of the disk is made of, in order; neighbours that lie side by side come together."""
        end = min(offset + length, self.disk_bytes)
        if self.roots is None:
            if offset < end:
                yield Extent(offset, end - offset, "data", offset)
            return
        cluster = 1 << self.bits
        span = cluster << (self.bits - 3)
        while offset < end:
            root, inside = divmod(offset, span)
            stop = min(end, (root + 1) * span)
            place = self.roots[root] & OFFSET if root < len(self.roots) else 0
            if not place:
                yield Extent(offset, stop - offset, "absent")
            else:
                first, last = inside >> self.bits, -(-(stop - root * span) // cluster)
                data = exactly(self.read, place + 8 * first, 8 * (last - first))
                numbers = struct.unpack(f">{last - first}Q", data)
                found = (
                    self.extent(root * span + ((first + n) << self.bits), entry) for n, entry in enumerate(numbers)
                )
                for extent in joined(found):
                    yield cut(extent, offset, stop)
            offset = stop

    def extent(self, offset: int, entry: int) -> Extent:
        """Of one cluster."""
        cluster = 1 << self.bits
        if entry & PACKED:
            bits = 62 - (self.bits - 8)
            at = entry & ((1 << bits) - 1)
            sectors = ((entry & (PACKED - 1)) >> bits) + 1
            return Extent(offset, cluster, "packed", at, sectors * SECTOR - at % SECTOR)
        if entry & ZEROS:
            return Extent(offset, cluster, "zeros")
        place = entry & OFFSET
        if place % cluster:
            raise RefusedArchive(reason="bad_disk")
        return Extent(offset, cluster, "data", place) if place else Extent(offset, cluster, "absent")

    def data(self, extent: Extent) -> Iterator[bytes]:
        """The bytes of what is there, in pieces. Raises RefusedArchive: bad_disk, packed."""
        if extent.sort == "data":
            for at in range(0, extent.length, LARGEST):
                yield exactly(self.read, extent.at + at, min(LARGEST, extent.length - at))
            return
        if not self.deflated:
            raise RefusedArchive(reason="packed")
        # The last sectors may be behind the end of the file.
        stored = self.read(extent.at, extent.stored)
        try:
            found = zlib.decompressobj(-WINDOW_BITS).decompress(stored, 1 << self.bits)
        except zlib.error:
            raise RefusedArchive(reason="bad_disk") from None
        if len(found) < 1 << self.bits:
            raise RefusedArchive(reason="bad_disk")
        start = extent.offset % (1 << self.bits)
        yield found[start : start + extent.length]


def read_layers(layers: Sequence[Layer]) -> tuple[int, Iterator[tuple[int, bytes]]]:
    """(size of the disk, its parts: (offset, bytes) of all that is not known to be zeros, ascending), both in bytes.
    layers: the one that the guest had first, then what lies below each.

    Raises RefusedArchive: bad_disk, cut_off, packed (by another way than deflate), no_snapshot.
    """
    tables = [table_of(layer) for layer in layers]
    return tables[0].disk_bytes, parts(tables, 0, tables[0].disk_bytes)


def parts(tables: Sequence[Table], offset: int, length: int) -> Iterator[tuple[int, bytes]]:
    for extent in tables[0].extents(offset, length):
        if extent.sort == "absent" and len(tables) > 1:
            yield from parts(tables[1:], extent.offset, extent.length)
        elif extent.sort in ("data", "packed"):
            at = extent.offset
            for data in tables[0].data(extent):
                if data.count(0) < len(data):
                    yield at, data
                at += len(data)


def table_of(layer: Layer) -> Table:
    if layer.format == "raw":
        return Table(layer.read, layer.size)
    head = exactly(layer.read, 0, 104)
    magic, version, _, _, bits, disk, _, roots, place = struct.unpack_from(">4sIQIIQIIQ", head)
    count, snapshots = struct.unpack_from(">IQ", head, 60)
    features = struct.unpack_from(">Q", head, 72)[0] if version == 3 else 0
    encrypted = struct.unpack_from(">I", head, 32)[0]
    if magic != MAGIC or version not in (2, 3) or not 9 <= bits <= 21 or encrypted or features & ~(DIRTY | PACKING):
        raise RefusedArchive(reason="bad_disk")
    if layer.snapshot:
        place, roots, disk = snapshot(layer, snapshots, count, disk)
    if disk > roots << (2 * bits - 3):
        raise RefusedArchive(reason="bad_disk")
    return Table(layer.read, disk, table(layer.read, place, roots), bits, deflated=not features & PACKING)


def table(read: Read, place: int, count: int) -> tuple[int, ...]:
    if 8 * count > TABLE_BYTES or place % SECTOR:
        raise RefusedArchive(reason="bad_disk")
    return struct.unpack(f">{count}Q", exactly(read, place, 8 * count))


def snapshot(layer: Layer, at: int, count: int, disk: int) -> tuple[int, int, int]:
    """(where its table is, how many entries that has, the size of its disk) of the one of that name. disk: the image's
    size, which is its own where it does not say."""
    for _ in range(min(count, SNAPSHOTS)):
        fixed = exactly(layer.read, at, 40)
        place, roots, id_length, name_length, _, _, _, _, extra = struct.unpack(ENTRY, fixed)
        if extra > EXTRA_BYTES:
            raise RefusedArchive(reason="bad_disk")
        rest = exactly(layer.read, at + 40, extra + id_length + name_length)
        if rest[extra + id_length :] == layer.snapshot.encode():
            return place, roots, struct.unpack_from(">Q", rest, 8)[0] if extra >= 16 else disk
        at += -(-(40 + len(rest)) // 8) * 8
    raise RefusedArchive(reason="no_snapshot")


def joined(extents: Iterator[Extent]) -> Iterator[Extent]:
    """Those of one sort that follow each other as one, of data as far as they do so in the file, too."""
    held: Extent | None = None
    for extent in extents:
        if held and extent.sort == held.sort != "packed" and (
            extent.sort != "data" or extent.at == held.at + held.length
        ):  # fmt: skip
            held = Extent(held.offset, held.length + extent.length, held.sort, held.at)
            continue
        if held:
            yield held
        held = extent
    if held:
        yield held


def cut(extent: Extent, start: int, stop: int) -> Extent:
    """What of it is between start and stop."""
    offset = max(extent.offset, start)
    length = min(extent.offset + extent.length, stop) - offset
    at = extent.at + (offset - extent.offset if extent.sort == "data" else 0)
    return Extent(offset, length, extent.sort, at, extent.stored)
