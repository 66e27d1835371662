"""Bytes of a file that lies elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

from vms.errors import RefusedArchive

# So many bytes from there, fewer only at the end.
Read = Callable[[int, int], bytes]
# Whatever a header says of its own length, so much of it is read at once.
LARGEST: Final = 1 << 20


class Window(io.RawIOBase):
    """The file as Python's own readers want it; RefusedArchive where one wants more at once than any header has."""

    def __init__(self, read: Read, size: int) -> None:
        self.at, self.fetch, self.size = 0, read, size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        if self.at < 0:
            raise RefusedArchive(reason="bad_archive")
        return self.at

    def read(self, length: int = -1) -> bytes:
        if length < 0 or length > LARGEST:
            raise RefusedArchive(reason="bad_archive")
        found = self.fetch(self.at, min(length, max(self.size - self.at, 0))) if self.at < self.size else b""
        self.at += len(found)
        return found


def exactly(read: Read, offset: int, length: int) -> bytes:
    """So many bytes, or RefusedArchive: cut_off."""
    found = read(offset, length) if length else b""
    if len(found) != length:
        raise RefusedArchive(reason="cut_off")
    return found
