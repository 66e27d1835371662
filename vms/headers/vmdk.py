"""VMDK: of its many kinds only the one file that holds everything, sparse or as streams are."""

from __future__ import annotations

import re
from typing import Final

from vms.headers.head import LARGEST, SECTOR, Head, check

# The directory of a stream is at its end.
AT_END: Final = 2**64 - 1
# Where libvirt looks for a parent, whatever the header says; how far it and QEMU look, which is as long as a text is.
LIBVIRTS, SEARCHED = 0x200, 20 * SECTOR
KINDS: Final = ([b"monolithicsparse"], [b"streamoptimized"])
PARENT: Final = re.compile(rb"parentfilenamehint", re.IGNORECASE)
ACCESS: Final = (b"rw", b"rdonly", b"noaccess")


def capacity(head: Head) -> int:
    """Its virtual size in bytes; RefusedImage where it is not one file that stands by itself."""
    check(1 <= head.little(4, 4) <= 3)
    sectors = head.little(12, 8)
    # Without a capacity the text beside the header decides, and that names files.
    check(sectors > 0, "extents")
    check(sectors <= LARGEST // SECTOR)
    grain = head.little(20, 8)
    check(0 < grain <= 0x200000 and grain & (grain - 1) == 0)
    check(0 < head.little(44, 4) <= 512)
    check(head.take(73, 4) == b"\n \r\n")
    check(head.little(77, 2) in (0, 1))
    directory = head.little(56, 8)
    check(directory == AT_END or 0 < directory * SECTOR <= head.size)
    at, length = head.little(28, 8) * SECTOR, head.little(36, 8) * SECTOR
    check(at >= SECTOR and 0 < length <= SEARCHED, "extents")
    check_text(head.take(at, length).split(b"\0", 1)[0].lower())
    for start in (at, LIBVIRTS):
        check(not PARENT.search(head.data[start : start + SEARCHED]), "parent")
    return sectors * SECTOR


def check_text(text: bytes) -> None:
    """One extent, in this file, and no parent."""
    values: dict[bytes, list[bytes]] = {}
    extents = []
    for line in text.splitlines():
        words = line.split(None, 3)
        if words and words[0] in ACCESS:
            extents.append(words)
        else:
            name, _, value = line.partition(b"=")
            values.setdefault(name.strip(), []).append(value.strip(b' \t"'))
    check(values.get(b"createtype") in KINDS, "extents")
    check(len(extents) == 1 and len(extents[0]) == 4 and extents[0][2] == b"sparse", "extents")
    check(not set(b"/\\") & set(extents[0][3]), "extents")
    check(set(values.get(b"parentcid", ())) <= {b"ffffffff"}, "parent")
