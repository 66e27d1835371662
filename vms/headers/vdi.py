"""VDI, VirtualBox's: dynamic or fixed, without a parent."""

from __future__ import annotations

from typing import Final

from vms.headers.head import LARGEST, SECTOR, Head, check

VERSION: Final = 0x00010001
DYNAMIC, FIXED = 1, 2
BLOCK: Final = 1 << 20


def capacity(head: Head) -> int:
    """Its virtual size in bytes; RefusedImage where it is not one that stands by itself."""
    check(head.little(68, 4) == VERSION, "unknown_format")
    check(head.little(76, 4) in (DYNAMIC, FIXED), "parent")
    check(not any(head.take(424, 32)), "parent")
    check(head.little(360, 4) == SECTOR and head.little(376, 4) == BLOCK)
    size, blocks = head.little(368, 8), head.little(384, 4)
    check(size <= LARGEST and size <= blocks * BLOCK and head.little(388, 4) <= blocks)
    table, data = head.little(340, 4), head.little(344, 4)
    check(table % SECTOR == 0 and data % SECTOR == 0)
    check(table >= SECTOR and table + 4 * blocks <= min(data, -(-head.size // SECTOR) * SECTOR))
    return size
