"""A file that lies on a host: read wherever something in it points to, and written anew out of pieces."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from vms.errors import Aborted
from vms.libvirtxml import volume_document
from vms.models import StoragePool
from vms.operations.jobs import is_to_end, tell
from vms.operations.volumes import BLOCK, LOOK
from vms.operations.work import Work
from vms.virt import Connection, Download, Job
from vms.virt import Volume as There

# So much is given to the host in one stream.
PIECE: Final = 16 << 20
# So far ahead is read on, and further the stream begun anew; so much that was read is kept, for what looks back a
# little.
AHEAD: Final = 4 << 20
BEHIND: Final = 64
# How many bytes of an image a volume has that becomes as long as it needs.
FIRST: Final = 1 << 16


class Afar:
    """The bytes of a volume, wherever asked for, out of a stream that goes on as long as they come in order; between is
    called now and then and told how many have come altogether."""

    def __init__(self, there: There, size: int, between: Callable[[int], None]) -> None:
        self.there, self.size, self.between = there, size, between
        self.way: Download | None = None
        self.start, self.block, self.come = 0, b"", 0

    def read(self, offset: int, length: int) -> bytes:
        """Fewer only at the end. Raises VirtError, and what between raises."""
        found = bytearray()
        end = min(offset + length, self.size)
        while offset < end:
            if not self.start <= offset < self.start + len(self.block):
                self.go_to(offset)
            piece = self.block[offset - self.start : end - self.start]
            found += piece
            offset += len(piece)
        return bytes(found)

    def go_to(self, offset: int) -> None:
        reached = self.start + len(self.block)
        if self.way is None or not reached <= offset <= reached + AHEAD:
            self.close()
            self.way = self.there.download(offset, self.size - offset)
            self.start, self.block = offset, b""
        while offset >= self.start + len(self.block):
            kept = self.block[-BEHIND:]
            self.start += len(self.block) - len(kept)
            piece = self.way.read(BLOCK)
            self.block = kept + piece
            self.come += len(piece)
            self.between(self.come)

    def close(self) -> None:
        if self.way is not None:
            self.way.abort()
            self.way = None


class Between:
    """What is looked at while bytes pass: whether this is to go on, and how far it is of so many."""

    def __init__(self, work: Work, total: int = 0) -> None:
        self.work, self.total, self.looked = work, total, time.monotonic()

    def __call__(self, come: int) -> None:
        if time.monotonic() - self.looked < LOOK:
            return
        self.looked = time.monotonic()
        self.work.heard()
        self.work.may_go_on()
        if is_to_end(self.work.operation):
            raise Aborted
        if self.total:
            tell(self.work.operation, Job(done=min(come, self.total), left=max(self.total - come, 0)))


def new_file(connection: Connection, pool: StoragePool, name: str) -> There:
    """A new volume in a folder for an image that is to come: to its host it is bytes until all of them are there."""
    return connection.create_volume(str(pool.uuid), volume_document(name, FIRST, "raw", whole=False), name=name)


def pieces(parts: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """What lies side by side, together."""
    start, held = 0, bytearray()
    for offset, data in parts:
        if held and (offset != start + len(held) or len(held) >= PIECE):
            yield start, bytes(held)
            held.clear()
        if not held:
            start = offset
        held += data
    if held:
        yield start, bytes(held)


def put(there: There, offset: int, piece: bytes) -> None:
    way = there.upload(offset, len(piece))
    try:
        for at in range(0, len(piece), BLOCK):
            way.send(piece[at : at + BLOCK])
        way.finish()
    finally:
        way.abort()
