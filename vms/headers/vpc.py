"""VHD, which QEMU calls vpc: a dynamic one, whose footer is repeated at its beginning, without a parent. A fixed one
has its footer at the end only, and is raw to everybody who looks at its beginning."""

from __future__ import annotations

from typing import Final

from vms.headers.head import LARGEST, Head, check

DYNAMIC, DIFFERENCING = 3, 4
VERSION: Final = 0x00010000
SPARSE: Final = b"cxsparse"


def capacity(head: Head) -> int:
    """Its virtual size in bytes; RefusedImage where it is not one that stands by itself."""
    check(head.big(12, 4) == VERSION)
    check(head.big(60, 4) != DIFFERENCING, "parent")
    check(head.big(60, 4) == DYNAMIC)
    size, second = head.big(48, 8), head.big(16, 8)
    check(size <= LARGEST)
    check(second >= 512 and head.take(second, 8) == SPARSE)
    # The parent's identity and time, its name, and the places where to look for it.
    check(not any(head.take(second + 40, 20)) and not any(head.take(second + 64, 512 + 8 * 24)), "parent")
    block, entries, table = head.big(second + 32, 4), head.big(second + 28, 4), head.big(second + 16, 8)
    check(512 <= block <= 1 << 28 and block & (block - 1) == 0)
    check(size <= block * entries and table + 4 * entries <= -(-head.size // 512) * 512)
    return size
