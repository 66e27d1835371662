"""A disk as qcow2, written as its data pass by: in one go, with a table for 512 MiB in memory, its header at last, so
that it is no image before it is whole."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

BITS: Final = 16
CLUSTER: Final = 1 << BITS
# What one table of the second level, and one block of counts, speaks of.
TABLE, BLOCK = CLUSTER // 8, CLUSTER // 2
COPIED: Final = 1 << 63
HEADER: Final = ">4sIQIIQIIQQIIQQQQII"
HEADER_BYTES: Final = 104


def write_qcow2(parts: Iterable[tuple[int, bytes]], size: int) -> Iterator[tuple[int, bytes]]:
    """(offset in the file, bytes) of an image of so many bytes with these parts, (offset in the disk, bytes), which
    ascend and do not meet; the file has no holes and the last pair is its beginning."""
    roots = [0] * max(1, -(-size // (CLUSTER * TABLE)))
    # The header, then the table of the first level.
    front = 1 + -(-8 * len(roots) // CLUSTER)
    at, span, table = front, -1, [0] * TABLE
    for number, data in clusters(parts):
        here, entry = divmod(number, TABLE)
        if here != span:
            if span >= 0:
                yield at * CLUSTER, numbers(table)
                roots[span] = at * CLUSTER | COPIED
                at += 1
            span, table = here, [0] * TABLE
        yield at * CLUSTER, data
        table[entry] = at * CLUSTER | COPIED
        at += 1
    if span >= 0:
        yield at * CLUSTER, numbers(table)
        roots[span] = at * CLUSTER | COPIED
        at += 1
    blocks, counts = room_for_counts(at)
    first = at + counts
    yield at * CLUSTER, padded(numbers([(first + number) * CLUSTER for number in range(blocks)]))
    for number in range(blocks):
        used = min(first + blocks - number * BLOCK, BLOCK)
        yield (first + number) * CLUSTER, padded(b"\0\1" * used)
    header = struct.pack(
        HEADER, b"QFI\xfb", 3, 0, 0, BITS, size, 0, len(roots), CLUSTER, at * CLUSTER, counts, 0, 0, 0, 0, 0, 4,
        HEADER_BYTES,
    )  # fmt: skip
    yield 0, padded(header) + padded(numbers(roots))


def clusters(parts: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """(number, bytes) of each cluster in which anything but zeros was written."""
    number, held = -1, bytearray()
    for offset, data in parts:
        view = memoryview(data)
        while view:
            here, inside = divmod(offset, CLUSTER)
            if here != number:
                if number >= 0 and held.count(0) < CLUSTER:
                    yield number, bytes(held)
                number, held = here, bytearray(CLUSTER)
            piece = view[: CLUSTER - inside]
            held[inside : inside + len(piece)] = piece
            view, offset = view[len(piece) :], offset + len(piece)
    if number >= 0 and held.count(0) < CLUSTER:
        yield number, bytes(held)


def room_for_counts(used: int) -> tuple[int, int]:
    """(blocks of counts, clusters of the table that names them) for so many clusters and for themselves."""
    blocks, counts = 1, 1
    while blocks * BLOCK < used + blocks + counts or counts * TABLE < blocks:
        blocks = -(-(used + blocks + counts) // BLOCK)
        counts = -(-blocks // TABLE)
    return blocks, counts


def numbers(values: list[int]) -> bytes:
    return struct.pack(f">{len(values)}Q", *values)


def padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // CLUSTER) * CLUSTER, b"\0")
