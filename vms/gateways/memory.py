"""glibc's memory for blocks that come and go: by itself it asks the kernel for each large one and gives it back, so
that each byte that passes costs a fresh page besides (mallopt(3))."""

from __future__ import annotations

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
# Larger than any block that passes, and what may lie free.
LARGEST: Final = 8 << 20
FREE: Final = 32 << 20


def keep_blocks() -> None:
    """For the whole process; nothing where the C library has no such setting."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, FREE)
