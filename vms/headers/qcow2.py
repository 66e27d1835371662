"""qcow2, as QEMU's docs/interop/qcow2.txt describes it."""

from __future__ import annotations

from typing import Final

from vms.headers.head import LARGEST, Head, check

# Incompatible features: dirty, compression type, extended L2 entries.
DIRTY, CORRUPT, DATA_FILE, COMPRESSION, EXTENDED_L2 = (1 << bit for bit in range(5))
KNOWN: Final = DIRTY | COMPRESSION | EXTENDED_L2
RAW_DATA_FILE: Final = 1 << 1
# Header extensions: the end, and those that name nothing outside the image.
END: Final = 0
FEATURE_NAMES, BITMAPS = 0x6803F857, 0x23852875
BACKING_FORMAT: Final = 0xE2792ACA
REASONS: Final = {0x44415441: "data_file", BACKING_FORMAT: "backing_file", 0x0537BE77: "encrypted"}
# QEMU's own limits of the two tables that it keeps in memory, in bytes, and of what we read.
L1_BYTES, REFCOUNT_BYTES, EXTENSIONS = 32 << 20, 8 << 20, 32


def capacity(head: Head, over: tuple[str, str] | None = None) -> int:
    """Its virtual size in bytes; RefusedImage where it is not one that stands by itself, or a layer over the file of
    this path and format."""
    version = head.big(4, 4)
    check(version in (2, 3), "unknown_format")
    length, features = 72, 0
    if version == 3:
        length = head.big(100, 4)
        features = check_features(head, length)
    check_backing(head, over[0] if over else "")
    check(head.big(32, 4) == 0, "encrypted")
    check(head.big(60, 4) == 0, "snapshots")
    bits = head.big(20, 4)
    check(9 <= bits <= 21)
    cluster = 1 << bits
    check(length <= cluster)
    told = check_extensions(head, length, cluster, layered=over is not None)
    # Without one QEMU would look what the file below is.
    check(told == (over[1].encode() if over else None), "backing_file")
    size = head.big(24, 8)
    check(size <= LARGEST)
    entry = 16 if features & EXTENDED_L2 else 8
    entries, table = head.big(36, 4), head.big(40, 8)
    check(-(-size // (cluster * (cluster // entry))) <= entries <= L1_BYTES // 8)
    check_table(head, table, entries * 8, cluster)
    counts = head.big(56, 4)
    check(0 < counts * cluster <= max(REFCOUNT_BYTES, cluster))
    check(head.big(48, 8) > 0)
    check_table(head, head.big(48, 8), counts * cluster, cluster)
    return size


def check_features(head: Head, length: int) -> int:
    """The incompatible features, each of them known; the header is as long as a header of version 3."""
    check(length >= 104 and length % 8 == 0)
    features = head.big(72, 8)
    check(not features & DATA_FILE and not head.big(88, 8) & RAW_DATA_FILE, "data_file")
    check(not features & CORRUPT, "corrupt")
    check(not features & ~KNOWN, "unknown_feature")
    check(head.big(96, 4) <= 6)
    compression = head.big(104, 1) if length > 104 else 0
    check(compression in (0, 1) and (compression != 0) == bool(features & COMPRESSION), "unknown_feature")
    return features


def check_backing(head: Head, path: str) -> None:
    """It names this file below it, "" for none."""
    place, length = head.big(8, 8), head.big(16, 4)
    if not path:
        check(place == 0 and length == 0, "backing_file")
        return
    check(place > 0 and head.take(place, length) == path.encode(), "backing_file")


def check_extensions(head: Head, at: int, end: int, *, layered: bool = False) -> bytes | None:
    """The format of what lies below, where one is told; only a layer may."""
    told = None
    for _ in range(EXTENSIONS):
        if at + 8 > end:
            return told
        sort, length = head.big(at, 4), head.big(at + 4, 4)
        if sort == END:
            return told
        if sort == BACKING_FORMAT and layered and told is None:
            told = head.take(at + 8, length)
        else:
            check(sort in (FEATURE_NAMES, BITMAPS), REASONS.get(sort, "unknown_feature"))
        at += 8 + -(-length // 8) * 8
        check(at <= end)
    check(False)
    return told


def check_table(head: Head, at: int, length: int, cluster: int) -> None:
    """It begins where clusters begin, behind the header, and ends in the image or in its last cluster."""
    check(at % cluster == 0 and (at >= cluster or length == 0))
    check(at + length <= -(-head.size // cluster) * cluster)
